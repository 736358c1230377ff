package app

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
)

func TestStreamsNamesPublishingServices(t *testing.T) {
	all := []Service{{Name: "sales"}, {Name: "stats", ConsumerOnly: true}, {Name: "catalog"}}
	if got := Streams(all); !slices.Equal(got, []string{"sales", "catalog"}) {
		t.Errorf("the streams are %q", got)
	}
	if got := Names(all); !slices.Equal(got, []string{"sales", "stats", "catalog"}) {
		t.Errorf("the names are %q", got)
	}
}

// The error for an invalid list of services names the service and says what to change.
func TestCheckServicesNamesMistakes(t *testing.T) {
	for want, all := range map[string][]Service{
		"": {
			{Name: "sales", Public: []Route{{Path: "/orders"}, {Path: "/orders/{id}/ship"}}},
			{Name: "wishlist", Reads: []string{"sales"}, Public: []Route{{Path: "/customers/{customer}/wishlist", Own: "/wishlist"}}},
			{Name: "loyalty", ConsumerOnly: true, Reads: []string{"sales"}, Public: []Route{{Path: "/customers/{customer}/points"}}},
			{Name: "stats", Public: []Route{{Path: "/stats/sales", Inner: "/sales"}, {Path: "/stats", Inner: "/sales"}}},
		},
		`service 2 is named "Loyalty"`:        {{Name: "sales"}, {Name: "Loyalty"}},
		`service 1 is named "loyalty-points"`: {{Name: "loyalty-points"}},
		"two services are named sales: rename one in its wire.go, or remove one in services/registry.go": {{Name: "sales"}, {Name: "sales"}},
		"two services are named gateway":                                             {{Name: "gateway"}},
		"no service can be named redis: REDIS_URL has another meaning":               {{Name: "redis"}},
		`loyalty reads the stream "orders", which no service publishes; there are s`: {{Name: "sales"}, {Name: "loyalty", ConsumerOnly: true, Reads: []string{"orders"}}},
		`loyalty reads the stream "stats", which no service publishes`:               {{Name: "stats", ConsumerOnly: true}, {Name: "loyalty", Reads: []string{"stats"}}},
		"wishlist and loyalty both claim the public path /customers/{name}/wishlist": {
			{Name: "wishlist", Public: []Route{{Path: "/customers/{customer}/wishlist"}}},
			{Name: "loyalty", Public: []Route{{Path: "/customers/{name}/wishlist"}}},
		},
		"wishlist and loyalty both claim the public path /wishlist": {
			{Name: "wishlist", Public: []Route{{Path: "/customers/{customer}/wishlist", Own: "/wishlist"}}},
			{Name: "loyalty", Public: []Route{{Path: "/wishlist"}}},
		},
		"stats claims the public path /stats twice":                              {{Name: "stats", Public: []Route{{Path: "/stats"}, {Path: "/stats"}}}},
		"loyalty claims the public path /ops/points, which is the gateway's own": {{Name: "loyalty", Public: []Route{{Path: "/ops/points"}}}},
		`loyalty: "points" is not a path`:                                        {{Name: "loyalty", Public: []Route{{Path: "points"}}}},
		`loyalty: "" is not a path`:                                              {{Name: "loyalty", Public: []Route{{}}}},
		`loyalty: "/" is not a path`:                                             {{Name: "loyalty", Public: []Route{{Path: "/"}}}},
		`loyalty: "/points/" is not a path`:                                      {{Name: "loyalty", Public: []Route{{Path: "/points/"}}}},
		`loyalty: "/points/*" is not a path`:                                     {{Name: "loyalty", Public: []Route{{Path: "/points/*"}}}},
		`loyalty: "/../points" is not a path`:                                    {{Name: "loyalty", Public: []Route{{Path: "/../points"}}}},
		"loyalty: /points/{id} has another path in the service":                  {{Name: "loyalty", Public: []Route{{Path: "/points/{id}", Inner: "/p/{id}"}}}},
		"loyalty: /points has a path /mine of the caller's own":                  {{Name: "loyalty", Public: []Route{{Path: "/points", Own: "/mine"}}}},
		`loyalty: the first segment of /{tenant}/points is a parameter, so that it matches paths of the gateway and of other services: begin the path with a word`: {{Name: "loyalty", Public: []Route{{Path: "/{tenant}/points"}}}},
		`loyalty: /a/{customer}/b/{customer} has the parameter {customer} twice: give each parameter its own name`:                                                 {{Name: "loyalty", Public: []Route{{Path: "/a/{customer}/b/{customer}"}}}},
		`loyalty: /customers/{id}/points is for customers, and its parameter after customers is {id}: name it {customer}, so that customers reach only their own`:  {{Name: "loyalty", Public: []Route{{Path: "/customers/{id}/points", Read: []Role{Customer, Staff}}}}},
		`loyalty: /customers/{customer}/points is for everybody, and {customer} restricts callers to their own name: remove everybody or rename the parameter`:     {{Name: "loyalty", Public: []Route{{Path: "/customers/{customer}/points", Read: []Role{Everybody}}}}},
		`loyalty: /points is for everybody and for staff: everybody includes all roles, remove the others`:                                                         {{Name: "loyalty", Public: []Route{{Path: "/points", Read: []Role{Everybody, Staff}}}}},
		`loyalty: /points is for staff twice: remove one`:                            {{Name: "loyalty", Public: []Route{{Path: "/points", Read: []Role{Staff, Staff}}}}},
		`loyalty: "/Points" is not a path such as`:                                   {{Name: "loyalty", Public: []Route{{Path: "/Points"}}}},
		`loyalty: "/api/v1/points" begins with /api, which Path leaves out`:          {{Name: "loyalty", Public: []Route{{Path: "/api/v1/points"}}}},
		`loyalty: "/points/:id" is not a path such as`:                               {{Name: "loyalty", Public: []Route{{Path: "/points/:id"}}}},
		`loyalty: "/points//x" is not a path such as`:                                {{Name: "loyalty", Public: []Route{{Path: "/points//x"}}}},
		`loyalty: "/points/%7Bid%7D" is not a path such as`:                          {{Name: "loyalty", Public: []Route{{Path: "/points/%7Bid%7D"}}}},
		`loyalty: "/points/{id" is not a path such as`:                               {{Name: "loyalty", Public: []Route{{Path: "/points/{id"}}}},
		`loyalty reads the stream sales twice: remove one from Reads in its wire.go`: {{Name: "sales"}, {Name: "loyalty", Reads: []string{"sales", "sales"}}},
		`loyalty: /points is for the role "boss"`:                                    {{Name: "loyalty", Public: []Route{{Path: "/points", Read: []Role{"boss"}}}}},
	} {
		err := CheckServices(all)
		if want == "" && err != nil {
			t.Errorf("a good list is refused: %v", err)
		}
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("the error is %v, want %s", err, want)
		}
	}
}

func TestRefusesUndeclaredConsumers(t *testing.T) {
	s := Service{Name: "loyalty", Reads: []string{"sales"}}
	for _, c := range []struct {
		followed []string
		want     string
	}{
		{[]string{"sales"}, ""},
		{[]string{"sales", "catalog"}, `consumer of the stream catalog: add "catalog" to Reads`},
		{nil, `no consumer of the stream sales: remove "sales" from Reads`},
	} {
		if err := s.checkReads(c.followed); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("with consumers of %q the error is %v, want %q", c.followed, err, c.want)
		}
	}
}

func TestPortsFollowTheOrderOfServices(t *testing.T) {
	c := Config{Port: 9000, Services: []string{"inventory", "loyalty"}}
	for name, want := range map[string]int{Gateway: 9000, "inventory": 9001, "loyalty": 9002, "nobody": 0} {
		if got := c.PortOf(name); got != want {
			t.Errorf("%s listens on %d, want %d", name, got, want)
		}
	}
}

// Start refuses a service that the other services could not find.
func TestStartRefusesAServiceThatIsNotListed(t *testing.T) {
	_, err := Start(t.Context(), Config{Services: []string{"sales"}, Data: t.TempDir()}, nil, []Service{plain("loyalty")})
	if err == nil || !strings.Contains(err.Error(), `the service "loyalty" is not among those of the configuration (sales)`) {
		t.Errorf("the error is %v", err)
	}
}

// Start refuses a service without Build, and does not panic.
func TestStartRefusesAServiceWithoutBuild(t *testing.T) {
	s := plain("loyalty")
	s.Build = nil
	_, err := Start(t.Context(), Config{Services: []string{"loyalty"}, Data: t.TempDir(), Host: "127.0.0.1"}, slog.New(slog.DiscardHandler), []Service{s})
	if err == nil || !strings.Contains(err.Error(), "loyalty has no Build: set it in New in its wire.go") {
		t.Errorf("the error is %v", err)
	}
}

// The names of a service's variables begin with its name.
func TestVariablesOfAService(t *testing.T) {
	environment(t, "LOYALTY_URL=http://points:80", "LOYALTY_DATABASE_URL=sqlite:/srv/points.db")
	cfg, err := FromEnvironment([]string{"loyalty"})
	if err != nil || cfg.URL("loyalty") != "http://points:80" || cfg.Database("loyalty") != "sqlite:/srv/points.db" {
		t.Errorf("loyalty is at %s on %s (%v)", cfg.URL("loyalty"), cfg.Database("loyalty"), err)
	}
}
