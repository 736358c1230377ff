package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/db"
	"quadrille/pkg/fault"
	"quadrille/services/gateway/auth"
)

func newKeysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, list and revoke the gateway's API keys",
		Long: `An API key lets a machine use the public API: it is sent as
Authorization: Bearer qk_.... Keys are kept in the gateway's database, as hashes, and
these commands work there, whether or not the gateway runs. A SQLite file belongs to
one process: while a gateway runs on one, it is asked to do it, on this machine's PORT
and with INTERNAL_TOKEN where it has one, else with the local token that it left beside its
database.

A key has roles: warehouse (receive, adjust, ship), staff (everything that is to be
seen, products, dead letters, replay), customer (orders and wishes of the customer
named by --subject).

What goes wrong is said on standard error, and the exit code is 1.`,
	}
	cmd.AddCommand(newKeysCreate(), newKeysList(), newKeysRevoke())
	return cmd
}

func newKeysCreate() *cobra.Command {
	var n auth.KeyRequest
	var lasts time.Duration
	var port int
	cmd := &cobra.Command{
		Use:     "create",
		Short:   "Make a key; it is shown once",
		Long:    "create makes a key and prints it alone on standard output: nobody can show it again.",
		Example: "  quadrille keys create --name scanner-3 --role warehouse\n  quadrille keys create --name shop-app --role customer --subject ann --expires 720h",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			now := time.Now().UTC()
			if cmd.Flags().Changed("expires") {
				end := now.Add(lasts).Truncate(time.Second)
				n.ExpiresAt = &end
			}
			if err := n.Check(now); err != nil {
				return explainFault(err)
			}
			return withKeys(cmd.Context(), port, func(keys auth.Keyring) error {
				made, err := keys.Create(cmd.Context(), n)
				if err != nil {
					return explainFault(err)
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "The key %s is made. Keep what follows: it is not shown again.\n", made.ID)
				_, err = fmt.Fprintln(cmd.OutOrStdout(), made.Key)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&n.Name, "name", "", "what it is for")
	cmd.Flags().StringSliceVar(&n.Roles, "role", nil, "customer, warehouse or staff; several are separated by commas")
	cmd.Flags().StringVar(&n.Subject, "subject", "", "the customer that it acts for; goes with the role customer")
	cmd.Flags().DurationVar(&lasts, "expires", 0, "how long it is good, such as 720h; for ever where not given")
	portFlag(cmd, &port)
	_ = cmd.MarkFlagRequired("name")
	_ = cmd.MarkFlagRequired("role")
	return cmd
}

func newKeysList() *cobra.Command {
	var asJSON bool
	var port int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List all keys, without their secrets",
		Long: `list shows all keys, oldest first, those that were revoked too. With --json it
prints what GET /api/v1/ops/keys answers:

  {"items":[{"id":"…","name":"scanner-3","roles":["warehouse"],"subject":"ann",
    "created_at":"2026-01-02T03:04:05Z","expires_at":…,"revoked_at":…,"last_used_at":…}]}

subject, expires_at, revoked_at and last_used_at (to the minute) are left out where
there is none.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withKeys(cmd.Context(), port, func(keys auth.Keyring) error {
				all, err := keys.Keys(cmd.Context())
				if err != nil {
					return explainFault(err)
				}
				if asJSON {
					return json.NewEncoder(cmd.OutOrStdout()).Encode(auth.KeyList{Items: all})
				}
				return printKeys(cmd, all)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print them as the API does")
	portFlag(cmd, &port)
	return cmd
}

func printKeys(cmd *cobra.Command, keys []auth.Key) error {
	if len(keys) == 0 {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "No keys.")
		return err
	}
	out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "ID\tNAME\tROLES\tSUBJECT\tSTATE\tLAST USED")
	for _, k := range keys {
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, shown(k.Name), strings.Join(k.Roles, ","), orDash(k.Subject), keyState(k), day(k.LastUsedAt, "never"))
	}
	return out.Flush()
}

// shown returns a name, escaped if it has characters that control a terminal: keys from
// before names were checked may have them.
func shown(name string) string {
	if auth.Visible(name) {
		return name
	}
	return strconv.QuoteToGraphic(name)
}

func keyState(k auth.Key) string {
	switch {
	case k.RevokedAt != nil:
		return "revoked " + day(k.RevokedAt, "")
	case k.ExpiresAt != nil && !time.Now().Before(*k.ExpiresAt):
		return "expired " + day(k.ExpiresAt, "")
	case k.ExpiresAt != nil:
		return "until " + day(k.ExpiresAt, "")
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
	var port int
	cmd := &cobra.Command{
		Use:   "revoke ID...",
		Short: "Revoke keys: they are refused from then on",
		Long: `revoke ends the keys of these IDs (keys list shows them); streams that are open by
one end within seconds. The exit code is 0 only if all are revoked; one that was
revoked before is.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return withKeys(cmd.Context(), port, func(keys auth.Keyring) error {
				var failed error
				for _, id := range ids {
					key, err := keys.Revoke(cmd.Context(), id)
					if err != nil {
						fmt.Fprintf(cmd.ErrOrStderr(), "%s: %v\n", id, explainFault(err))
						failed = errReported
						continue
					}
					fmt.Fprintf(cmd.OutOrStdout(), "%s (%s) is revoked.\n", key.ID, shown(key.Name))
				}
				return failed
			})
		},
	}
	portFlag(cmd, &port)
	return cmd
}

// withKeys finds the gateway's keys, for as long as work takes: in its database, or,
// where that is a file that a running gateway has open, by asking the gateway.
func withKeys(ctx context.Context, port int, work func(auth.Keyring) error) error {
	r, err := newRemote(app.Gateway, port)
	if err != nil {
		return err
	}
	defer r.close()
	file, embedded := strings.CutPrefix(r.cfg.Database(app.Gateway), "sqlite:")
	if !embedded {
		return r.withKept(ctx, work)
	}
	running := findInternalAPI(ctx, r.cfg, r.http)
	if running.runs && running.why == nil {
		return work(auth.RemoteKeys{URL: running.url, HTTP: r.http})
	}
	err = r.withKept(ctx, work)
	switch {
	case !errors.Is(err, db.ErrInUse):
		return err
	case running.why != nil:
		return fmt.Errorf("%s is in use by another process, and %w", file, running.why)
	default:
		return fmt.Errorf("%s is in use by another process, and no gateway answers at %s: on which port does it run? (PORT or --port)", file, r.cfg.LocalURL(app.Gateway))
	}
}

// withKept opens the gateway's database for as long as work takes.
func (r *remote) withKept(ctx context.Context, work func(auth.Keyring) error) error {
	log, err := app.NewLog(os.Stderr, slog.LevelWarn.String(), "text")
	if err != nil {
		return err
	}
	conn, err := app.OpenDatabase(ctx, r.cfg, r.service, log)
	if err != nil {
		return fmt.Errorf("open the gateway's database: %w", err)
	}
	defer db.Close(conn) //nolint:errcheck // what was written is committed
	return work(auth.LocalKeys{Store: &auth.KeyStore{DB: conn, Log: log}})
}

// explainFault adds the fault of each field to an error.
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
