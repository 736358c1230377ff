package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"quadrille/internal/app"
)

func newUp() *cobra.Command {
	var flags struct {
		data string
		port int
		only []string
		dev  bool
	}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run the whole shop in this process",
		Long: `up runs every service in one process: the gateway on PORT (8080 unless set), and
inventory, catalog, wishlist, sales and stats on PORT+1 to PORT+5. Without
DATABASE_URL and AMQP_URL it keeps everything in SQLite files below --data and needs
nothing else on the machine. Stop it with Ctrl-C; kill it and start it again, and it
goes on where it was.

The gateway has the shop's pages and the public API below /api/v1. Where neither an
issuer of tokens (JWKS_URL, JWT_KEY) nor a database is configured it offers a sign-in
for development: anybody may be anybody, so it then listens on this machine alone,
whatever HOST says. --dev has it do so in any case.`,
		Example: "  quadrille up\n  quadrille up --data /var/lib/shop --port 9000\n  quadrille up --only inventory,sales",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := app.FromEnvironment()
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("data") {
				cfg.Data = flags.data
			}
			if cmd.Flags().Changed("port") {
				cfg.Port = flags.port
			}
			cfg.Dev = flags.dev || cfg.Embedded() && cfg.JWKSURL == "" && cfg.JWTKey == ""
			return run(cmd.Context(), cfg, flags.only, func(s *app.Shop, services []app.Service) {
				banner(cmd.OutOrStdout(), cfg, s, services)
			})
		},
	}
	cmd.Flags().StringVar(&flags.data, "data", "data", "folder of the SQLite files and the embedded log (QUADRILLE_DATA)")
	cmd.Flags().IntVar(&flags.port, "port", 8080, "the gateway's port; the services take the ones after it (PORT)")
	cmd.Flags().BoolVar(&flags.dev, "dev", false, "offer the development sign-in, whatever is configured")
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
AMQP_URL) or redis: (through REDIS_URL). A service is served that way as well.

The gateway, on PORT, knows people by the tokens of an issuer (JWKS_URL or JWT_KEY,
JWT_ISSUER, JWT_AUDIENCE) and machines by API keys (quadrille keys create).`,
		Example:   "  AMQP_URL=amqp://guest:guest@localhost DATABASE_URL=postgres://postgres@localhost/shop quadrille serve sales",
		Args:      cobra.MinimumNArgs(1),
		ValidArgs: runnable(),
		RunE: func(cmd *cobra.Command, names []string) error {
			cfg, err := app.FromEnvironment()
			if err != nil {
				return err
			}
			return run(cmd.Context(), cfg, names, func(*app.Shop, []app.Service) {})
		},
	}
}

// run runs services until ctx ends or one of them fails.
func run(ctx context.Context, cfg app.Config, names []string, started func(*app.Shop, []app.Service)) error {
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
			return nil //nolint:nilerr // stopped while it was still starting
		}
		return err
	}
	started(shop, services)
	select {
	case <-ctx.Done():
		log.Info("stopping")
	case err = <-shop.Fatal():
	}
	return errors.Join(err, shop.Stop())
}

func banner(out io.Writer, cfg app.Config, shop *app.Shop, services []app.Service) {
	var b strings.Builder
	fmt.Fprintf(&b, "\nThe shop is up, %s.\n\n", cfg.Parts())
	for _, s := range services {
		url := shop.URL(s.Name)
		if s.Name == app.Gateway {
			fmt.Fprintf(&b, "  %-10s %s   the shop's pages; docs of its API: %s/api/v1/docs\n", s.Name, url, url)
			continue
		}
		fmt.Fprintf(&b, "  %-10s %s   docs: %s/docs\n", s.Name, url, url)
	}
	b.WriteString("\nStop it with Ctrl-C.\n\n")
	fmt.Fprint(out, b.String())
}
