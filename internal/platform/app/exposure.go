package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"unicode"
)

// listenAll opens the listener of each service, in order. If one cannot be opened, or
// checkExposure refuses it, listenAll closes all of them. No request has been handled by then.
func (c Config) listenAll(ctx context.Context, services []Service) (_ []net.Listener, err error) {
	var open []net.Listener
	defer func() {
		if err != nil {
			for _, l := range open {
				_ = l.Close() // no connection was accepted yet
			}
		}
	}()
	for _, s := range services {
		l, err := c.listener(ctx, s.Name)
		if err != nil {
			return nil, err
		}
		open = append(open, l)
		if err := c.checkExposure(s.Name, l.Addr()); err != nil {
			return nil, err
		}
	}
	return open, nil
}

// listener returns the service's listener from Listeners, or opens its address.
func (c Config) listener(ctx context.Context, service string) (net.Listener, error) {
	if l := c.Listeners[service]; l != nil {
		return l, nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", c.Address(service))
	if err == nil {
		return l, nil
	}
	hint := "is another instance running? choose other ports with PORT or --port"
	if unknown := new(net.DNSError); errors.As(err, &unknown) {
		hint = "set HOST to an address of this machine, such as 127.0.0.1, or to a name that resolves to one"
	}
	return nil, fmt.Errorf("%s cannot listen on %s: %w (%s)", service, c.Address(service), err, hint)
}

// checkExposure refuses an address that other machines reach unless the configuration protects
// it. It checks the actual address of the listener, not the text of HOST.
func (c Config) checkExposure(service string, at net.Addr) error {
	switch {
	case isLoopback(at):
		return nil
	case service == Gateway && c.Dev:
		return fmt.Errorf("the gateway would offer the development sign-in on %s, which other machines reach: set HOST to 127.0.0.1, or name an issuer of tokens (JWKS_URL)", at)
	case c.Token == "":
		return fmt.Errorf("%s would listen on %s, which other machines reach, and INTERNAL_TOKEN is not set, so that anyone could call it: "+
			"set INTERNAL_TOKEN to the same secret for all processes and commands (openssl rand -hex 24 makes one), or unset HOST to listen on 127.0.0.1 alone", service, at)
	}
	return nil
}

// isLoopback reports whether only this machine reaches a listener's address.
func isLoopback(at net.Addr) bool {
	tcp, is := at.(*net.TCPAddr)
	return is && tcp.IP.IsLoopback()
}

// shortToken is the length in characters below which a token that other machines can try gets
// a warning.
const shortToken = 16

// checkToken refuses a token that an HTTP header does not carry unchanged, and a blank one,
// which would protect nothing.
func (c Config) checkToken() error {
	switch {
	case c.Token == "":
		return nil
	case strings.TrimSpace(c.Token) == "":
		return errors.New("INTERNAL_TOKEN is blank: set it to a secret (openssl rand -hex 24 makes one), or unset it")
	case strings.TrimSpace(c.Token) != c.Token, strings.ContainsFunc(c.Token, unicode.IsControl):
		return errors.New("INTERNAL_TOKEN has white space at an end or control characters, which an HTTP header does not carry: remove them (a line end of a file may be one)")
	}
	return nil
}

// ownHosts returns the host names of a service in the configuration. Callers send them as the
// Host of their requests.
func (c Config) ownHosts(service string) (names []string) {
	base := c.ServiceURLs[service]
	if _, _, tunnelled := tunnel(base); tunnelled {
		base = ""
	}
	for _, name := range []string{c.Host, hostname(base)} {
		if regexp.MustCompile(`^[A-Za-z0-9._-]+$`).MatchString(name) && net.ParseIP(name) == nil {
			names = append(names, name)
		}
	}
	return names
}
