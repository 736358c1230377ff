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
		Short: "Compare what the services know of each other",
		Long: `audit asks every service for everything it knows and compares: stock with
receipts, adjustments, allocations and shipments; every copy with its owner; every
order with its allocation; and it looks for events unsent and readers behind. Each
difference is a line. It exits with 0 only if all agree.

Ask it of a shop at rest: while orders are on their way, notes differ. With --wait
it first waits until nothing is on its way.

The services are found by INVENTORY_URL, SALES_URL and so on, else on this machine
from PORT on, as up lays them out.`,
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
			defer connections.Close() //nolint:errcheck // it has been asked
			cfg := audit.Config{URL: env.URL, Services: services.Names(), HTTP: connections.HTTP(0)}
			report, err := audit.AtRest(cmd.Context(), cfg, wait)
			if err != nil {
				return err
			}
			return printAudit(cmd.OutOrStdout(), report, asJSON)
		},
	}
	cmd.Flags().DurationVar(&wait, "wait", 0, "first wait this long for the dance to come to rest")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	cmd.Flags().IntVar(&port, "port", 8080, "the gateway's port; the services are on the ones after it (PORT)")
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

// shownDifferences is how many differences fit to read.
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
		fmt.Fprintf(out, "%s does not run and was left out.\n", service)
	}
	if r.Clean() {
		fmt.Fprintln(out, "All notes agree.")
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
