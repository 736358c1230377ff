package activity

import (
	"net/http"
	"time"

	"quadrille/pkg/events"
)

// History is GET /api/v1/ops/history: orders per minute, and how far readers were
// behind. Who may ask is the caller's business.
func (l *Live) History() http.Handler { return answering(l.cfg.Log, l.history) }

// How far back a history goes, in minutes.
const (
	usualHistory = 60
	mostHistory  = 24 * 60
)

// history is the document.
type history struct {
	From        time.Time    `json:"from"`
	StepSeconds int          `json:"step_seconds"`
	Orders      []ordersThen `json:"orders"`
	Lag         []Lag        `json:"lag"`
}

// ordersThen is what befell orders within a minute.
type ordersThen struct {
	At        time.Time `json:"at"` // when the minute began
	Placed    int64     `json:"placed"`
	Confirmed int64     `json:"confirmed"`
	Rejected  int64     `json:"rejected"`
	Shipped   int64     `json:"shipped"`
}

func (o *ordersThen) add(typ string, n int64) {
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

func (l *Live) history(w http.ResponseWriter, r *http.Request) error {
	minutes, err := whole(r.URL.Query(), "minutes", usualHistory, mostHistory)
	if err != nil {
		return err
	}
	h := historyOf(minutes, time.Now())
	counted, err := l.store.orders(r.Context(), h.From)
	if err != nil {
		return err
	}
	h.count(counted)
	if h.Lag, err = l.store.lags(r.Context(), h.From); err != nil {
		return err
	}
	answer(w, r, h)
	return nil
}

// historyOf is an empty history of so many minutes, of which the last is the one
// that is under way.
func historyOf(minutes int, now time.Time) *history {
	step := time.Minute
	from := now.UTC().Truncate(step).Add(-time.Duration(minutes-1) * step)
	h := &history{From: from, StepSeconds: int(step.Seconds()), Orders: make([]ordersThen, minutes)}
	for i := range h.Orders {
		h.Orders[i].At = from.Add(time.Duration(i) * step)
	}
	return h
}

// count fills in what was counted. Minutes that have not come, by this clock, are
// left out.
func (h *history) count(counted []perMinute) {
	first := h.From.Unix() / int64(h.StepSeconds)
	for _, c := range counted {
		if at := c.Minute - first; at >= 0 && at < int64(len(h.Orders)) {
			h.Orders[at].add(c.Type, c.Events)
		}
	}
}
