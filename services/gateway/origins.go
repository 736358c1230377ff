package gateway

import (
	"fmt"
	"net/url"
	"strings"
)

// origins are those that CORS_ORIGINS names. One that no browser would ever send is a
// mistake: it opens nothing, and nobody would find out why.
func origins(named []string) (all []string, err error) {
	for _, origin := range named {
		origin = strings.TrimSpace(origin)
		if !isOrigin(origin) {
			return nil, fmt.Errorf("CORS_ORIGINS names %q, which is no origin as a browser says it: https://shop.example, with a port that is not the usual one, and nothing behind it; or *", origin)
		}
		all = append(all, origin)
	}
	return all, nil
}

// isOrigin reports whether a text is the origin of pages (RFC 6454, section 6.2), with *
// for any part of its host.
func isOrigin(text string) bool {
	if text == "*" {
		return true
	}
	u, err := url.Parse(strings.ReplaceAll(text, "*", "any"))
	if err != nil || u.Hostname() == "" || strings.ToLower(text) != text || strings.HasSuffix(u.Host, ":") {
		return false
	}
	usual := map[string]string{"http": "80", "https": "443"}
	port, known := usual[u.Scheme]
	return known && u.Port() != port && u.Scheme+"://"+u.Host == u.String()
}
