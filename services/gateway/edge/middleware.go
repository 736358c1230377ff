package edge

import (
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/prometheus/client_golang/prometheus"

	"quadrille/pkg/fault"
	"quadrille/services/gateway/ratelimit"
)

// securityHeaders sets the headers that restrict browsers to what the pages need
// (Content-Security-Policy level 3: code and styles from files alone).
func securityHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		if c.Request().TLS != nil || c.Request().Header.Get("X-Forwarded-Proto") == "https" {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		return next(c)
	}
}

// cors allows pages of these origins to call the API (Fetch standard, section 3.2). It
// does not allow cookies: pages send their credentials in the Authorization header.
func cors(origins []string) echo.MiddlewareFunc {
	if len(origins) == 0 {
		return func(next echo.HandlerFunc) echo.HandlerFunc { return next }
	}
	return middleware.CORSWithConfig(middleware.CORSConfig{
		AllowOrigins: origins,
		AllowMethods: []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete},
		AllowHeaders: []string{"Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-ID", "Traceparent", "X-Request-Id"},
		ExposeHeaders: []string{
			"ETag", "Idempotency-Replayed", "Link", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-Id",
		},
		MaxAge: int(time.Hour.Seconds()),
	})
}

// rateLimits limits requests by address and by caller. A caller with many addresses has
// one limit, and callers who share an address have one each.
type rateLimits struct {
	limiter   *ratelimit.Limiter
	byAddress ratelimit.Rate
	byCaller  ratelimit.Rate
	address   func(*http.Request) string
	limited   *prometheus.CounterVec // by policy
}

// Policies of the rate limits, as headers and metrics name them.
const (
	policyAddress = "address"
	policyCaller  = "caller"
)

func (r *rateLimits) limitAddress(next echo.HandlerFunc) echo.HandlerFunc {
	return r.limit(policyAddress, r.byAddress, func(c echo.Context) string { return r.address(c.Request()) }, next)
}

func (r *rateLimits) limitCaller(next echo.HandlerFunc) echo.HandlerFunc {
	return r.limit(policyCaller, r.byCaller, func(c echo.Context) string { return callerOf(c).ID() }, next)
}

// limit takes a token for each request and sends the state of the bucket in the headers
// of draft-ietf-httpapi-ratelimit-headers-10. It does not count requests with an empty
// key.
func (r *rateLimits) limit(policy string, rate ratelimit.Rate, key func(echo.Context) string, next echo.HandlerFunc) echo.HandlerFunc {
	if rate.Off() {
		return next
	}
	described := fmt.Sprintf("%q;q=%d;w=%d", policy, rate.Burst, seconds(rate.Window()))
	return func(c echo.Context) error {
		id := key(c)
		if id == "" {
			return next(c)
		}
		got := r.limiter.Take(c.Request().Context(), policy+":"+id, rate)
		h := c.Response().Header()
		h.Set("Ratelimit-Policy", described)
		h.Set("Ratelimit", fmt.Sprintf("%q;r=%d;t=%d", policy, got.Remaining, seconds(got.Reset)))
		if got.Allowed {
			return next(c)
		}
		r.limited.WithLabelValues(policy).Inc()
		h.Set("Retry-After", strconv.Itoa(seconds(got.Retry)))
		return fault.New(fault.TooMany, "rate_limited", "the limit of %d requests a second is exceeded; try again in %d s", rate.PerSecond, seconds(got.Retry))
	}
}

// seconds rounds up to whole seconds.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// ClientAddress returns a function that returns the address of a request's client behind
// this number of trusted proxies. Each proxy appends its peer's address to
// X-Forwarded-For; earlier entries may be forged.
func ClientAddress(proxies int) func(*http.Request) string {
	return func(r *http.Request) string {
		seen := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		if proxies > 0 && len(seen) >= proxies {
			if ip, err := netip.ParseAddr(strings.TrimSpace(seen[len(seen)-proxies])); err == nil {
				return network(ip)
			}
		}
		if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
			return network(peer.Addr())
		}
		return r.RemoteAddr
	}
}

// network returns an IPv4 address as it is, and the /64 network of an IPv6 address, of
// which one customer has all addresses. It drops the zone.
func network(ip netip.Addr) string {
	if ip = ip.Unmap().WithZone(""); ip.Is4() {
		return ip.String()
	}
	return netip.PrefixFrom(ip, 64).Masked().Addr().String()
}
