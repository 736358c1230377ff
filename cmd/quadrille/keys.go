package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"quadrille/internal/app"
	"quadrille/internal/db"
	"quadrille/pkg/fault"
	"quadrille/services/gateway/identity"
)

func newKeysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, list and revoke the gateway's API keys",
		Long: `An API key lets a machine use the public API: it is sent as
Authorization: Bearer qk_.... Keys are kept in the gateway's database, as hashes, and
these commands work there, whether or not the gateway runs.

A key has roles: warehouse (receive, adjust, ship), staff (everything that is to be
seen, products, dead letters, replay), customer (orders and wishes of the customer
named by --subject).`,
	}
	cmd.AddCommand(newKeysCreate(), newKeysList(), newKeysRevoke())
	return cmd
}

func newKeysCreate() *cobra.Command {
	var name, subject string
	var roles []string
	var lasts time.Duration
	cmd := &cobra.Command{
		Use:     "create",
		Short:   "Make a key; it is shown once",
		Long:    "create makes a key and prints it alone on standard output: nobody can show it again.",
		Example: "  quadrille keys create --name scanner-3 --role warehouse\n  quadrille keys create --name shop-app --role customer --subject ann --expires 720h",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			parsed, err := identity.ParseRoles(roles)
			if err != nil {
				return err
			}
			n := identity.NewKey{Name: name, Roles: parsed, Subject: subject}
			if cmd.Flags().Changed("expires") {
				end := time.Now().UTC().Add(lasts).Truncate(time.Second)
				n.ExpiresAt = &end
			}
			return withKeys(cmd.Context(), func(keys *identity.Keys) error {
				row, text, err := keys.Create(cmd.Context(), n)
				if err != nil {
					return explainFault(err)
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "The key %s is made. Keep what follows: it is not shown again.\n", row.ID)
				_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "what it is for")
	cmd.Flags().StringSliceVar(&roles, "role", nil, "customer, warehouse or staff; several are separated by commas")
	cmd.Flags().StringVar(&subject, "subject", "", "the customer that it acts for; goes with the role customer")
	cmd.Flags().DurationVar(&lasts, "expires", 0, "how long it is good, such as 720h; for ever where not given")
	_ = cmd.MarkFlagRequired("name")
	_ = cmd.MarkFlagRequired("role")
	return cmd
}

func newKeysList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List all keys, without their secrets",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withKeys(cmd.Context(), func(keys *identity.Keys) error {
				rows, err := keys.List(cmd.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return json.NewEncoder(cmd.OutOrStdout()).Encode(listed(rows))
				}
				return printKeys(cmd, rows)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print them as JSON")
	return cmd
}

// listed is keys without what they are known again by.
func listed(rows []identity.APIKey) []identity.APIKey {
	for i := range rows {
		rows[i].Hash = ""
	}
	return rows
}

func printKeys(cmd *cobra.Command, rows []identity.APIKey) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "No keys.")
		return err
	}
	out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "ID\tNAME\tROLES\tSUBJECT\tSTATE\tLAST USED")
	for _, row := range rows {
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\n", row.ID, row.Name, row.Roles, orDash(row.Subject), keyState(row), day(row.LastUsedAt, "never"))
	}
	return out.Flush()
}

func keyState(row identity.APIKey) string {
	switch {
	case row.RevokedAt != nil:
		return "revoked " + day(row.RevokedAt, "")
	case row.ExpiresAt != nil && !time.Now().Before(*row.ExpiresAt):
		return "expired " + day(row.ExpiresAt, "")
	case row.ExpiresAt != nil:
		return "until " + day(row.ExpiresAt, "")
	default:
		return "good"
	}
}

func day(t *time.Time, never string) string {
	if t == nil {
		return never
	}
	return t.UTC().Format("2006-01-02 15:04")
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func newKeysRevoke() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke ID...",
		Short: "Revoke keys: they are refused from then on",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return withKeys(cmd.Context(), func(keys *identity.Keys) error {
				for _, id := range ids {
					row, err := keys.Revoke(cmd.Context(), id)
					if err != nil {
						return explainFault(err)
					}
					fmt.Fprintf(cmd.OutOrStdout(), "%s (%s) is revoked.\n", row.ID, row.Name)
				}
				return nil
			})
		},
	}
}

// withKeys opens the gateway's keys for as long as work takes.
func withKeys(ctx context.Context, work func(*identity.Keys) error) error {
	cfg, err := app.FromEnvironment()
	if err != nil {
		return err
	}
	log, err := app.NewLog(os.Stderr, slog.LevelWarn.String(), "text")
	if err != nil {
		return err
	}
	service, err := serviceNamed(cfg, app.Gateway)
	if err != nil {
		return err
	}
	conn, err := app.OpenDatabase(ctx, cfg, service, log)
	if err != nil {
		return fmt.Errorf("open the gateway's database: %w", err)
	}
	defer db.Close(conn) //nolint:errcheck // what was written is committed
	return work(&identity.Keys{DB: conn, Log: log})
}

// explainFault is a fault with what is wrong in each of its fields.
func explainFault(err error) error {
	var f *fault.Fault
	if !errors.As(err, &f) {
		return err
	}
	for _, field := range f.Fields {
		err = fmt.Errorf("%w; %s %s", err, strings.TrimPrefix(field.Pointer, "/"), field.Detail)
	}
	return err
}
