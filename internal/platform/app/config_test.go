package app

import (
	"os"
	"strings"
	"testing"
	"time"
)

// environment sets the variables of set for one test, and clears the others that these tests use.
func environment(t *testing.T, set ...string) {
	t.Helper()
	for _, name := range []string{
		"HOST", "PORT", "DYNO", "DATABASE_URL", "DATABASE_POOL", "AMQP_URL", "CLOUDAMQP_URL", "REDIS_URL", "REDIS_TLS_UNVERIFIED",
		"BUS_PREFIX", "GATEWAY_TIMEOUT", "INTERNAL_TOKEN", "SALES_URL", "STATS_URL", "SALES_DATABASE_URL", "GATEWAY_DATABASE_URL", "GATEWAY_URL",
	} {
		t.Setenv(name, "")
		if name == "GATEWAY_TIMEOUT" { // an empty value would replace its default
			_ = os.Unsetenv(name)
		}
	}
	for _, pair := range set {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
}

const cloudamqp = "CLOUDAMQP_URL=amqps://u:p@host/v"

func TestURLsAndAddressesOfServices(t *testing.T) {
	for name, c := range map[string]struct {
		environment   []string
		sales, listen string // sales' URL, the gateway's address
	}{
		"a laptop":                  {nil, "http://127.0.0.1:8084", "127.0.0.1:8080"},
		"another port":              {[]string{"PORT=9000"}, "http://127.0.0.1:9004", "127.0.0.1:9000"},
		"open":                      {[]string{"HOST=0.0.0.0"}, "http://127.0.0.1:8084", "0.0.0.0:8080"},
		"elsewhere":                 {[]string{"SALES_URL=http://sales:8084/"}, "http://sales:8084", "127.0.0.1:8080"},
		"over RabbitMQ":             {[]string{"AMQP_URL=amqp://b", "SALES_URL=amqp:"}, "amqp://rpc.sales", "127.0.0.1:8080"},
		"over a queue by name":      {[]string{"AMQP_URL=amqp://b", "SALES_URL=amqp:till", "BUS_PREFIX=p."}, "amqp://till", "127.0.0.1:8080"},
		"over Redis, with a prefix": {[]string{"REDIS_URL=redis://r", "SALES_URL=redis:", "BUS_PREFIX=p."}, "redis://p.rpc.sales", "127.0.0.1:8080"},
		"on Heroku":                 {[]string{"DYNO=web.1", cloudamqp, "PORT=5123"}, "amqp://rpc.sales", ":5123"},
		"on Heroku over Redis":      {[]string{"DYNO=web.1", cloudamqp, "REDIS_URL=rediss://r", "SALES_URL=redis:"}, "redis://rpc.sales", ":8080"},
	} {
		t.Run(name, func(t *testing.T) {
			environment(t, c.environment...)
			cfg, err := FromEnvironment(shopServices())
			if err != nil {
				t.Fatal(err)
			}
			if got := cfg.URL("sales"); got != c.sales {
				t.Errorf("sales is at %s, want %s", got, c.sales)
			}
			if got := cfg.Address(Gateway); got != c.listen {
				t.Errorf("the gateway listens on %s, want %s", got, c.listen)
			}
		})
	}
}

// Anyone who reaches the development sign-in can sign in as anyone, so that it must listen on
// loopback.
func TestDevelopmentSignInListensOnLoopbackOnly(t *testing.T) {
	for host, want := range map[string]string{"": "127.0.0.1:8080", "0.0.0.0": "127.0.0.1:8080", "::": "127.0.0.1:8080", "127.0.0.3": "127.0.0.3:8080"} {
		cfg := Config{Host: host, Port: 8080, Dev: true}
		if got := cfg.Address(Gateway); got != want {
			t.Errorf("HOST=%s listens on %s", host, got)
		}
	}
}

func TestListensOnAnAddressInBrackets(t *testing.T) {
	environment(t, "HOST=[::1]")
	cfg, err := FromEnvironment(shopServices())
	if err != nil || cfg.Address("sales") != "[::1]:8084" {
		t.Errorf("listens on %s, %v", cfg.Address("sales"), err)
	}
}

func TestRefusesInvalidVariables(t *testing.T) {
	for name, c := range map[string]struct {
		environment []string
		want        string
	}{
		"no scheme":             {[]string{"SALES_URL=sales:8084"}, "SALES_URL is none of"},
		"no host":               {[]string{"STATS_URL=http://"}, "STATS_URL is none of"},
		"another scheme":        {[]string{"SALES_URL=ftp://sales"}, "SALES_URL is none of"},
		"no broker":             {[]string{"SALES_URL=amqp:"}, "neither AMQP_URL nor CLOUDAMQP_URL is set"},
		"no Redis":              {[]string{"SALES_URL=redis:"}, "REDIS_URL is not set"},
		"no broker on Heroku":   {[]string{"DYNO=sales.1"}, "neither AMQP_URL nor CLOUDAMQP_URL is set"},
		"a queue by a bad name": {[]string{"AMQP_URL=amqp://b", "SALES_URL=amqp:a/b"}, "SALES_URL: a queue is named by"},
		"a bad prefix":          {[]string{"AMQP_URL=amqp://b", "SALES_URL=amqp:", "BUS_PREFIX=a b/"}, "BUS_PREFIX"},
		"a zone of Mars":        {[]string{"TASKS_TZ=Mars/Olympus"}, "TASKS_TZ \"Mars/Olympus\" is not a time zone"},
		"the zone of a machine": {[]string{"TASKS_TZ=Local"}, "TASKS_TZ"},
		"no time to keep":       {[]string{"DEAD_KEEP=soon"}, "DEAD_KEEP"},
		"no time to wait":       {[]string{"GATEWAY_TIMEOUT=-1s"}, "GATEWAY_TIMEOUT"},
		"no time":               {[]string{"GATEWAY_TIMEOUT=soon"}, "GATEWAY_TIMEOUT is not a duration"},
		"a life without a unit": {[]string{"DATABASE_MAX_LIFE=30"}, "DATABASE_MAX_LIFE is not a duration"},
		"no number":             {[]string{"DATABASE_POOL=s3cret"}, "DATABASE_POOL is not a whole number"},
		"no truth":              {[]string{"REDIS_TLS_UNVERIFIED=s3cret"}, "REDIS_TLS_UNVERIFIED is not true or false"},
		"the second of two":     {[]string{"GATEWAY_TIMEOUT=soon", "STUCK_AFTER=s3cret"}, "STUCK_AFTER is not a duration"},
		"a negative pool":       {[]string{"DATABASE_POOL=-3"}, "DATABASE_POOL -3 is negative"},
		"a life of no length":   {[]string{"DATABASE_MAX_LIFE=1ns"}, "DATABASE_MAX_LIFE 1ns is less than 1s"},
		"no time to be idle":    {[]string{"DATABASE_MAX_IDLE=999ms"}, "DATABASE_MAX_IDLE 999ms is less than 1s"},
		"a blank host":          {[]string{"HOST= "}, "HOST \" \" is not"},
		"a host with a port":    {[]string{"HOST=[::1]:8080"}, "HOST \"[::1]:8080\" is not"},
		"an order of no time":   {[]string{"ORDER_TIMEOUT=soon"}, "ORDER_TIMEOUT is not a time with its unit"},
		"a negative reminder":   {[]string{"ORDER_SHIP_REMINDER=-1h"}, "ORDER_SHIP_REMINDER is not a time with its unit"},
		"a number of no unit":   {[]string{"ORDER_TIMEOUT=24"}, "ORDER_TIMEOUT is not a time with its unit"},
		"a negative life":       {[]string{"DATABASE_MAX_LIFE=-1s"}, "DATABASE_MAX_LIFE"},
		"a negative idle time":  {[]string{"DATABASE_MAX_IDLE=-1s"}, "DATABASE_MAX_IDLE"},
		"a bad Redis":           {[]string{"REDIS_URL=http://s3cret@r"}, "REDIS_URL does not parse"},
	} {
		t.Run(name, func(t *testing.T) {
			environment(t, c.environment...)
			_, err := FromEnvironment(shopServices())
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
		})
	}
}

// Heroku's add-ons require TLS, have self-signed certificates and allow few connections.
func TestDefaultsOnHeroku(t *testing.T) {
	environment(t, "DYNO=sales.1", cloudamqp, "DATABASE_URL=postgres://u:p@host:5432/d", "SALES_DATABASE_URL=postgres://u:p@host/d?sslmode=verify-full", "REDIS_URL=rediss://:p@host:1")
	cfg, err := FromEnvironment(shopServices())
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.Database("stats"); got != "postgres://u:p@host:5432/d?sslmode=require" {
		t.Error("the database is", got)
	}
	if got := cfg.Database("sales"); got != "postgres://u:p@host/d?sslmode=verify-full" {
		t.Error("an explicit sslmode was changed:", got)
	}
	options, err := cfg.redisOptions()
	if err != nil || options.TLSConfig == nil || !options.TLSConfig.InsecureSkipVerify {
		t.Errorf("Redis' certificate is checked: %v %v", options, err)
	}
	if cfg.prefetch() == 0 || cfg.prefetch() > 100 {
		t.Errorf("got prefetch %d", cfg.prefetch())
	}
	if cfg.DatabasePool > 2 || options.PoolSize > 4 {
		t.Errorf("%d connections to PostgreSQL, %d to Redis", cfg.DatabasePool, options.PoolSize)
	}
}

// Outside of Heroku, certificates are verified unless REDIS_TLS_UNVERIFIED is set.
func TestCertificatesAreChecked(t *testing.T) {
	environment(t, "DATABASE_URL=postgres://u:p@host/d", "REDIS_URL=rediss://host:1")
	cfg, err := FromEnvironment(shopServices())
	if err != nil {
		t.Fatal(err)
	}
	options, err := cfg.redisOptions()
	if err != nil || options.TLSConfig == nil || options.TLSConfig.InsecureSkipVerify {
		t.Errorf("Redis' certificate is not checked: %v", err)
	}
	if got := cfg.Database("sales"); got != cfg.DatabaseURL {
		t.Error("the database is", got)
	}
	cfg.RedisUnverified = true
	if options, err = cfg.redisOptions(); err != nil || !options.TLSConfig.InsecureSkipVerify {
		t.Errorf("REDIS_TLS_UNVERIFIED does nothing: %v", err)
	}
}

func TestParsesGatewayEventsKeep(t *testing.T) {
	for told, want := range map[string]time.Duration{"": 7 * 24 * time.Hour, "2h": 2 * time.Hour, "0": 0} {
		t.Run(told, func(t *testing.T) {
			environment(t)
			if told != "" {
				t.Setenv("GATEWAY_EVENTS_KEEP", told)
			}
			cfg, err := FromEnvironment(shopServices())
			if got := cfg.EventsKeep(); err != nil || got != want {
				t.Errorf("it is %s (%v), want %s", got, err, want)
			}
		})
	}
	environment(t, "GATEWAY_EVENTS_KEEP=a week")
	if _, err := FromEnvironment(shopServices()); err == nil || !strings.Contains(err.Error(), "GATEWAY_EVENTS_KEEP") {
		t.Errorf("got %v", err)
	}
}

// NAME_DATABASE_URL applies to one service; the others use DATABASE_URL.
func TestURLsOfDatabases(t *testing.T) {
	for name, c := range map[string]struct {
		environment    []string
		gateway, sales string
		embedded       bool
	}{
		"a laptop":           {nil, "sqlite:data/gateway.db", "sqlite:data/sales.db", true},
		"one for all":        {[]string{"DATABASE_URL=postgres://a/x"}, "postgres://a/x", "postgres://a/x", false},
		"the gateway's":      {[]string{"GATEWAY_DATABASE_URL=postgres://b/y"}, "postgres://b/y", "sqlite:data/sales.db", false},
		"both":               {[]string{"DATABASE_URL=postgres://a/x", "GATEWAY_DATABASE_URL=sqlite:/srv/g.db"}, "sqlite:/srv/g.db", "postgres://a/x", false},
		"another one's":      {[]string{"DATABASE_URL=postgres://a/x", "SALES_DATABASE_URL=postgres://c/z"}, "postgres://a/x", "postgres://c/z", false},
		"the gateway's, TLS": {[]string{"DYNO=web.1", cloudamqp, "GATEWAY_DATABASE_URL=postgres://b/y"}, "postgres://b/y?sslmode=require", "sqlite:data/sales.db", false},
	} {
		t.Run(name, func(t *testing.T) {
			environment(t, c.environment...)
			cfg, err := FromEnvironment(shopServices())
			if err != nil {
				t.Fatal(err)
			}
			if got := cfg.Database(Gateway); got != c.gateway || cfg.Database("sales") != c.sales || cfg.Embedded() != c.embedded {
				t.Errorf("the gateway's is %s, sales' %s, embedded %t", got, cfg.Database("sales"), cfg.Embedded())
			}
		})
	}
	environment(t, "GATEWAY_URL=http://elsewhere") // GATEWAY_URL is not read
	cfg, err := FromEnvironment(shopServices())
	if err != nil || cfg.URL(Gateway) != "http://127.0.0.1:8080" {
		t.Errorf("the gateway is at %s, %v", cfg.URL(Gateway), err)
	}
	if got := (Config{ServiceDatabases: map[string]string{Gateway: "x"}}).databaseVariable(Gateway); got != "GATEWAY_DATABASE_URL" {
		t.Errorf("got variable %s", got)
	}
}

// Any sign of a shop beyond this machine makes the configuration not private.
func TestPrivate(t *testing.T) {
	own := map[string]bool{
		"": true, "PORT=9000": true, "HOST=0.0.0.0": true, "SALES_URL=http://127.0.0.1:9004": true, "SALES_URL=http://localhost:9004/": true,
		"AMQP_URL=amqp://guest:guest@localhost:5672": true, "REDIS_URL=redis://localhost": true,
		"DATABASE_URL=postgres://localhost/shop": false, "INTERNAL_TOKEN=inner": true, "TRUSTED_PROXIES=1": false, "DYNO=web.1 " + cloudamqp: false,
		"SALES_URL=http://10.0.0.7:8084": false, "STATS_URL=https://stats.example": false, "SALES_URL=http://localhost.example": false,
		"SALES_URL=amqp: AMQP_URL=amqp://localhost": true, "SALES_URL=redis: REDIS_URL=redis://localhost": true,
		"SALES_URL=amqp: AMQP_URL=amqp://10.0.0.7": false, "SALES_URL=redis: REDIS_URL=redis://10.0.0.7": false,
		"AMQP_URL=amqp://localhost,amqp://10.0.0.7": false, cloudamqp: false,
	}
	for _, name := range append(shopServices(), Gateway) {
		own[strings.ToUpper(name)+"_DATABASE_URL=postgres://10.0.0.7/shop"] = false
		own[strings.ToUpper(name)+"_DATABASE_URL=sqlite:/srv/shop.db"] = false
	}
	for set, want := range own {
		t.Run(set, func(t *testing.T) {
			environment(t, strings.Fields(set)...)
			cfg, err := FromEnvironment(shopServices())
			if err != nil || cfg.Private() != want {
				t.Errorf("it is %t (%v), want %t", cfg.Private(), err, want)
			}
		})
	}
}

// shopServices returns the names of services behind a gateway, in the order of their ports.
func shopServices() []string { return []string{"inventory", "catalog", "wishlist", "sales", "stats"} }

func TestTimesOfOrders(t *testing.T) {
	for name, c := range map[string]struct {
		environment        []string
		timeout, remindsAt time.Duration
	}{
		"defaults":      {nil, 24 * time.Hour, 72 * time.Hour},
		"empty":         {[]string{"ORDER_TIMEOUT=", "ORDER_SHIP_REMINDER="}, 24 * time.Hour, 72 * time.Hour},
		"Go durations":  {[]string{"ORDER_TIMEOUT=2s", "ORDER_SHIP_REMINDER=1h30m"}, 2 * time.Second, 90 * time.Minute},
		"days, never":   {[]string{"ORDER_TIMEOUT=3D", "ORDER_SHIP_REMINDER=0"}, 3 * 24 * time.Hour, 0},
		"no time, a ms": {[]string{"ORDER_TIMEOUT=0s", "ORDER_SHIP_REMINDER=1ms"}, 0, time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			environment(t, c.environment...)
			cfg, err := FromEnvironment(shopServices())
			if got := cfg.orderTimes(); err != nil || got.Timeout != c.timeout || got.ShipReminder != c.remindsAt {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}
