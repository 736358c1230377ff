package activity

import (
	"net/http"
	"time"

	"quadrille/pkg/events"
)

// History serves GET /api/v1/ops/history: orders per minute and lags of readers. The
// caller must authorize the request.
func (l *Service) History() http.Handler { return handler(l.cfg.Log, l.history) }

// Length of a history in minutes.
const (
	defaultHistory = 60
	maxHistory     = 24 * 60
)

// history is the response document.
type history struct {
	From        time.Time     `json:"from"`
	StepSeconds int           `json:"step_seconds"`
	Orders      []orderCounts `json:"orders"`
	Lag         []Lag         `json:"lag"`
}

// orderCounts counts the events of orders in a minute.
type orderCounts struct {
	At        time.Time `json:"at"` // start of the minute
	Placed    int64     `json:"placed"`
	Confirmed int64     `json:"confirmed"`
	Rejected  int64     `json:"rejected"`
	Shipped   int64     `json:"shipped"`
}

func (o *orderCounts) add(typ string, n int64) {
	switch typ {
	case events.SalesOrderPlaced:
		o.Placed += n
	case events.SalesOrderConfirmed:
		o.Confirmed += n
	case events.SalesOrderRejected:
		o.Rejected += n
	case events.SalesOrderShipped:
		o.Shipped += n
	}
}

func (l *Service) history(w http.ResponseWriter, r *http.Request) error {
	minutes, err := intParam(r.URL.Query(), "minutes", defaultHistory, maxHistory)
	if err != nil {
		return err
	}
	h := newHistory(minutes, time.Now())
	counted, err := l.store.countOrders(r.Context(), h.From)
	if err != nil {
		return err
	}
	h.count(counted)
	if h.Lag, err = l.store.lags(r.Context(), h.From); err != nil {
		return err
	}
	writeDocument(w, r, h)
	return nil
}

// newHistory creates an empty history of so many minutes. The current minute is the
// last.
func newHistory(minutes int, now time.Time) *history {
	step := time.Minute
	from := now.UTC().Truncate(step).Add(-time.Duration(minutes-1) * step)
	h := &history{From: from, StepSeconds: int(step.Seconds()), Orders: make([]orderCounts, minutes)}
	for i := range h.Orders {
		h.Orders[i].At = from.Add(time.Duration(i) * step)
	}
	return h
}

// count fills in the counts. It leaves out minutes that are in the future by this
// clock.
func (h *history) count(counted []perMinute) {
	first := h.From.Unix() / int64(h.StepSeconds)
	for _, c := range counted {
		if at := c.Minute - first; at >= 0 && at < int64(len(h.Orders)) {
			h.Orders[at].add(c.Type, c.Events)
		}
	}
}
