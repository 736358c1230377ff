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
		Short: "Create, list and revoke the gateway's API keys",
		Long: `A machine uses the public API with an API key, which it sends as
Authorization: Bearer qk_.... The gateway's database has the hashes of the keys. These
commands work on the database, whether or not the gateway is running. Only one process
can open a SQLite file: if a running gateway has it open, the commands call the gateway
on this machine's PORT. They authenticate with INTERNAL_TOKEN or, if the gateway has
none, with the local token that it stores next to its database.

A key has roles: warehouse (receive, adjust, ship), staff (read everything; manage
products, dead letters and replay), customer (orders and wishes of the customer in
--subject).

Errors are printed to standard error, and the exit code is 1.`,
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
		Short:   "Create a key; it is shown once",
		Long:    "create creates a key and prints only the key to standard output. The key cannot be shown again.",
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
				fmt.Fprintf(cmd.ErrOrStderr(), "Created key %s. Store the following secret: it is not shown again.\n", made.ID)
				_, err = fmt.Fprintln(cmd.OutOrStdout(), made.Key)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&n.Name, "name", "", "name that says what the key is for")
	cmd.Flags().StringSliceVar(&n.Roles, "role", nil, "customer, warehouse or staff; separate several with commas")
	cmd.Flags().StringVar(&n.Subject, "subject", "", "ID of the customer whose orders and wishes the key gives access to; needs the role customer")
	cmd.Flags().DurationVar(&lasts, "expires", 0, "validity, such as 720h (default: the key does not expire)")
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
		Long: `list shows all keys, oldest first, including revoked ones. With --json it prints
the response of GET /api/v1/ops/keys:

  {"items":[{"id":"…","name":"scanner-3","roles":["warehouse"],"subject":"ann",
    "created_at":"2026-01-02T03:04:05Z","expires_at":…,"revoked_at":…,"last_used_at":…}]}

subject, expires_at, revoked_at and last_used_at (to the minute) are missing if they
have no value.`,
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
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the JSON of the API")
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
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, printable(k.Name), strings.Join(k.Roles, ","), orDash(k.Subject), keyState(k), day(k.LastUsedAt, "never"))
	}
	return out.Flush()
}

// printable returns a name, escaped if it has control characters, which would change the
// terminal. Keys that are older than the check of names may have them.
func printable(name string) string {
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
		return "valid"
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
		Short: "Revoke keys: the gateway rejects them from then on",
		Long: `revoke revokes the keys with these IDs (keys list shows them). Open event streams of a
revoked key end within seconds. The exit code is 0 only if all of the keys are revoked,
now or earlier.`,
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
					fmt.Fprintf(cmd.OutOrStdout(), "%s (%s) is revoked.\n", key.ID, printable(key.Name))
				}
				return failed
			})
		},
	}
	portFlag(cmd, &port)
	return cmd
}

// withKeys calls work with the gateway's keys: in its database or, if the database is a
// file that a running gateway has open, through the gateway.
func withKeys(ctx context.Context, port int, work func(auth.Keyring) error) error {
	r, err := newRemote(app.Gateway, port)
	if err != nil {
		return err
	}
	defer r.close()
	file, embedded := strings.CutPrefix(r.cfg.Database(app.Gateway), "sqlite:")
	if !embedded {
		return r.withLocalKeys(ctx, work)
	}
	running := findInternalAPI(ctx, r.cfg, r.http)
	if running.runs && running.err == nil {
		return work(auth.RemoteKeys{URL: running.url, HTTP: r.http})
	}
	err = r.withLocalKeys(ctx, work)
	switch {
	case !errors.Is(err, db.ErrInUse):
		return err
	case running.err != nil:
		return fmt.Errorf("%s is in use by another process, and %w", file, running.err)
	default:
		return fmt.Errorf("%s is in use by another process, and no gateway answers at %s: set PORT or --port to the port of the gateway", file, r.cfg.LocalURL(app.Gateway))
	}
}

// withLocalKeys opens the gateway's database, calls work with its keys, and closes it.
func (r *remote) withLocalKeys(ctx context.Context, work func(auth.Keyring) error) error {
	log, err := app.NewLog(os.Stderr, slog.LevelWarn.String(), "text")
	if err != nil {
		return err
	}
	conn, err := app.OpenDatabase(ctx, r.cfg, r.service, log)
	if err != nil {
		return fmt.Errorf("open the gateway's database: %w", err)
	}
	defer db.Close(conn) //nolint:errcheck // every write has been committed
	return work(auth.LocalKeys{Store: &auth.KeyStore{DB: conn, Log: log}})
}

// explainFault appends the detail of each invalid field to the text of err.
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
