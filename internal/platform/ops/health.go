package ops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"quadrille/internal/platform/ready"
	"quadrille/pkg/fault"
)

// Ready returns nil if the service is ready, and otherwise an error with the reasons in one
// line.
func (c *Client) Ready(ctx context.Context) error { return c.healthy(ctx, "/readyz") }

// Live returns nil if the service's process responds, whether or not the service is ready,
// and otherwise an error with the reason in one line.
func (c *Client) Live(ctx context.Context) error { return c.healthy(ctx, "/healthz") }

// maxReason bounds the bytes of a response that are read.
const maxReason = 64 << 10

func (c *Client) healthy(ctx context.Context, path string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxReason))
	if err != nil {
		return fmt.Errorf("read answer %s: %w", answer.Status, err)
	}
	return errors.New(oneLine(reason(answer, body)))
}

// reason returns the cause in a response other than 200: the checks that failed, the
// problem's detail, or only the status.
func reason(answer *http.Response, body []byte) string {
	var report struct {
		Checks []ready.Result `json:"checks"`
	}
	var failed []string
	if json.Unmarshal(body, &report) == nil {
		for _, check := range report.Checks {
			if !check.OK {
				failed = append(failed, check.Reason())
			}
		}
	}
	if len(failed) > 0 {
		return strings.Join(failed, "; ")
	}
	var problem *fault.Fault
	err := fault.FromResponse(answer.StatusCode, answer.Header.Get("Content-Type"), body)
	if errors.As(err, &problem) && problem.Code != fault.CodeUnexpected {
		return problem.Detail
	}
	return "answers " + answer.Status
}

// oneLine removes line breaks. A database's error may have several lines.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
