package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"quadrille/internal/shop/traffic"
)

func newTrafficCommand() *cobra.Command {
	var stock int64
	var concurrency, port int
	cmd := &cobra.Command{
		Use:   "traffic FILE.csv",
		Short: "Send the orders of a CSV file to a running shop",
		Long: `traffic sends the invoices of a file in the Online Retail format (columns
InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID,
Country) to a running shop: products to catalog, orders to sales, and returns
(invoices that begin with C) to inventory as receipts.

traffic sends nothing if the file has an error, and reports the line of the error. It
repeats each request until there is a response, so the shop may be restarted meanwhile.
Each request has its own ID, so the same file can be sent again: traffic counts what
already exists, and nothing is duplicated.

INVENTORY_URL, CATALOG_URL and SALES_URL say where the shop is. Without them traffic
expects it on this machine, on the ports that up uses (PORT and following).`,
		Example: "  quadrille traffic retail.csv --stock 500",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := fromEnvironment()
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("port") {
				cfg.Port = port
			}
			plan, err := readPlan(args[0])
			if err != nil {
				return err
			}
			connections, err := newConnections(cfg)
			if err != nil {
				return err
			}
			defer connections.Close() //nolint:errcheck // all responses have been read
			bar := newProgress(cmd.ErrOrStderr(), "requests", plan.Requests(stock))
			started := time.Now()
			report, err := traffic.Drive(cmd.Context(), traffic.Config{
				URL: cfg.URL, HTTP: connections.HTTP(requestTimeout), Stock: stock, Concurrency: concurrency,
				Progress: bar.step, Waiting: bar.waiting,
			}, plan)
			bar.end()
			if report != nil {
				printReport(cmd.OutOrStdout(), plan, report, time.Since(started))
			}
			return err
		},
	}
	cmd.Flags().Int64Var(&stock, "stock", 0, "first receive this many pieces of each SKU")
	cmd.Flags().IntVar(&concurrency, "concurrency", 16, "number of concurrent requests")
	cmd.Flags().IntVar(&port, "port", 8080, "the gateway's port; the services use the following ports (PORT)")
	return cmd
}

// requestTimeout bounds one request. After it the request is sent again.
const requestTimeout = 30 * time.Second

func readPlan(path string) (*traffic.Plan, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open file: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	plan, err := traffic.Read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return plan, nil
}

func printReport(out io.Writer, plan *traffic.Plan, report *traffic.Report, took time.Duration) {
	fmt.Fprintf(out, "\n%d lines: %d SKUs, %d of them priced; %d orders, %d returns\n\n",
		plan.Lines, len(plan.SKUs), len(plan.Products), len(plan.Orders), len(plan.Returns))
	fmt.Fprintf(out, "  %-14s %8s %14s %8s\n", "", "sent", "existing", "refused")
	sent, refusals := 0, map[string]int{}
	for _, kind := range traffic.Kinds() {
		r := report.Results[kind]
		if r == nil {
			continue
		}
		refused := 0
		for reason, n := range r.Refused {
			refused += n
			refusals[kind+": "+reason] += n
		}
		sent += r.Sent
		fmt.Fprintf(out, "  %-14s %8d %14d %8d\n", kind, r.Sent, r.Known, refused)
	}
	printReasons(out, "Refused by the shop", refusals)
	printReasons(out, "Lines skipped", plan.Skipped)
	if unpriced := len(plan.SKUs) - len(plan.Products); unpriced > 0 {
		fmt.Fprintf(out, "\n%d SKUs have no price in the file: they are stocked, but not offered.\n", unpriced)
	}
	if plan.Rounded > 0 {
		fmt.Fprintf(out, "\n%d prices were rounded to pence.\n", plan.Rounded)
	}
	if sent == 0 {
		fmt.Fprint(out, "\nEverything existed already: nothing was duplicated.\n")
	}
	fmt.Fprintf(out, "\nDone in %s.\n", took.Round(time.Millisecond))
}

func printReasons(out io.Writer, title string, reasons map[string]int) {
	if len(reasons) == 0 {
		return
	}
	fmt.Fprintf(out, "\n%s:\n", title)
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		fmt.Fprintf(out, "  %6d  %s\n", reasons[reason], reason)
	}
}
