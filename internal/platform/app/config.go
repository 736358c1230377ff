package app

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"quadrille/internal/platform/rest"
)

// Config is the configuration of a process. It comes from the environment (12-factor); flags of
// commands override single fields.
type Config struct {
	Host string `env:"HOST"`                   // address to listen on; empty: loopback, see host
	Port int    `env:"PORT" envDefault:"8080"` // the gateway's; service n listens on Port+n
	Data string `env:"QUADRILLE_DATA" envDefault:"data"`

	DatabaseURL     string        `env:"DATABASE_URL"`                         // empty: SQLite files under Data
	DatabasePool    int           `env:"DATABASE_POOL"`                        // connections per service; 0: the default of internal/platform/db
	DatabaseMaxLife time.Duration `env:"DATABASE_MAX_LIFE"`                    // of a connection; 0: the default of internal/platform/db
	DatabaseMaxIdle time.Duration `env:"DATABASE_MAX_IDLE"`                    // of an idle connection; 0: the default of internal/platform/db
	SchemaPrefix    string        `env:"DATABASE_SCHEMA_PREFIX"`               // before each service's schema
	AMQPURL         string        `env:"AMQP_URL"`                             // empty: the embedded log under Data
	CloudAMQPURL    string        `env:"CLOUDAMQP_URL"`                        // used if AMQP_URL is empty
	BusPrefix       string        `env:"BUS_PREFIX"`                           // before exchange and queue names
	HistoryMaxAge   string        `env:"HISTORY_MAX_AGE"`                      // x-max-age of history, such as 7D; empty: for ever
	HistoryMaxSize  int64         `env:"HISTORY_MAX_BYTES"`                    // x-max-length-bytes; 0: no limit
	OutboxKeepFor   string        `env:"OUTBOX_KEEP" envDefault:"30D"`         // how long sent events stay in the outbox; 0: for ever
	DeadKeep        Period        `env:"DEAD_KEEP" envDefault:"30D"`           // how long closed dead letters stay; 0: for ever
	IdempotencyKeep Period        `env:"IDEMPOTENCY_KEEP" envDefault:"7D"`     // how long responses under idempotency keys stay; 0: for ever
	ImportsKeep     Period        `env:"IMPORTS_KEEP" envDefault:"90D"`        // how long ended imports stay; 0: for ever
	AuditsKeep      Period        `env:"AUDITS_KEEP" envDefault:"90D"`         // how long the gateway keeps audits; 0: for ever
	CompareAt       string        `env:"COMPARE_AT" envDefault:"03:00"`        // when services compare their copies with the owners' lists; off: never
	TasksZone       string        `env:"TASKS_TZ" envDefault:"UTC"`            // time zone of daily tasks, such as Europe/Berlin
	EventsKeepFor   string        `env:"GATEWAY_EVENTS_KEEP" envDefault:"7D"`  // how long the gateway keeps activity; 0: for ever
	OrderTimeout    Period        `env:"ORDER_TIMEOUT" envDefault:"24h"`       // how long an order may stay placed; 0: for ever
	ShipReminder    Period        `env:"ORDER_SHIP_REMINDER" envDefault:"72h"` // how long an order may stay confirmed until it is overdue; 0: for ever
	RedisURL        string        `env:"REDIS_URL"`
	RedisUnverified bool          `env:"REDIS_TLS_UNVERIFIED"`             // accept any certificate of rediss://
	GatewayTimeout  time.Duration `env:"GATEWAY_TIMEOUT" envDefault:"25s"` // time limit of the gateway's calls of services
	StuckAfter      time.Duration `env:"STUCK_AFTER" envDefault:"20s"`     // how long work may stall before the service is not ready
	Dyno            string        `env:"DYNO"`                             // set by Heroku: services are called over amqp: and pools are small
	Token           string        `env:"INTERNAL_TOKEN"`                   // if set, every service requires it; required on any address but loopback
	AllowedHosts    []string      `env:"ALLOWED_HOSTS"`                    // allowed Host names of requests
	CrashAt         string        `env:"QUADRILLE_CRASH_AT"`               // for tests only: POINT:N ends the process at the Nth time it passes there
	LogLevel        string        `env:"LOG_LEVEL" envDefault:"info"`
	LogFormat       string        `env:"LOG_FORMAT"` // text or json; empty: text on a terminal

	// Authentication and limits of the gateway; services/gateway validates them.
	JWKSURL        string   `env:"JWKS_URL"`        // URL of the issuer's keys
	JWTKey         string   `env:"JWT_KEY"`         // instead: public keys in PEM
	JWTSecret      string   `env:"JWT_SECRET"`      // instead: a secret shared with the issuer
	JWTIssuer      string   `env:"JWT_ISSUER"`      // iss of tokens
	JWTAudience    string   `env:"JWT_AUDIENCE"`    // aud of tokens
	JWTRolesClaim  string   `env:"JWT_ROLES_CLAIM"` // empty: roles
	JWTAlgorithms  []string `env:"JWT_ALGORITHMS"`  // of signatures; empty: those that fit the keys
	CORSOrigins    []string `env:"CORS_ORIGINS"`    // origins allowed to call, such as https://shop.example
	TrustedProxies int      `env:"TRUSTED_PROXIES"` // number of proxies in front of the gateway; 1 on Heroku
	RateAddress    string   `env:"RATE_LIMIT_ADDRESS" envDefault:"100/400"`
	RateCaller     string   `env:"RATE_LIMIT_CALLER" envDefault:"50/200"`
	// Dev offers the development sign-in; the gateway then listens on loopback only.
	Dev bool `env:"-"`

	// Services names the services behind the gateway in the order of their ports: the first
	// listens on Port+1. The registry in package services has them.
	Services []string `env:"-"`
	// ServiceURLs and ServiceDatabases map services to their NAME_URL and NAME_DATABASE_URL,
	// where set.
	ServiceURLs      map[string]string `env:"-"`
	ServiceDatabases map[string]string `env:"-"`
	// Listeners maps services to open listeners, which are used instead of Host and port.
	// Tests set them.
	Listeners map[string]net.Listener `env:"-"`
	// StopWithin limits the time of a clean stop.
	StopWithin time.Duration `env:"-"`

	historyMaxAge, outboxKeep, eventsKeep time.Duration // parsed from the fields above; 0: for ever
}

// FromEnvironment reads the configuration of a shop with these services behind the
// gateway. Its errors name the variable, never its value.
func FromEnvironment(services []string) (cfg Config, err error) {
	if err := env.Parse(&cfg); err != nil {
		return cfg, unparsed(err)
	}
	if err := errors.Join(cfg.readRetention(), cfg.checkTimes(), cfg.checkZone(), cfg.checkCompareAt(), cfg.checkDatabase()); err != nil {
		return cfg, err
	}
	if cfg.Host, err = listenHost(cfg.Host); err != nil {
		return cfg, err
	}
	cfg.Services = slices.Clone(services)
	cfg.ServiceURLs, cfg.ServiceDatabases = map[string]string{}, map[string]string{}
	for _, name := range append([]string{Gateway}, services...) {
		if v := os.Getenv(strings.ToUpper(name) + "_URL"); v != "" && name != Gateway {
			cfg.ServiceURLs[name] = strings.TrimSuffix(v, "/")
		}
		if v := os.Getenv(strings.ToUpper(name) + "_DATABASE_URL"); v != "" {
			cfg.ServiceDatabases[name] = v
		}
	}
	if cfg.Dyno != "" {
		cfg.onHeroku()
	}
	return cfg, errors.Join(cfg.checkToken(), cfg.checkGuard(), cfg.checkURLs())
}

// listenHost returns the value of HOST without the brackets of an IPv6 address.
func listenHost(host string) (string, error) {
	if inner, found := strings.CutPrefix(host, "["); found && strings.HasSuffix(inner, "]") {
		host = strings.TrimSuffix(inner, "]")
	}
	if strings.ContainsAny(host, " \t\r\n[]/") {
		return "", fmt.Errorf("HOST %q is not an address or a name to listen on, such as 127.0.0.1, ::1 or 0.0.0.0", host)
	}
	return host, nil
}

// checkGuard returns an error if CORS_ORIGINS or ALLOWED_HOSTS is invalid.
func (c Config) checkGuard() error {
	_, err := rest.NewGuard(rest.GuardConfig{Origins: c.CORSOrigins, AllowedHosts: c.AllowedHosts})
	return err
}

// onHeroku sets the defaults for Heroku: small plans, and a router in front.
func (c *Config) onHeroku() {
	if c.DatabasePool == 0 {
		c.DatabasePool = poolOnHeroku
	}
	if c.TrustedProxies == 0 {
		c.TrustedProxies = 1
	}
}

func (c *Config) readRetention() (err error) {
	if c.historyMaxAge, err = retention("HISTORY_MAX_AGE", c.HistoryMaxAge); err != nil {
		return err
	}
	if c.historyMaxAge == 0 {
		c.HistoryMaxAge = "" // RabbitMQ keeps a stream for ever only without x-max-age
	}
	if c.HistoryMaxSize < 0 {
		return fmt.Errorf("HISTORY_MAX_BYTES %d is negative; 0 sets no limit", c.HistoryMaxSize)
	}
	if c.outboxKeep, err = retention("OUTBOX_KEEP", c.OutboxKeepFor); err != nil {
		return err
	}
	c.eventsKeep, err = retention("GATEWAY_EVENTS_KEEP", c.EventsKeepFor)
	return err
}

// EventsKeep returns the time for which the gateway keeps activities; 0 keeps them for ever.
func (c Config) EventsKeep() time.Duration { return c.eventsKeep }

// Database returns the URL of a service's database.
func (c Config) Database(service string) string {
	switch {
	case c.ServiceDatabases[service] != "":
		return c.withTLS(c.ServiceDatabases[service])
	case c.DatabaseURL != "":
		return c.withTLS(c.DatabaseURL)
	default:
		return "sqlite:" + filepath.Join(c.Data, service+".db")
	}
}

// withTLS adds sslmode=require to a database URL on Heroku, unless the URL has an sslmode.
// Heroku's PostgreSQL requires TLS and has self-signed certificates, but its URL does not say
// so.
func (c Config) withTLS(database string) string {
	u, err := url.Parse(database)
	if c.Dyno == "" || err != nil || u.Scheme == "sqlite" || u.Query().Has("sslmode") {
		return database
	}
	query := u.Query()
	query.Set("sslmode", "require")
	u.RawQuery = query.Encode()
	return u.String()
}

// Embedded reports whether all databases are files on this machine.
func (c Config) Embedded() bool { return c.DatabaseURL == "" && len(c.ServiceDatabases) == 0 }

// Brokers returns the URLs of the RabbitMQ servers to try in turn. None means the embedded log.
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

// Backends describes the databases and the log that the services run on, in a phrase.
func (c Config) Backends() string {
	database, log := "SQLite files in "+c.Data, "the embedded log"
	if c.DatabaseURL != "" || len(c.ServiceDatabases) > 0 {
		database = "PostgreSQL"
	}
	if len(c.Brokers()) > 0 {
		log = "RabbitMQ"
	}
	return "on " + database + " and " + log
}
