package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/bus"
	"quadrille/pkg/dbtx"
	"quadrille/pkg/events"
	"quadrille/pkg/outbox"
)

// flaky is a log that fails at random, before or after it has accepted a batch.
type flaky struct {
	fragile

	random *rand.Rand
}

func (s *flaky) Publish(ctx context.Context, stream string, messages []bus.Message) error {
	s.set(nil, nil)
	switch s.random.IntN(6) {
	case 0:
		s.set(bus.ErrUnavailable, nil)
	case 1:
		s.set(nil, bus.ErrUnavailable)
	}
	return s.fragile.Publish(ctx, stream, messages)
}

// Committed events are published, and appear once in the feed, in any interleaving of open
// transactions, two relays, failures and rebuilds, while an unrelated transaction stays open.
func TestNoInterleavingLosesAnEvent(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			conn := dbtest.Postgres(t, "none", dbtest.NoTables())
			elsewhere := conn.Begin()
			if err := elsewhere.Exec("CREATE TABLE loads (n int)").Error; err != nil {
				t.Fatal(err)
			}
			defer elsewhere.Rollback()
			random := rand.New(rand.NewPCG(seed, 1))
			log := &flaky{random: random}
			p := &play{t: t, conn: conn, random: random, reader: &follower{conn: conn}, relays: []*outbox.Relay{newRelay(t, conn, log, 5), newRelay(t, conn, log, 9)}}
			for range 400 {
				p.step()
			}
			p.end(log)
		})
	}
}

type play struct {
	t         *testing.T
	conn      *gorm.DB
	random    *rand.Rand
	relays    []*outbox.Relay
	reader    *follower
	open      []*gorm.DB
	pending   [][]string // what each open transaction has appended
	committed []string
	n         int
}

func (p *play) step() {
	p.t.Helper()
	switch action := p.random.IntN(20); {
	case action < 5 && len(p.open) < 5:
		p.open, p.pending = append(p.open, p.conn.Begin()), append(p.pending, nil)
	case action < 9 && len(p.open) > 0:
		i := p.random.IntN(len(p.open))
		for range 1 + p.random.IntN(8) {
			p.n++
			e := events.SkuProcessed(fmt.Sprint("S", p.n), 1)
			if err := outbox.Append(p.t.Context(), p.open[i], e); err != nil {
				p.t.Fatal(err)
			}
			p.pending[i] = append(p.pending[i], e.ID)
		}
	case action < 13 && len(p.open) > 0:
		p.close(p.random.IntN(len(p.open)), p.random.IntN(4) > 0)
	case action < 18:
		p.relay(p.random.IntN(len(p.relays)))
	case action == 18:
		p.reader.read(p.t)
	case p.random.IntN(5) == 0:
		if err := p.conn.Exec("UPDATE outbox SET sent_at = NULL, due = pg_current_xact_id() WHERE sent_at IS NOT NULL").Error; err != nil { // as Rebuild does
			p.t.Fatal(err)
		}
	}
}

func (p *play) close(i int, commit bool) {
	p.t.Helper()
	end := p.open[i].Rollback
	if commit {
		end, p.committed = p.open[i].Commit, append(p.committed, p.pending[i]...)
	}
	if err := end().Error; err != nil {
		p.t.Fatal(err)
	}
	p.open, p.pending = slices.Delete(p.open, i, i+1), slices.Delete(p.pending, i, i+1)
}

// relay relays once and compares the relay's count of unsent events with the whole outbox.
func (p *play) relay(i int) {
	p.t.Helper()
	if _, err := p.relays[i].RunOnce(p.t.Context()); err != nil && !errors.Is(err, bus.ErrUnavailable) {
		p.t.Fatal(err)
	}
	waiting, err := p.relays[i].Waiting(p.t.Context())
	if n, _, all := outbox.Depth(p.t.Context(), p.conn); err != nil || all != nil || waiting.Unsent != n {
		p.t.Fatalf("the relay counts %d events, %v; the outbox %d, %v", waiting.Unsent, err, n, all)
	}
}

func (p *play) end(log *flaky) {
	p.t.Helper()
	for len(p.open) > 0 {
		p.close(0, true)
	}
	for range 1000 {
		p.relay(0)
	}
	p.reader.read(p.t)
	seen := slices.Clone(p.reader.seen)
	slices.Sort(seen)
	slices.Sort(p.committed)
	same(p.t, seen, p.committed)
	taken := slices.Clone(log.taken)
	slices.Sort(taken)
	same(p.t, slices.Compact(taken), p.committed)
}

// A transaction with an old snapshot keeps the index entries of handled rows. They must not
// slow down claims and counts.
func TestDeadRowsDoNotSlowClaims(t *testing.T) {
	conn := dbtest.Postgres(t, "none", dbtest.NoTables())
	relay := newRelay(t, conn, &fragile{}, 1000)
	cost := func() time.Duration {
		t.Helper()
		var took []time.Duration
		for i := range 41 {
			commit(t, conn, i, 1)
			began := time.Now()
			if w, err := relay.Waiting(t.Context()); err != nil || w.Unsent != 1 {
				t.Fatalf("%+v wait, %v", w, err)
			}
			if n, err := relay.RunOnce(t.Context()); n != 1 || err != nil {
				t.Fatalf("sent %d, %v", n, err)
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		return took[len(took)/2]
	}
	drain(t, relay)
	before := cost()
	old := conn.Begin()
	for _, sql := range []string{"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SET LOCAL idle_in_transaction_session_timeout = 0", "CREATE TABLE loads (n int)"} {
		if err := old.Exec(sql).Error; err != nil {
			t.Fatal(err)
		}
	}
	defer old.Rollback()
	late := conn.Begin() // appends now and commits when all other events are sent
	if err := late.Exec("SET LOCAL idle_in_transaction_session_timeout = 0").Error; err != nil {
		t.Fatal(err)
	}
	if err := outbox.Append(t.Context(), late, events.SkuProcessed("LATE", 1)); err != nil {
		t.Fatal(err)
	}
	for range 60 {
		commit(t, conn, 0, 1000)
		drain(t, relay)
	}
	for _, analyzed := range []bool{false, true} { // with and without statistics for the planner
		if behind := cost(); behind > 5*before+5*time.Millisecond {
			t.Errorf("behind 60,000 dead rows a claim takes %s, without %s (analyzed: %t)", behind, before, analyzed)
		}
		if err := conn.Exec("ANALYZE outbox").Error; err != nil {
			t.Fatal(err)
		}
	}
	if err := late.Commit().Error; err != nil {
		t.Fatal(err)
	}
	if n, err := relay.RunOnce(t.Context()); n != 1 || err != nil {
		t.Errorf("of the late commit %d events are sent, %v", n, err)
	}
}

// Refused rows stay; the pruner deletes the sent rows behind them.
func TestPruneSkipsRefusedRows(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		all := commit(t, conn, 0, 60)
		log := &picky{poison: map[string]bool{}}
		for _, id := range all[:25] {
			log.poison[id] = true
		}
		settle(t, conn, newRelay(t, conn, log, 10))
		if err := conn.Exec("UPDATE outbox SET sent_at = ? WHERE sent_at IS NOT NULL", time.Now().Add(-2*time.Hour).UTC()).Error; err != nil {
			t.Fatal(err)
		}
		p, err := outbox.NewPruner(outbox.PruneConfig{DB: conn, Step: 10})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := p.RunOnce(t.Context(), time.Now().Add(-time.Hour), dbtx.On(conn)); n != 35 || err != nil {
			t.Errorf("pruned %d, %v; want 35 behind 25 refused ones", n, err)
		}
		same(t, ids(t, conn), all[:25])
	})
}
