package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"quadrille/test/harness"
)

// What the README has a newcomer type does what it says.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile(`(?m)^    curl -X POST localhost:8081/receipts(?:.|\n)*?\n\n`).FindString(string(text))
	if strings.Count(block, "curl") != 5 {
		t.Fatalf("the README's example is another one: %s", block)
	}
	m := newMachine(t)
	m.Start(nil, "up")
	m.up()
	for n := range 5 {
		block = strings.ReplaceAll(block, "localhost:"+strconv.Itoa(8080+n), "127.0.0.1:"+strconv.Itoa(m.Port+n))
	}
	harness.Eventually(t, func(ctx context.Context) error {
		out, err := exec.CommandContext(ctx, "bash", "-ec", strings.ReplaceAll(block, "curl ", "curl -sSf ")).CombinedOutput()
		if err == nil && !strings.Contains(string(out), `"status":"confirmed"`) {
			err = errors.New("the order is not confirmed")
		}
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	if report := m.audit(); report.SKUs != 1 || report.Orders["confirmed"] < 1 {
		t.Errorf("totals are %+v", report)
	}
}
