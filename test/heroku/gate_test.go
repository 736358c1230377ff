package heroku_test

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
)

// openGate lets dynos through to a server of this machine: they find it at a port of
// the middle. With a certificate the gate speaks TLS, as the load balancer of a
// broker that somebody else runs does; without one it passes everything on as it is.
func (w *network) openGate(t *testing.T, port, server string, certificate *tls.Certificate) {
	t.Helper()
	l := w.middle.listen(t, net.JoinHostPort(addons, port))
	if certificate != nil {
		l = tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*certificate}})
	}
	var passing sync.WaitGroup
	t.Cleanup(passing.Wait)
	t.Cleanup(func() { _ = l.Close() })
	passing.Go(func() {
		for {
			dyno, err := l.Accept()
			if err != nil {
				return
			}
			passing.Go(func() { pass(dyno, server) })
		}
	})
}

// pass joins a connection to a server until one of both ends it.
func pass(dyno net.Conn, server string) {
	defer dyno.Close()
	addon, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer addon.Close()
	var both sync.WaitGroup
	for from, to := range map[net.Conn]net.Conn{dyno: addon, addon: dyno} {
		both.Go(func() {
			_, _ = io.Copy(to, from)
			_, _ = to.Close(), from.Close()
		})
	}
	both.Wait()
}
