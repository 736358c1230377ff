package heroku_test

import (
	"context"
	"net"
	"strconv"
	"testing"
	"time"

	"quadrille/internal/platform/app"
	"quadrille/services"
)

// isolated holds that the network is Heroku's: a dyno reaches the add-ons and
// nothing else, and the world reaches web and nothing else.
func isolated(t *testing.T, p *platform) {
	t.Helper()
	dynos := p.all()
	for _, d := range dynos {
		for _, addon := range []string{"5432", "5671", "6379"} {
			if !reaches(t, d.within, net.JoinHostPort(addons, addon)) {
				t.Errorf("%s does not reach the add-on at port %s", d.name, addon)
			}
		}
		for _, outside := range []string{"192.0.2.1:443", "127.0.0.1:5432", net.JoinHostPort(addons, "22")} {
			if reaches(t, d.within, outside) {
				t.Errorf("%s reaches %s", d.name, outside)
			}
		}
		for _, port := range ports() {
			for _, other := range dynos {
				if other != d && reaches(t, d.within, other.at(port)) {
					t.Errorf("%s reaches %s at port %s", d.name, other.name, port)
				}
			}
			if reached := reaches(t, p.network.middle, d.at(port)); reached != (d.kind == "web" && port == webPort) {
				t.Errorf("the world reaches %s at port %s: %t", d.name, port, reached)
			}
		}
		if d.kind != "web" && !reaches(t, d.within, "127.0.0.1:"+strconv.Itoa(withoutPort().PortOf(d.kind))) {
			t.Errorf("%s does not listen where nobody reaches it, so that this test says nothing", d.name)
		}
	}
}

// withoutPort returns the configuration of a dyno without PORT.
func withoutPort() app.Config { return app.Config{Port: 8080, Services: services.Names()} }

// ports returns every port that any of the processes listens on.
func ports() []string {
	found := []string{webPort, strconv.Itoa(withoutPort().Port)}
	for _, service := range services.Names() {
		found = append(found, strconv.Itoa(withoutPort().PortOf(service)))
	}
	return found
}

func reaches(t *testing.T, from *namespace, address string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	conn, err := from.dial(ctx, address)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
