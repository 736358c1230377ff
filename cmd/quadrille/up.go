package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"quadrille/internal/platform/app"
	"quadrille/internal/shop/demo"
	"quadrille/services"
)

// upHelp returns the help of up.
func upHelp() string {
	return `up runs all services in one process: the gateway on PORT (default 8080), and on the
ports after it, in this order, ` + strings.Join(services.Names(), ", ") + `. Without
DATABASE_URL and AMQP_URL it stores everything in SQLite files below --data and needs no
other software on the machine. Stop it with Ctrl-C. It loses nothing if it is killed, and
continues when it is started again.

The gateway serves the shop's web pages, and the public API below /api/v1. It offers a
development sign-in, with which anyone can sign in as any user, unless the environment
shows a real shop: JWKS_URL, JWT_KEY, JWT_SECRET, a database, TRUSTED_PROXIES, or a
service or broker on another machine. With the development sign-in it listens on loopback
only, whatever the value of HOST. --dev enables the development sign-in in any case,
except with TRUSTED_PROXIES.

If other machines can reach the address in HOST, set INTERNAL_TOKEN: every service
requires it as a bearer token.

--demo creates 40 products in a shop that has none. Until the process ends it then acts
every two seconds (--demo-pace) as invented customers who order, wish and wait. In a shop
with products of its own it creates no products and only sends this traffic. If it is
started again, it continues, and nothing is duplicated.`
}

func newUp() *cobra.Command {
	var flags struct {
		data string
		port int
		only []string
		dev  bool
		demo bool
		pace time.Duration
	}
	cmd := &cobra.Command{
		Use:     "up",
		Short:   "Run the whole shop in this process",
		Long:    upHelp(),
		Example: "  quadrille up\n  quadrille up --demo\n  quadrille up --data /var/lib/shop --port 9000\n  quadrille up --only inventory,sales",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := fromEnvironment()
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("data") {
				cfg.Data = flags.data
			}
			if cmd.Flags().Changed("port") {
				cfg.Port = flags.port
			}
			cfg.Dev = flags.dev || cfg.Private() && cfg.JWKSURL == "" && cfg.JWTKey == "" && cfg.JWTSecret == ""
			if flags.pace <= 0 {
				return fmt.Errorf("--demo-pace must be more than 0, not %s", flags.pace)
			}
			return run(cmd.Context(), cfg, flags.only, func(ctx context.Context, log *slog.Logger, s *app.Shop, services []app.Service) error {
				banner(cmd.OutOrStdout(), cfg, s, services)
				if !flags.demo {
					return nil
				}
				return runDemo(ctx, cfg, log, flags.pace)
			})
		},
	}
	cmd.Flags().StringVar(&flags.data, "data", "data", "folder of the SQLite files and the embedded log (QUADRILLE_DATA)")
	cmd.Flags().IntVar(&flags.port, "port", 8080, "the gateway's port; the services use the following ports (PORT)")
	cmd.Flags().BoolVar(&flags.dev, "dev", false, "offer the development sign-in regardless of the configuration")
	cmd.Flags().BoolVar(&flags.demo, "demo", false, "create products in an empty shop, and send orders and wishes")
	cmd.Flags().DurationVar(&flags.pace, "demo-pace", 2*time.Second, "interval between two actions of the demonstration")
	cmd.Flags().StringSliceVar(&flags.only, "only", nil, "run only these services, separated by commas")
	return cmd
}

func newServe() *cobra.Command {
	return &cobra.Command{
		Use:   "serve NAME...",
		Short: "Run one or more services in this process",
		Long: `serve runs the named services. Each listens on HOST, on the same port as with up
(PORT+1 and so on), and expects the others there, too. INVENTORY_URL, SALES_URL and so on
override where a service is called: http://host:port, amqp: (JSON-RPC through AMQP_URL) or
redis: (JSON-RPC through REDIS_URL). With amqp: or redis: the service itself also accepts
requests that way. If other machines can reach the address in HOST, set INTERNAL_TOKEN.

The gateway, on PORT, authenticates people with tokens of an issuer (JWKS_URL, JWT_KEY or
JWT_SECRET, JWT_ISSUER, JWT_AUDIENCE) and machines with API keys (quadrille keys create).`,
		Example:   "  AMQP_URL=amqp://guest:guest@localhost DATABASE_URL=postgres://postgres@localhost/shop quadrille serve sales",
		Args:      cobra.MinimumNArgs(1),
		ValidArgs: runnable(),
		RunE: func(cmd *cobra.Command, names []string) error {
			cfg, err := fromEnvironment()
			if err != nil {
				return err
			}
			return run(cmd.Context(), cfg, names, func(context.Context, *slog.Logger, *app.Shop, []app.Service) error { return nil })
		},
	}
}

// work runs beside the services of a command, until ctx ends.
type work func(ctx context.Context, log *slog.Logger, shop *app.Shop, services []app.Service) error

// run runs the services with these names, and beside them work, until ctx ends or one of
// them fails.
func run(ctx context.Context, cfg app.Config, names []string, beside work) error {
	log, err := app.NewLog(os.Stdout, cfg.LogLevel, cfg.LogFormat)
	if err != nil {
		return err
	}
	services, err := servicesNamed(cfg, names)
	if err != nil {
		return err
	}
	shop, err := app.Start(ctx, cfg, log, services)
	if err != nil {
		if ctx.Err() != nil {
			return nil // stopped during the start
		}
		return err
	}
	working, end := context.WithCancel(ctx)
	defer end()
	failed, worked := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(worked)
		if err := beside(working, log, shop, services); err != nil {
			failed <- err
		}
	}()
	select {
	case <-ctx.Done():
		log.Info("stopping")
	case err = <-shop.Fatal():
	case err = <-failed:
	}
	end()
	<-worked
	return errors.Join(err, shop.Stop())
}

// runDemo runs the demonstration until ctx ends.
func runDemo(ctx context.Context, cfg app.Config, log *slog.Logger, pace time.Duration) error {
	connections := app.NewConnections(cfg, log)
	defer connections.Close() //nolint:errcheck // all requests have ended
	d, err := demo.New(demo.Config{URL: cfg.URL, HTTP: connections.HTTP(requestTimeout), Log: log, Every: pace})
	if err != nil {
		return err
	}
	d.Run(ctx)
	return nil
}
