package heroku_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"quadrille/test/harness/identity"
)

// public is the public base URL of the shop.
const public = "http://shop.example"

// router returns a client that acts as Heroku's router: it passes requests to any web
// dyno and gives up after 30 s.
func (p *platform) router() *http.Client {
	return &http.Client{Timeout: 30 * time.Second, Transport: identity.Transport{RoundTripper: &http.Transport{
		MaxIdleConnsPerHost: 8,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			web := p.of("web")
			if len(web) == 0 {
				return nil, errors.New("no web dyno runs")
			}
			return p.network.middle.dial(ctx, web[rand.IntN(len(web))].at(webPort))
		},
	}}}
}
