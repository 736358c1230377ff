package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"quadrille/internal/platform/ops"
	"quadrille/internal/platform/rest/call"
)

// probe selects the endpoint to ask, and bounds the wait.
type probe struct {
	live    bool
	timeout time.Duration
}

// target has the name of a service in the output, and its base URL.
type target struct{ name, url string }

func newHealthy() *cobra.Command {
	var p probe
	var urls []string
	var port int
	cmd := &cobra.Command{
		Use:   "healthy [NAME...]",
		Short: "Check whether services are ready",
		Long: `healthy checks whether the named services, or all of them, are ready. It exits
with 0 only if all are; otherwise it prints one line with the reasons. Use it for
health checks of containers that have no shell and no curl.

It calls the services on this machine, on the ports that up and serve use (the gateway
on PORT, the others on the following ports). It ignores INVENTORY_URL and so on, since
they may lead to another instance. Use --url to check a service elsewhere.

A service that waits for its database or broker is alive, but not ready: use --live to
decide about restarts, and readiness to decide about traffic.`,
		Example:   "  quadrille healthy\n  quadrille healthy sales --live\n  quadrille healthy --url http://sales:8084",
		ValidArgs: runnable(),
		RunE: func(cmd *cobra.Command, names []string) error {
			targets, err := selectTargets(names, urls, port)
			if err != nil {
				return err
			}
			if err := p.checkAll(cmd.Context(), targets); err != nil {
				return err
			}
			for _, at := range targets {
				fmt.Fprintf(cmd.OutOrStdout(), "%s is %s\n", at.name, p.word())
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&p.live, "live", false, "check only that the processes respond (/healthz)")
	cmd.Flags().StringSliceVar(&urls, "url", nil, "base URL to check instead of the services on this machine")
	cmd.Flags().DurationVar(&p.timeout, "timeout", 4*time.Second, "how long to wait for the responses")
	portFlag(cmd, &port)
	return cmd
}

// selectTargets returns the services at urls or, if there are no URLs, the services with
// these names on this machine. Without names it returns all services.
func selectTargets(names, urls []string, port int) ([]target, error) {
	switch {
	case len(urls) > 0 && len(names) > 0:
		return nil, errors.New("give names or --url, not both")
	case len(urls) > 0:
		return remoteTargets(urls)
	default:
		return localTargets(names, port)
	}
}

func remoteTargets(urls []string) (targets []target, _ error) {
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return nil, fmt.Errorf("--url %q is not a base URL such as http://sales:8084", text)
		}
		targets = append(targets, target{u.Redacted(), strings.TrimSuffix(text, "/")})
	}
	return targets, nil
}

func localTargets(names []string, port int) (targets []target, _ error) {
	cfg, err := fromEnvironment()
	if err != nil {
		return nil, err
	}
	if port != 0 {
		cfg.Port = port
	}
	if len(names) == 0 {
		names = runnable()
	}
	for _, name := range names {
		if !slices.Contains(runnable(), name) {
			return nil, unknownService(name, runnable())
		}
		targets = append(targets, target{name, cfg.LocalURL(name)})
	}
	return targets, nil
}

// checkAll checks all targets concurrently. Its error has all reasons, in one line.
func (p probe) checkAll(ctx context.Context, targets []target) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	hc := call.New(call.Config{})
	defer hc.CloseIdleConnections()
	// A redirect comes from a proxy, and its target says nothing about the service.
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	reasons := make([]string, len(targets))
	var running sync.WaitGroup
	for i, at := range targets {
		running.Go(func() {
			if err := p.check(ctx, ops.New(at.url, hc)); err != nil {
				reasons[i] = fmt.Sprintf("%s is not %s: %v", at.name, p.word(), err)
			}
		})
	}
	running.Wait()
	return inOneLine(reasons)
}

func (p probe) check(ctx context.Context, c *ops.Client) error {
	if p.live {
		return c.Live(ctx)
	}
	return c.Ready(ctx)
}

func (p probe) word() string {
	if p.live {
		return "alive"
	}
	return "ready"
}

// inOneLine returns an error with all reasons that are not empty, or nil if there are none.
func inOneLine(reasons []string) error {
	reasons = slices.DeleteFunc(reasons, func(r string) bool { return r == "" })
	if len(reasons) == 0 {
		return nil
	}
	return errors.New(strings.Join(reasons, "; "))
}
