package rest

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// hosts is a set of names and addresses, with or without ports.
type hosts struct {
	exact map[string]bool
	below []string // .shop.example for *.shop.example
}

// parseHosts parses the entries of an environment variable: shop.example, shop.example:8443,
// an IP address, or *.shop.example for all names below. An entry without a port matches
// every port.
func parseHosts(variable string, named []string) (hosts, error) {
	h := hosts{exact: map[string]bool{}}
	for _, text := range named {
		text = strings.ToLower(strings.TrimSpace(text))
		name, port := splitHost(text)
		wild := strings.HasPrefix(name, "*.")
		plain := strings.TrimPrefix(name, "*.")
		switch {
		case text == "":
			continue
		case plain == "" || strings.ContainsFunc(plain, unusual) || strings.ContainsAny(plain, "/[]") || !isAddress(plain) && strings.Contains(plain, ":"),
			port == "" && strings.HasSuffix(text, ":"), port != "" && !isPort(port), wild && (port != "" || isAddress(plain)):
			return h, fmt.Errorf("%s: %q is not a host: write shop.example, shop.example:8443, 192.0.2.1 or *.shop.example, without scheme and path, and not * alone", variable, text)
		case wild:
			h.below = append(h.below, "."+plain)
		case port != "":
			h.exact[net.JoinHostPort(name, port)] = true
		default:
			h.exact[name] = true
		}
	}
	return h, nil
}

// empty reports whether the set has no entry.
func (h hosts) empty() bool { return len(h.exact) == 0 && len(h.below) == 0 }

// has reports whether an entry matches the Host of a request.
func (h hosts) has(hostport string) bool {
	name, port := splitHost(strings.ToLower(hostport))
	if h.exact[name] || port != "" && h.exact[net.JoinHostPort(name, port)] {
		return true
	}
	for _, suffix := range h.below {
		if strings.HasSuffix(name, suffix) && len(name) > len(suffix) {
			return true
		}
	}
	return false
}

// splitHost takes a host and its port, if it has one, apart. A name loses the dot that
// may end it, an address is written in one way.
func splitHost(hostport string) (name, port string) {
	name, port, err := net.SplitHostPort(hostport)
	if err != nil {
		name, port = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]"), ""
	}
	if ip, err := netip.ParseAddr(name); err == nil {
		return ip.Unmap().String(), port
	}
	return strings.TrimSuffix(name, "."), port
}

func isAddress(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil
}

// isLoopbackName reports whether a Host names this machine to whoever sends it: no page
// of another machine can have such a name as its own. Names below localhost resolve to
// this machine alone (RFC 6761, section 6.3).
func isLoopbackName(hostport string) bool {
	name, _ := splitHost(strings.ToLower(hostport))
	if ip, err := netip.ParseAddr(name); err == nil {
		return ip.IsLoopback()
	}
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}
