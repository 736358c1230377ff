package app

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Names is every service that can be served, in the order of their ports: the
// first listens on PORT+1.
func Names() []string { return []string{"inventory", "catalog", "wishlist", "sales"} }

// Config is all that a process is told from outside. Everything comes from the
// environment (12-factor); the flags of the commands override single fields.
type Config struct {
	Host string `env:"HOST" envDefault:"127.0.0.1"` // address the services listen on
	Port int    `env:"PORT" envDefault:"8080"`      // the gateway's; service n listens on Port+n
	Data string `env:"QUADRILLE_DATA" envDefault:"data"`

	DatabaseURL    string `env:"DATABASE_URL"`           // empty: SQLite files under Data
	DatabasePool   int    `env:"DATABASE_POOL"`          // connections per service; 0: the default of internal/db
	SchemaPrefix   string `env:"DATABASE_SCHEMA_PREFIX"` // before each service's schema
	AMQPURL        string `env:"AMQP_URL"`               // empty: the embedded log under Data
	CloudAMQPURL   string `env:"CLOUDAMQP_URL"`          // used where AMQP_URL is empty
	BusPrefix      string `env:"BUS_PREFIX"`             // before exchange and queue names
	HistoryMaxAge  string `env:"HISTORY_MAX_AGE"`        // x-max-age of history, such as 7D; empty: for ever
	HistoryMaxSize int64  `env:"HISTORY_MAX_BYTES"`      // x-max-length-bytes; 0: no limit
	Token          string `env:"INTERNAL_TOKEN"`         // demanded by every service where set
	LogLevel       string `env:"LOG_LEVEL" envDefault:"info"`
	LogFormat      string `env:"LOG_FORMAT"` // text or json; empty: text on a terminal

	// ServiceURLs and ServiceDatabases are NAME_URL and NAME_DATABASE_URL of each
	// service where set, by service.
	ServiceURLs      map[string]string `env:"-"`
	ServiceDatabases map[string]string `env:"-"`
	// Listeners are used instead of opening Host and port, by service; tests bring
	// their own.
	Listeners map[string]net.Listener `env:"-"`
	// StopWithin bounds a clean stop.
	StopWithin time.Duration `env:"-"`
}

// FromEnvironment reads the configuration. Its errors name the variable, never
// its value.
func FromEnvironment() (Config, error) {
	var cfg Config
	if err := env.Parse(&cfg); err != nil {
		return cfg, fmt.Errorf("read environment: %w", err)
	}
	cfg.ServiceURLs, cfg.ServiceDatabases = map[string]string{}, map[string]string{}
	for _, name := range Names() {
		if v := os.Getenv(strings.ToUpper(name) + "_URL"); v != "" {
			cfg.ServiceURLs[name] = strings.TrimSuffix(v, "/")
		}
		if v := os.Getenv(strings.ToUpper(name) + "_DATABASE_URL"); v != "" {
			cfg.ServiceDatabases[name] = v
		}
	}
	return cfg, nil
}

// PortOf is the port a service listens on.
func (c Config) PortOf(service string) int {
	for i, name := range Names() {
		if name == service {
			return c.Port + i + 1
		}
	}
	return 0
}

// Address is the host and port a service listens on.
func (c Config) Address(service string) string {
	return net.JoinHostPort(c.Host, strconv.Itoa(c.PortOf(service)))
}

// URL is where a service is reached: NAME_URL where set, the listener that was
// brought along, or this machine at the service's port.
func (c Config) URL(service string) string {
	if u := c.ServiceURLs[service]; u != "" {
		return u
	}
	if l := c.Listeners[service]; l != nil {
		return "http://" + l.Addr().String()
	}
	return "http://" + net.JoinHostPort(reachable(c.Host), strconv.Itoa(c.PortOf(service)))
}

// reachable turns an address to listen on into one to call.
func reachable(host string) string {
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		return "127.0.0.1"
	}
	return host
}

// Database is the URL of a service's database.
func (c Config) Database(service string) string {
	switch {
	case c.ServiceDatabases[service] != "":
		return c.ServiceDatabases[service]
	case c.DatabaseURL != "":
		return c.DatabaseURL
	default:
		return "sqlite:" + filepath.Join(c.Data, service+".db")
	}
}

// Brokers are the RabbitMQ servers to try in turn; none means the embedded log.
func (c Config) Brokers() []string {
	list := c.AMQPURL
	if list == "" {
		list = c.CloudAMQPURL
	}
	var urls []string
	for u := range strings.SplitSeq(list, ",") {
		if u = strings.TrimSpace(u); u != "" {
			urls = append(urls, u)
		}
	}
	return urls
}

// Parts says in a phrase what the services run on.
func (c Config) Parts() string {
	database, log := "SQLite files in "+c.Data, "the embedded log"
	if c.DatabaseURL != "" || len(c.ServiceDatabases) > 0 {
		database = "PostgreSQL"
	}
	if len(c.Brokers()) > 0 {
		log = "RabbitMQ"
	}
	return "on " + database + " and " + log
}
