package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"quadrille/internal/platform/app"
	"quadrille/internal/shop/audit"
	"quadrille/services"
	"quadrille/test/harness"
	"quadrille/test/harness/binary"
)

// machine is a machine of a test's own on which the program runs.
type machine struct {
	*binary.Machine

	t *testing.T
}

func newMachine(t *testing.T, env ...string) *machine {
	t.Helper()
	return &machine{Machine: binary.New(t, env...), t: t}
}

// interrupt is the signal of Ctrl-C.
const interrupt = syscall.SIGINT

// client returns an HTTP client for the typed clients.
func client(t *testing.T) *http.Client {
	t.Helper()
	hc := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}}
	t.Cleanup(hc.CloseIdleConnections)
	return hc
}

func remove(t *testing.T, file string) {
	t.Helper()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
}

// feedPage is a page of a feed: how many events it has, and where the next one is.
type feedPage struct {
	n    int
	next string
}

func (m *machine) get(service, path string) (page feedPage) {
	m.t.Helper()
	answer, err := client(m.t).Get(m.URL(service) + path)
	if err != nil {
		m.t.Fatal(err)
	}
	defer answer.Body.Close()
	var list []json.RawMessage
	if err := json.NewDecoder(answer.Body).Decode(&list); err != nil || answer.StatusCode != http.StatusOK {
		m.t.Fatalf("GET %s of %s: %d, %v", path, service, answer.StatusCode, err)
	}
	next, _, _ := strings.Cut(strings.TrimPrefix(answer.Header.Get("Link"), "<"), ">")
	return feedPage{n: len(list), next: next}
}

// ready waits until all services are.
func (m *machine) ready() {
	m.t.Helper()
	m.readyAre(services.Names()...)
}

// up waits until all services and the gateway are.
func (m *machine) up() {
	m.t.Helper()
	m.readyAre(append([]string{app.Gateway}, services.Names()...)...)
}

func (m *machine) readyAre(services ...string) {
	m.t.Helper()
	for _, service := range services {
		harness.Eventually(m.t, func(ctx context.Context) error { return m.Ready(ctx, service) })
	}
}

func (m *machine) audit() audit.Report {
	m.t.Helper()
	out, err := m.Command("audit", "--wait", "60s", "--json").Output()
	var report audit.Report
	if jsonErr := json.Unmarshal(out, &report); jsonErr != nil || err != nil {
		m.t.Fatalf("audit: %v %v\n%s", err, jsonErr, out)
	}
	return report
}

// invoices writes a file with n orders, two returns and faulty lines as in real files.
func invoices(t *testing.T, n int) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n")
	for i := range n {
		fmt.Fprintf(&b, "%d,%da,CUP %d,2,2010-12-01 08:26:00,1.25,%d,United Kingdom\n", 500000+i, 10000+i%40, i%40, 100+i%7)
		fmt.Fprintf(&b, "%d,%d,BOWL,1,2010-12-01 08:26:00,2.55,,United Kingdom\n", 500000+i, 20000+i%30)
		fmt.Fprintf(&b, "%d,POST,POSTAGE,1,2010-12-01 08:26:00,18.00,,France\n", 500000+i)
	}
	b.WriteString("C600000,10000A,CUP,-2,2010-12-01 08:26:00,1.25,100,United Kingdom\n")
	b.WriteString("C600000,20000,BOWL,-1,2010-12-01 08:26:00,2.55,100,United Kingdom\n")
	b.WriteString("600001,30000,,-5,2010-12-01 08:26:00,0,,United Kingdom\n")
	path := filepath.Join(t.TempDir(), "invoices.csv")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func realParts(t *testing.T) []string {
	t.Helper()
	return settings(harness.Real(t))
}

// settings returns the environment variables of a configuration.
func settings(cfg app.Config) []string {
	return []string{
		"DATABASE_URL=" + cfg.DatabaseURL, "AMQP_URL=" + cfg.AMQPURL,
		"DATABASE_SCHEMA_PREFIX=" + cfg.SchemaPrefix, "BUS_PREFIX=" + cfg.BusPrefix, "DATABASE_POOL=5",
	}
}

// The shop is killed again and again while orders come in, and started again.
// Nothing is lost, nothing is doubled, and all notes agree.
func TestLosesNothingWhenKilledDuringTraffic(t *testing.T) {
	const orders = 400
	for name, env := range map[string]func(*testing.T) []string{
		"embedded": func(*testing.T) []string { return nil },
		"real":     realParts,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, env(t)...)
			file := invoices(t, orders)
			shop := m.Start(nil, "up")
			m.ready()
			driven := make(chan error, 1)
			go func() {
				out, err := m.Run("traffic", file, "--stock", "1000")
				if err != nil {
					err = fmt.Errorf("%w: %s", err, out)
				}
				driven <- err
			}()
			kills := 0
			for alive := true; alive; {
				select {
				case err := <-driven:
					if err != nil {
						t.Fatal(err)
					}
					alive = false
				case <-time.After(time.Duration(60+kills*40) * time.Millisecond):
					shop.Kill()
					kills++
					shop = m.Start(nil, "up")
					m.ready()
				}
			}
			if kills == 0 {
				t.Fatal("traffic ended before the shop was ever killed")
			}
			t.Logf("killed %d times", kills)
			out, err := m.Run("traffic", file, "--stock", "1000")
			if err != nil || !strings.Contains(out, "nothing was duplicated") {
				t.Fatalf("second run: %v\n%s", err, out)
			}
			report := m.audit()
			// 71 SKUs with 1,000 of each, and 3 pieces that came back.
			if report.Orders["confirmed"] != orders || len(report.Orders) != 1 || report.SKUs != 71 || report.OnHand != 71003 || report.Reserved != 3*orders {
				t.Errorf("totals are %+v", report)
			}
		})
	}
}

func TestStopsCleanly(t *testing.T) {
	m := newMachine(t)
	shop := m.Start(nil, "up")
	m.ready()
	began := time.Now()
	if err := shop.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := shop.Wait(); err != nil {
		t.Errorf("stopped with %v: %s", err, shop.Output)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("stopped after %s", took)
	}
	for _, service := range []string{"inventory", "catalog", "wishlist", "sales", "/docs"} {
		if !strings.Contains(shop.Output.String(), service) {
			t.Errorf("%s is not announced:\n%s", service, shop.Output)
		}
	}
}

// Separate processes on real parts, each started twice over by migrate at once.
func TestServedSeparately(t *testing.T) {
	m := newMachine(t, realParts(t)...)
	var migrating sync.WaitGroup
	for range 2 {
		migrating.Go(func() {
			if out, err := m.Run("migrate"); err != nil {
				t.Errorf("migrate: %v\n%s", err, out)
			}
		})
	}
	migrating.Wait()
	for _, service := range services.Names() {
		m.Start(nil, "serve", service)
	}
	m.ready()
	if out, err := m.Run("traffic", invoices(t, 50), "--stock", "100"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if report := m.audit(); report.Orders["confirmed"] != 50 {
		t.Errorf("totals are %+v", report)
	}
}

func TestReportsUnreachableParts(t *testing.T) {
	m := newMachine(t, "DATABASE_URL=postgres://shop:s3cret@127.0.0.1:1/orders", "AMQP_URL=amqp://shop:s3cret@127.0.0.1:2/")
	waiting := m.Start(nil, "serve", "sales")
	harness.Eventually(t, func(context.Context) error {
		said := waiting.Output.String()
		for _, want := range []string{"127.0.0.1:1, database orders", "127.0.0.1:2", "refused", "next_try"} {
			if !strings.Contains(said, want) {
				return errors.New(want + " is not said in " + said)
			}
		}
		return nil
	})
	if strings.Contains(waiting.Output.String(), "s3cret") || strings.Contains(waiting.Output.String(), "goroutine") {
		t.Errorf("a password or a stack trace was told:\n%s", waiting.Output)
	}
	if err := waiting.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := waiting.Wait(); err != nil {
		t.Errorf("stopped while waiting: %v", err)
	}
	m.Env = append(m.Env, "DATABASE_URL=mysql://shop:s3cret@host/x")
	out, err := m.Run("serve", "sales")
	if err == nil || !strings.Contains(out, "DATABASE_URL") || strings.Contains(out, "s3cret") {
		t.Errorf("a URL that is none gives %v: %s", err, out)
	}
}

func TestTrafficRefusesBrokenFiles(t *testing.T) {
	m := newMachine(t)
	for content, want := range map[string]string{
		"":                      "line 1",
		"InvoiceNo,StockCode\n": "column Description is missing",
		"InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n1,10000,x,many,d,1.00,,UK\n":       "line 2: column Quantity",
		"InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n1,10000,x,1,d,1.00,,UK\n1,10000\n": "line 3",
	} {
		path := filepath.Join(t.TempDir(), "broken.csv")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := m.Run("traffic", path); err == nil || !strings.Contains(out, want) {
			t.Errorf("%q gives %v: %s; want %q", content, err, out, want)
		}
	}
}
