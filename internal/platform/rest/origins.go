package rest

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// anyOrigin lets the pages of every origin read. It allows no changes of state.
const anyOrigin = "*"

// ParseOrigins validates and trims the entries of CORS_ORIGINS: origins, * for any, and
// https://*.shop.example for all names below a name of at least two labels. It refuses an
// entry that no browser sends as an origin (RFC 6454, section 6.2), since that would never
// match.
func ParseOrigins(named []string) (all []string, err error) {
	for _, origin := range named {
		origin = strings.TrimSpace(origin)
		if !isOrigin(origin) {
			return nil, fmt.Errorf("CORS_ORIGINS: %q is not an origin as browsers send it: write https://shop.example, with a port only if it is not the scheme's default, without a path; https://*.shop.example for all names below; or *", origin)
		}
		all = append(all, origin)
	}
	return all, nil
}

func isOrigin(text string) bool {
	if text == anyOrigin {
		return true
	}
	plain := text
	if scheme, host, below := strings.Cut(text, "://*."); below {
		if name, _ := splitHost(host); !strings.Contains(strings.TrimSuffix(name, "."), ".") {
			return false // anyone can register a name below a top-level domain
		}
		plain = scheme + "://any." + host
	}
	u, err := url.Parse(plain)
	if err != nil || u.Hostname() == "" || strings.ContainsFunc(plain, unusual) || plain != u.Scheme+"://"+u.Host {
		return false
	}
	usual := map[string]string{"http": "80", "https": "443"}
	port, known := usual[u.Scheme]
	return known && (u.Port() == "" && !strings.HasSuffix(u.Host, ":") || isPort(u.Port()) && u.Port() != port)
}

// unusual reports whether an origin or host name cannot contain r.
func unusual(r rune) bool {
	return r != '-' && r != '.' && r != '_' && r != ':' && r != '/' && r != '[' && r != ']' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
}

// isPort reports whether text is a port, written without leading zeros.
func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == text
}

// trusted has the origins whose pages may change state.
type trusted struct {
	protection *http.CrossOriginProtection
	below      []originsBelow // https://*.shop.example
}

// originsBelow matches the origins of all names below a host.
type originsBelow struct{ prefix, suffix string } // https:// and .shop.example:8443

func newTrusted(origins []string) (*trusted, error) {
	t := &trusted{protection: http.NewCrossOriginProtection()}
	for _, origin := range origins {
		if origin == anyOrigin {
			continue
		}
		if scheme, host, below := strings.Cut(origin, "://*."); below {
			t.below = append(t.below, originsBelow{scheme + "://", "." + host})
			continue
		}
		if err := t.protection.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("CORS_ORIGINS: %w", err)
		}
	}
	return t, nil
}

// check returns an error for a state-changing request by a page of another origin, unless
// that origin is trusted.
func (t *trusted) check(r *http.Request) error {
	err := t.protection.Check(r)
	if err == nil {
		return nil
	}
	origin := r.Header.Get("Origin")
	for _, b := range t.below {
		name, is := strings.CutPrefix(origin, b.prefix)
		name, ends := strings.CutSuffix(name, b.suffix)
		if is && ends && name != "" && !strings.ContainsFunc(name, func(r rune) bool { return unusual(r) || r == ':' || r == '/' }) {
			return nil
		}
	}
	return err
}
