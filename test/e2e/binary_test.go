package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"quadrille/internal/audit"
	"quadrille/internal/testenv"
)

// binary builds the program, once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "quadrille")
	if err != nil {
		return "", err
	}
	program := filepath.Join(folder, "quadrille")
	build := exec.Command("go", "build", "-o", program, "quadrille/cmd/quadrille")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}
	return program, nil
})

// machine is a machine of a test's own: a data folder, ports, an environment.
type machine struct {
	t       *testing.T
	program string
	port    int
	env     []string
}

func newMachine(t *testing.T, env ...string) *machine {
	t.Helper()
	program, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, program: program, port: freePorts(t)}
	m.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "QUADRILLE_DATA=" + t.TempDir(), "PORT=" + strconv.Itoa(m.port),
	}, env...)
	return m
}

var nextPort atomic.Int64

// freePorts finds a port that is followed by four free ones. Nobody is given the
// same one twice.
func freePorts(t *testing.T) int {
	t.Helper()
search:
	for range 1000 {
		port := 20000 + os.Getpid()%100*100 + int(nextPort.Add(10))
		for n := 1; n <= 4; n++ {
			l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port+n))
			if err != nil {
				continue search
			}
			defer l.Close()
		}
		return port
	}
	t.Fatal("no free ports")
	return 0
}

func (m *machine) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(m.t.Context(), m.program, args...)
	cmd.Env = m.env
	return cmd
}

// start runs a command in the background until the test, or kill, ends it.
func (m *machine) start(args ...string) (cmd *exec.Cmd, output *syncBuffer) {
	m.t.Helper()
	cmd, output = m.command(args...), &syncBuffer{}
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd, output
}

// ready waits until all four services are.
func (m *machine) ready() {
	m.t.Helper()
	for n := 1; n <= 4; n++ {
		testenv.Eventually(m.t, func(ctx context.Context) error {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/readyz", m.port+n), nil)
			if err != nil {
				return err
			}
			request.Close = true
			answer, err := http.DefaultClient.Do(request)
			if err != nil {
				return err
			}
			_ = answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				err = fmt.Errorf("service %d answers %d", n, answer.StatusCode)
			}
			return err
		})
	}
}

// run runs a command to its end and returns what it printed.
func (m *machine) run(args ...string) (string, error) {
	m.t.Helper()
	out, err := m.command(args...).CombinedOutput()
	return string(out), err
}

func (m *machine) audit() audit.Report {
	m.t.Helper()
	out, err := m.command("audit", "--wait", "60s", "--json").Output()
	var report audit.Report
	if jsonErr := json.Unmarshal(out, &report); jsonErr != nil || err != nil {
		m.t.Fatalf("audit: %v %v\n%s", err, jsonErr, out)
	}
	return report
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// invoices is a file of n orders, two returns and some of the dirt of real ones.
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
	cfg := testenv.Real(t)
	return []string{
		"DATABASE_URL=" + cfg.DatabaseURL, "AMQP_URL=" + cfg.AMQPURL,
		"DATABASE_SCHEMA_PREFIX=" + cfg.SchemaPrefix, "BUS_PREFIX=" + cfg.BusPrefix, "DATABASE_POOL=5",
	}
}

// The shop is killed again and again while orders come in, and started again.
// Nothing is lost, nothing is doubled, and all notes agree.
func TestKilledInTheMiddleOfTraffic(t *testing.T) {
	const orders = 400
	for name, env := range map[string]func(*testing.T) []string{
		"embedded": func(*testing.T) []string { return nil },
		"real":     realParts,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, env(t)...)
			file := invoices(t, orders)
			shop, _ := m.start("up")
			m.ready()
			driven := make(chan error, 1)
			go func() {
				out, err := m.run("traffic", file, "--stock", "1000")
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
					_ = shop.Process.Kill()
					_ = shop.Wait()
					kills++
					shop, _ = m.start("up")
					m.ready()
				}
			}
			if kills == 0 {
				t.Fatal("traffic ended before the shop was ever killed")
			}
			t.Logf("killed %d times", kills)
			out, err := m.run("traffic", file, "--stock", "1000")
			if err != nil || !strings.Contains(out, "nothing was doubled") {
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
	shop, output := m.start("up")
	m.ready()
	began := time.Now()
	if err := shop.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := shop.Wait(); err != nil {
		t.Errorf("stopped with %v: %s", err, output)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("stopped after %s", took)
	}
	for _, service := range []string{"inventory", "catalog", "wishlist", "sales", "/docs"} {
		if !strings.Contains(output.String(), service) {
			t.Errorf("%s is not announced:\n%s", service, output)
		}
	}
}

// Separate processes on real parts, each started twice over by migrate at once.
func TestServedSeparately(t *testing.T) {
	m := newMachine(t, realParts(t)...)
	var migrating sync.WaitGroup
	for range 2 {
		migrating.Go(func() {
			if out, err := m.run("migrate"); err != nil {
				t.Errorf("migrate: %v\n%s", err, out)
			}
		})
	}
	migrating.Wait()
	for _, service := range []string{"inventory", "catalog", "wishlist", "sales"} {
		m.start("serve", service)
	}
	m.ready()
	if out, err := m.run("traffic", invoices(t, 50), "--stock", "100"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if report := m.audit(); report.Orders["confirmed"] != 50 {
		t.Errorf("totals are %+v", report)
	}
}

func TestSaysWhatItCannotReach(t *testing.T) {
	m := newMachine(t, "DATABASE_URL=postgres://shop:s3cret@127.0.0.1:1/orders", "AMQP_URL=amqp://shop:s3cret@127.0.0.1:2/")
	waiting, output := m.start("serve", "sales")
	testenv.Eventually(t, func(context.Context) error {
		said := output.String()
		for _, want := range []string{"127.0.0.1:1, database orders", "127.0.0.1:2", "refused", "next_try"} {
			if !strings.Contains(said, want) {
				return errors.New(want + " is not said in " + said)
			}
		}
		return nil
	})
	if strings.Contains(output.String(), "s3cret") || strings.Contains(output.String(), "goroutine") {
		t.Errorf("a password or a stack trace was told:\n%s", output)
	}
	if err := waiting.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := waiting.Wait(); err != nil {
		t.Errorf("stopped while waiting: %v", err)
	}
	m.env = append(m.env, "DATABASE_URL=mysql://shop:s3cret@host/x")
	out, err := m.run("serve", "sales")
	if err == nil || !strings.Contains(out, "DATABASE_URL") || strings.Contains(out, "s3cret") {
		t.Errorf("a URL that is none gives %v: %s", err, out)
	}
}

func TestBrokenFilesAreRefusedWhole(t *testing.T) {
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
		if out, err := m.run("traffic", path); err == nil || !strings.Contains(out, want) {
			t.Errorf("%q gives %v: %s; want %q", content, err, out, want)
		}
	}
}
