package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"quadrille/internal/platform/app"
	"quadrille/internal/shop/demo"
)

const upHelp = `up runs every service in one process: the gateway on PORT (8080 unless set), and
inventory, catalog, wishlist, sales and stats on PORT+1 to PORT+5. Without
DATABASE_URL and AMQP_URL it keeps everything in SQLite files below --data and needs
nothing else on the machine. Stop it with Ctrl-C; kill it and start it again, and it
goes on where it was.

The gateway has the shop's pages and the public API below /api/v1. Where nothing says
that the shop is a real one (JWKS_URL, JWT_KEY, JWT_SECRET, a database, TRUSTED_PROXIES, a service
or broker on another machine) it offers a sign-in for development: anybody may be
anybody, so it then listens on this machine alone, whatever HOST says. --dev has it
do so in any case but with TRUSTED_PROXIES.

Where HOST lets other machines in, INTERNAL_TOKEN must be set: every service demands
it as a bearer token.

--demo fills a shop that has no products with 40 invented ones, and has invented
customers order, wish and wait for them, with something happening every two seconds
(--demo-pace) until the process ends. A shop that has products of its own keeps them:
it only gets the traffic. Started again, it goes on, and nothing doubles.`

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
		Long:    upHelp,
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
				return fmt.Errorf("--demo-pace %s is no time between two things", flags.pace)
			}
			return run(cmd.Context(), cfg, flags.only, func(ctx context.Context, log *slog.Logger, s *app.Shop, services []app.Service) error {
				banner(cmd.OutOrStdout(), cfg, s, services)
				if !flags.demo {
					return nil
				}
				return show(ctx, cfg, log, flags.pace)
			})
		},
	}
	cmd.Flags().StringVar(&flags.data, "data", "data", "folder of the SQLite files and the embedded log (QUADRILLE_DATA)")
	cmd.Flags().IntVar(&flags.port, "port", 8080, "the gateway's port; the services take the ones after it (PORT)")
	cmd.Flags().BoolVar(&flags.dev, "dev", false, "offer the development sign-in, whatever is configured")
	cmd.Flags().BoolVar(&flags.demo, "demo", false, "fill an empty shop with invented products, and keep it alive")
	cmd.Flags().DurationVar(&flags.pace, "demo-pace", 2*time.Second, "how often something happens in the demonstration")
	cmd.Flags().StringSliceVar(&flags.only, "only", nil, "run just these services, comma-separated")
	return cmd
}

func newServe() *cobra.Command {
	return &cobra.Command{
		Use:   "serve NAME...",
		Short: "Run one service, or several, in this process",
		Long: `serve runs the services named. Each listens on its own port as up lays them out
(PORT+1 and so on, on HOST) and finds the others there too, unless INVENTORY_URL,
SALES_URL and so on say otherwise: http://host:port, amqp: (JSON-RPC through
AMQP_URL) or redis: (through REDIS_URL). A service is served that way as well. On any
HOST that other machines reach, INTERNAL_TOKEN must be set.

The gateway, on PORT, knows people by the tokens of an issuer (JWKS_URL, JWT_KEY or JWT_SECRET,
JWT_ISSUER, JWT_AUDIENCE) and machines by API keys (quadrille keys create).`,
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

// beside is what a command does while its services run, until ctx ends.
type beside func(ctx context.Context, log *slog.Logger, shop *app.Shop, services []app.Service) error

// run runs services, and what is beside them, until ctx ends or one of them fails.
func run(ctx context.Context, cfg app.Config, names []string, work beside) error {
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
			return nil // stopped while it was still starting
		}
		return err
	}
	working, end := context.WithCancel(ctx)
	defer end()
	failed, worked := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(worked)
		if err := work(working, log, shop, services); err != nil {
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

// show runs the demonstration until ctx ends.
func show(ctx context.Context, cfg app.Config, log *slog.Logger, pace time.Duration) error {
	connections := app.NewConnections(cfg, log)
	defer connections.Close() //nolint:errcheck // what is under way has ended
	d, err := demo.New(demo.Config{URL: cfg.URL, HTTP: connections.HTTP(requestTimeout), Log: log, Every: pace})
	if err != nil {
		return err
	}
	d.Run(ctx)
	return nil
}
