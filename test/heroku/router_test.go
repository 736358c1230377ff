package heroku_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

// public is where the world finds the shop.
const public = "http://shop.example"

// router is Heroku's: it takes what comes from the world to any web dyno, and gives
// up after 30 s.
func (p *platform) router() *http.Client {
	return &http.Client{Timeout: 30 * time.Second, Transport: &bearer{p.config["GATEWAY_TOKEN"], &http.Transport{
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

// bearer shows the shop's token with every request.
type bearer struct {
	token string
	*http.Transport
}

func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.Transport.RoundTrip(r)
}
