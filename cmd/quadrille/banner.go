package main

import (
	"fmt"
	"io"
	"net"
	"strings"

	"quadrille/internal/platform/app"
)

// banner prints the address of each service's listener, and which services other machines
// can reach.
func banner(out io.Writer, cfg app.Config, shop *app.Shop, services []app.Service) {
	var b strings.Builder
	fmt.Fprintf(&b, "\nThe shop is running, %s.\n\n", cfg.Backends())
	var exposed []string
	for _, s := range services {
		at := shop.Listening(s.Name)
		url := urlHere(at)
		docs := "docs: " + url + "/docs"
		if s.Name == app.Gateway {
			docs = "web pages; API docs: " + url + "/api/v1/docs"
		}
		if onAllAddresses(at) {
			docs = "on every address of this machine (" + cfg.Address(s.Name) + "); " + docs
		}
		fmt.Fprintf(&b, "  %-10s %s   %s\n", s.Name, url, docs)
		if !onLoopback(at) {
			exposed = append(exposed, s.Name)
		}
		if reached := shop.URL(s.Name); !strings.HasPrefix(reached, url) && reached != cfg.LocalURL(s.Name) {
			fmt.Fprintf(&b, "  %-10s other services use %s\n", "", reached)
		}
	}
	if len(exposed) > 0 {
		fmt.Fprintf(&b, "\nOther machines can reach %s.\nThe services accept only requests with INTERNAL_TOKEN.\n", strings.Join(exposed, ", "))
	}
	b.WriteString("\nStop it with Ctrl-C.\n\n")
	fmt.Fprint(out, b.String())
}

// urlHere returns the URL of a listener for callers on this machine.
func urlHere(at net.Addr) string {
	if tcp, is := at.(*net.TCPAddr); is && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("http://127.0.0.1:%d", tcp.Port)
	}
	return "http://" + at.String()
}

func onAllAddresses(at net.Addr) bool {
	tcp, is := at.(*net.TCPAddr)
	return is && tcp.IP.IsUnspecified()
}

func onLoopback(at net.Addr) bool {
	tcp, is := at.(*net.TCPAddr)
	return is && tcp.IP.IsLoopback()
}
