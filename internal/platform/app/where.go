package app

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"quadrille/pkg/rpc/redisrpc"
)

// Schemes of a service's URL besides http and https. They tunnel REST as RPC through a queue of
// the broker or a list in Redis.
const (
	schemeAMQP  = "amqp"
	schemeRedis = "redis"
)

// Gateway is the name of the service with the public API, which is web in the Procfile.
const Gateway = "gateway"

// PortOf returns the port that a service listens on, or 0 for a service that is neither the
// gateway nor in Services.
func (c Config) PortOf(service string) int {
	if service == Gateway {
		return c.Port
	}
	if index := slices.Index(c.Services, service); index >= 0 {
		return c.Port + 1 + index
	}
	return 0
}

// Address returns the host and port a service listens on.
func (c Config) Address(service string) string {
	return net.JoinHostPort(c.host(service), strconv.Itoa(c.PortOf(service)))
}

// host returns the address that a service listens on: HOST, or else loopback. On Heroku, web
// listens on every address for the router; the others listen on loopback.
func (c Config) host(service string) string {
	switch {
	case service == Gateway && c.Dev && !loopback(c.Host):
		return "127.0.0.1" // anyone who reaches the development sign-in can sign in as anyone
	case c.Host != "":
		return c.Host
	case service == Gateway && c.Dyno != "":
		return ""
	default:
		return "127.0.0.1"
	}
}

// loopback reports whether only this machine reaches host.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Private reports whether the configuration keeps the whole shop on this machine: its databases
// are files, and no service, broker or Redis is on another machine. A dyno or a trusted proxy
// shows that the shop is not private.
func (c Config) Private() bool {
	return c.Embedded() && c.Dyno == "" && c.TrustedProxies == 0 && !slices.ContainsFunc(c.reached(), elsewhere)
}

// reached returns the URLs of the brokers and Redis, and of the services called over HTTP.
func (c Config) reached() []string {
	all := c.Brokers()
	if c.RedisURL != "" {
		all = append(all, c.RedisURL)
	}
	for _, u := range c.ServiceURLs {
		if _, _, tunnelled := tunnel(u); !tunnelled {
			all = append(all, u)
		}
	}
	return all
}

// elsewhere reports whether a URL leads to another machine.
func elsewhere(address string) bool { return !loopback(hostname(address)) }

// hostname returns the host of a URL without its port, or "" if there is none.
func hostname(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// URL returns the base URL of a service: NAME_URL if it is set, the broker on Heroku, the
// listener in Listeners, or this machine at the service's port. The host of an amqp or
// redis URL is the queue or list.
func (c Config) URL(service string) string {
	u := c.ServiceURLs[service]
	if u == "" && c.Dyno != "" && service != Gateway {
		u = schemeAMQP + ":"
	}
	if scheme, queue, tunnelled := tunnel(u); tunnelled {
		if queue == "" {
			queue = c.BusPrefix + "rpc." + service
		}
		return scheme + "://" + queue
	}
	if u != "" {
		return u
	}
	return c.LocalURL(service)
}

// LocalURL returns the base URL of a service's instance on this machine: its listener in
// Listeners, or its port. It ignores NAME_URL.
func (c Config) LocalURL(service string) string {
	if l := c.Listeners[service]; l != nil {
		return "http://" + l.Addr().String()
	}
	return "http://" + net.JoinHostPort(reachable(c.host(service)), strconv.Itoa(c.PortOf(service)))
}

// tunnel splits the URL of a service that is reached through a broker or Redis: "amqp:" or
// "redis:", with or without a queue. tunnelled is false for any other URL.
func tunnel(u string) (scheme, queue string, tunnelled bool) {
	scheme, queue, _ = strings.Cut(u, ":")
	return scheme, strings.TrimPrefix(queue, "//"), scheme == schemeAMQP || scheme == schemeRedis
}

// reachable returns the address to call for an address to listen on.
func reachable(host string) string {
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		return "127.0.0.1"
	}
	return host
}

// checkURLs returns an error for an invalid NAME_URL, or for one that needs a broker or Redis
// that is not configured.
func (c Config) checkURLs() error {
	queueName := regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
	for _, service := range c.Services {
		variable := strings.ToUpper(service) + "_URL"
		scheme, queue, tunnelled := tunnel(c.URL(service))
		u, err := url.Parse(c.URL(service))
		switch {
		case tunnelled && !queueName.MatchString(queue):
			return fmt.Errorf("%s: a queue is named by letters, digits and . _ - (also BUS_PREFIX, its prefix)", variable)
		case err != nil || !tunnelled && (u.Host == "" || u.Scheme != "http" && u.Scheme != "https"):
			return fmt.Errorf("%s is none of http://host:port, amqp: and redis:, the latter two with an optional queue", variable)
		case scheme == schemeAMQP && len(c.Brokers()) == 0:
			return fmt.Errorf("%s is reached over RabbitMQ (%s), but neither AMQP_URL nor CLOUDAMQP_URL is set", service, variable)
		case scheme == schemeRedis && c.RedisURL == "":
			return fmt.Errorf("%s is reached over Redis (%s), but REDIS_URL is not set", service, variable)
		}
	}
	if c.RedisURL != "" {
		_, err := c.redisOptions()
		return err
	}
	return nil
}

// redisOptions returns the options of the Redis client. On Heroku it does not verify the
// certificate, because Heroku's Redis has a self-signed one.
func (c Config) redisOptions() (*redis.Options, error) {
	if c.RedisURL == "" {
		return nil, errors.New("REDIS_URL is not set")
	}
	options, err := redis.ParseURL(c.RedisURL)
	if err != nil {
		return nil, errors.New("REDIS_URL does not parse as a Redis URL (redis://user:password@host:port/0, rediss:// with TLS)")
	}
	if options.TLSConfig != nil && (c.Dyno != "" || c.RedisUnverified) {
		options.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true} //nolint:gosec // as documented for REDIS_TLS_UNVERIFIED
	}
	if c.Dyno != "" {
		options.PoolSize = redisPoolOnHeroku
	}
	return options, nil
}

// prefetch returns the number of deliveries that a consumer may leave unacknowledged; 0 means
// the log's default. CloudAMQP's shared plans close a connection with more than 1,000, and
// one dyno may run all consumers.
func (c Config) prefetch() int {
	if c.Dyno != "" {
		return 50
	}
	return 0
}

// poolOnHeroku is the maximum number of PostgreSQL connections of a service: the small plans
// have 20 in total.
const poolOnHeroku = 2

// redisPoolOnHeroku is the number of connections of a process that serves and makes calls over
// Redis: the small plans have 20 in total.
const redisPoolOnHeroku = redisrpc.LinkConnections + redisrpc.ServerConnections
