package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"quadrille/internal/shop/audit"
	"quadrille/services"
)

func newAuditCommand() *cobra.Command {
	var wait time.Duration
	var asJSON bool
	var port int
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Check that the services' data agree",
		Long: `audit reads all data of every service over REST and compares it: stock with
receipts, adjustments, allocations and shipments; every copy with its owner's data;
every order with its allocation. It also reports unsent events and readers that are
behind. It prints one line for each difference, and exits with 0 only if there is none.

Run it while no orders are being processed: until all events are consumed, services
differ. With --wait it first waits until all events are consumed.

INVENTORY_URL, SALES_URL and so on say where the services are. Without them audit
expects the services on this machine, on the ports that up uses (PORT and following).`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			env, err := fromEnvironment()
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("port") {
				env.Port = port
			}
			connections, err := newConnections(env)
			if err != nil {
				return err
			}
			defer connections.Close() //nolint:errcheck // all responses have been read
			cfg := audit.Config{URL: env.URL, Services: services.Names(), Optional: services.ConsumersOnly(), HTTP: connections.HTTP(0)}
			report, err := audit.AtRest(cmd.Context(), cfg, wait)
			if err != nil {
				return err
			}
			return printAudit(cmd.OutOrStdout(), report, asJSON)
		},
	}
	cmd.Flags().DurationVar(&wait, "wait", 0, "first wait up to this long until all events are consumed")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	cmd.Flags().IntVar(&port, "port", 8080, "the gateway's port; the services use the following ports (PORT)")
	return cmd
}

func printAudit(out io.Writer, r audit.Report, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(r); err != nil {
			return fmt.Errorf("print report: %w", err)
		}
	} else {
		printAuditText(out, r)
	}
	if !r.Clean() {
		return errReported
	}
	return nil
}

// shownDifferences limits the differences that are printed as text.
const shownDifferences = 40

func printAuditText(out io.Writer, r audit.Report) {
	total := 0
	for _, n := range r.Orders {
		total += n
	}
	fmt.Fprintf(out, "orders       %d\n", total)
	for _, status := range slices.Sorted(maps.Keys(r.Orders)) {
		fmt.Fprintf(out, "  %-10s %d\n", status, r.Orders[status])
	}
	fmt.Fprintf(out, "allocations  %d\nSKUs         %d (%d pieces on hand, %d reserved)\nproducts     %d\n\n",
		r.Allocations, r.SKUs, r.OnHand, r.Reserved, r.Products)
	for _, service := range r.Absent {
		fmt.Fprintf(out, "%s is not running and was not checked.\n", service)
	}
	if r.Clean() {
		fmt.Fprintln(out, "No differences: the services agree.")
		return
	}
	fmt.Fprintf(out, "%d differences:\n", len(r.Differences))
	for _, d := range r.Differences[:min(len(r.Differences), shownDifferences)] {
		fmt.Fprintln(out, " ", d)
	}
	if more := len(r.Differences) - shownDifferences; more > 0 {
		fmt.Fprintf(out, "  and %d more; --json lists them all\n", more)
	}
}
