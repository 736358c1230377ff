package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/db"
)

func newMigrate() *cobra.Command {
	return &cobra.Command{
		Use:   "migrate [NAME...]",
		Short: "Migrate the services' databases to this version",
		Long: `migrate creates or upgrades the tables of the named services, or of all, and exits.
up and serve also do this when they start; use migrate in deployments that migrate in a
separate step. Several may run at the same time: one waits for the other.`,
		RunE: func(cmd *cobra.Command, names []string) error {
			cfg, err := fromEnvironment()
			if err != nil {
				return err
			}
			log, err := app.NewLog(os.Stdout, cfg.LogLevel, cfg.LogFormat)
			if err != nil {
				return err
			}
			services, err := servicesNamed(cfg, names)
			if err != nil {
				return err
			}
			for _, s := range services {
				conn, err := app.OpenDatabase(cmd.Context(), cfg, s, log.With("service", s.Name))
				if err != nil {
					return err
				}
				if err := db.Close(conn); err != nil {
					return fmt.Errorf("close %s: %w", s.Name, err)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s is up to date\n", s.Name)
			}
			return nil
		},
	}
}
