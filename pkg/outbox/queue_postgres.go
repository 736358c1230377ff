package outbox

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"gorm.io/gorm"

	"quadrille/pkg/dbtx"
	"quadrille/pkg/events"
)

// lockKey is the SQL expression for the key of the advisory lock that the relays of one
// schema share.
const lockKey = "hashtextextended(current_schema() || '.outbox', 0)"

// postgresQueue remembers a lower bound for its claims. Handled rows leave dead entries in
// the indexes for as long as any transaction of the server has an older snapshot; a claim
// without a lower bound would read all of them every time.
type postgresQueue struct {
	db *gorm.DB

	mu   sync.Mutex
	mark mark
}

// mark bounds the rows that a claim reads: no row that is visible in snapshot and has an ID
// of floor or less is due. If a row below the floor becomes due later, the snapshot does not
// see its transaction; the row is then found by its transaction ID, however late it commits.
// Long transactions of others do not delay the mark.
type mark struct {
	server   string // start time of the server; transaction IDs of another server differ
	snapshot string // pg_snapshot; empty if there is no mark
	floor    int64
}

// claim holds an advisory lock that ends with its own transaction, so that only one relay
// publishes at a time and a crashed relay releases the lock. It holds no lock for which a
// writer of the outbox would wait. PostgreSQL releases the lock after the commit has become
// visible, so feed numbers become visible in their order.
func (q *postgresQueue) claim(ctx context.Context, max int, publish func([]due) error) (sent int, more bool, err error) {
	options := &sql.TxOptions{Isolation: sql.LevelReadCommitted} // the server's default may differ
	err = dbtx.Once(q.db.WithContext(ctx), func(tx *gorm.DB) error {
		from, mine, err := q.begin(tx)
		if err != nil || !mine {
			return err
		}
		var p page
		for { // skip pages whose events other instances have handled
			if p, err = readPage(tx, from, max); err != nil {
				return err
			}
			if len(p.batch) > 0 || !p.full {
				break
			}
			from = p.passed(from)
		}
		if len(p.batch) == 0 {
			q.remember(p.passed(from))
			return nil
		}
		sent, more = len(p.batch), p.full
		if err := publishAndMark(tx, p.batch, publish); err != nil {
			q.remember(p.failed(from, max))
			return err
		}
		q.remember(p.passed(from))
		return nil
	}, options)
	if err != nil {
		return 0, false, fmt.Errorf("claim unsent events: %w", err)
	}
	return sent, more, nil
}

// begin acquires the lock if it is free. It returns the mark to read from and, in next, one
// with the current snapshot.
func (q *postgresQueue) begin(tx *gorm.DB) (from reading, mine bool, err error) {
	var now mark
	err = tx.Raw("SELECT pg_try_advisory_xact_lock("+lockKey+"), pg_postmaster_start_time()::text, pg_current_snapshot()::text, "+byIndex).
		Row().Scan(&mine, &now.server, &now.snapshot, new(string))
	if err != nil || !mine {
		return reading{}, false, err
	}
	known := q.recall()
	if known.snapshot == "" || known.server != now.server {
		if known, err = findFloor(tx, now); err != nil {
			return reading{}, false, err
		}
	}
	now.floor = known.floor
	return reading{by: known, next: now}, true, nil
}

// findFloor finds the first due row of the whole table. id + 0 keeps the planner from
// scanning the index of IDs, past everything that was sent.
func findFloor(tx *gorm.DB, now mark) (mark, error) {
	err := tx.Raw("SELECT COALESCE((SELECT MIN(id + 0) - 1 FROM outbox WHERE due IS NOT NULL), (SELECT MAX(id) FROM outbox), 0)").
		Row().Scan(&now.floor)
	return now, err
}

func (q *postgresQueue) recall() mark {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mark
}

func (q *postgresQueue) remember(r reading) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mark = r.next
}

// reading has the mark by which a page is read, and the one that replaces it.
type reading struct{ by, next mark }

// page is the result of one query.
type page struct {
	batch []due
	late  int   // events of the batch that are below the floor
	last  int64 // ID of the last row; 0 if there is none
	full  bool  // more rows may follow
}

// passed returns the reading for the rows after the page, which was handled.
func (p page) passed(r reading) reading {
	if p.full || p.last > r.next.floor {
		r.next.floor = p.last
	}
	r.by.floor = r.next.floor
	return r
}

// failed returns the reading for the same page, none of which was handled. If the page has
// few late rows, it keeps the old mark, which finds them again and avoids reading everything
// behind them.
func (p page) failed(r reading, max int) reading {
	if p.late > 0 && p.late < max {
		r.next = r.by
		return r
	}
	r.next.floor = p.batch[0].id - 1
	return r
}

// columns lists the columns of a page.
const columns = "id, due IS NOT NULL AS is_due, sent_at IS NOT NULL AS sent, id <= @floor AS late, event_id, type, routing_key, body"

// becameDue returns a query for the rows below the floor that became due after the
// snapshot. Each half has one condition, so that the planner uses the index of due whatever
// its statistics; id + 0 keeps it from using the index of IDs.
func becameDue(columns string) string {
	return "SELECT " + columns + " FROM outbox WHERE due >= pg_snapshot_xmax(CAST(@snapshot AS pg_snapshot)) AND id + 0 <= @floor" +
		" UNION ALL SELECT " + columns + " FROM outbox WHERE due = ANY(ARRAY(SELECT pg_snapshot_xip(CAST(@snapshot AS pg_snapshot)))) AND id + 0 <= @floor"
}

// readDue returns the query for the rows below the floor that became due after the
// snapshot, and the rows above the floor whether due or not, in the order of IDs.
func readDue() string {
	return "WITH late AS (SELECT id, is_due, sent, late, event_id, type, routing_key, body FROM (" + becameDue(columns) + ") AS found ORDER BY id LIMIT @max)," +
		" next AS (SELECT " + columns + " FROM outbox WHERE id > @floor ORDER BY id LIMIT @max)" +
		" SELECT id, is_due, sent, late, event_id, type, routing_key, CASE WHEN is_due THEN body ELSE '' END" +
		" FROM (TABLE late UNION ALL TABLE next) AS found ORDER BY id LIMIT @max"
}

// byIndex makes the transaction read by index, without JIT and parallel workers. The
// planner's statistics of a table that changes so fast are often far from the truth.
const byIndex = "set_config('enable_seqscan', 'off', true) || set_config('jit', 'off', true) || set_config('max_parallel_workers_per_gather', '0', true)"

func readPage(tx *gorm.DB, r reading, max int) (p page, err error) {
	rows, err := tx.Raw(readDue(), sql.Named("snapshot", r.by.snapshot), sql.Named("floor", r.by.floor), sql.Named("max", max)).Rows()
	if err != nil {
		return p, fmt.Errorf("read unsent events: %w", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	n := 0
	for ; rows.Next(); n++ {
		var d due
		var isDue, late bool
		m := &d.message
		if err := rows.Scan(&d.id, &isDue, &d.sent, &late, &m.ID, &m.Type, &m.RoutingKey, &m.Body); err != nil {
			return p, fmt.Errorf("read unsent events: %w", err)
		}
		p.last = d.id
		if late {
			p.late++
		}
		if isDue {
			m.RoutingKey = events.FitRoutingKey(m.RoutingKey) // older versions wrote longer ones
			p.batch = append(p.batch, d)
		}
	}
	p.full = n == max
	if err := rows.Err(); err != nil {
		return p, fmt.Errorf("read unsent events: %w", err)
	}
	return p, nil
}

// markSent marks events as sent and gives each the next feed number, unless it has one from
// before a rebuild. The numbers come from the sequence of the IDs.
const markSent = `UPDATE outbox SET sent_at = COALESCE(outbox.sent_at, ?), due = NULL, feed_no = COALESCE(outbox.feed_no, given.no)
	FROM (SELECT id, nextval('outbox_id_seq') AS no FROM unnest(?::bigint[]) AS id) AS given WHERE outbox.id = given.id`

// publishAndMark writes the marks while the log confirms the events. If the log does not
// confirm them, the caller rolls the marks back.
func publishAndMark(tx *gorm.DB, batch []due, publish func([]due) error) error {
	published := make(chan error, 1)
	go func() { published <- publish(batch) }()
	err := tx.Exec(markSent, time.Now().UTC(), idsOf(batch)).Error
	return errors.Join(<-published, err)
}

// depth reads from the same mark as claim, so that it is as cheap.
func (q *postgresQueue) depth(ctx context.Context, limit int) (w Waiting, err error) {
	m := q.recall()
	if m.snapshot == "" {
		return depthOf(ctx, q.db, limit)
	}
	const columns = "id, due, sent_at, created_at"
	query := "SELECT COUNT(*), COALESCE(MIN(id), 0), MIN(created_at) FROM (" +
		"(SELECT " + columns + " FROM outbox WHERE id > @floor ORDER BY id LIMIT @limit) UNION ALL " + becameDue(columns) +
		") AS waiting WHERE due IS NOT NULL AND sent_at IS NULL"
	var oldest sql.NullTime
	err = dbtx.Once(q.db.WithContext(ctx), func(tx *gorm.DB) error {
		if err := tx.Exec("SELECT " + byIndex).Error; err != nil {
			return err
		}
		return tx.Raw(query, sql.Named("snapshot", m.snapshot), sql.Named("floor", m.floor), sql.Named("limit", limit)).
			Row().Scan(&w.Unsent, &w.OldestID, &oldest)
	})
	if err != nil {
		return Waiting{}, fmt.Errorf("measure outbox: %w", err)
	}
	w.Oldest = oldest.Time
	return w, nil
}

// idList passes IDs as one PostgreSQL array; gorm would pass a slice as one parameter per
// element.
type idList []int64

// Value implements driver.Valuer.
func (l idList) Value() (driver.Value, error) {
	list := []byte{'{'}
	for i, id := range l {
		if i > 0 {
			list = append(list, ',')
		}
		list = strconv.AppendInt(list, id, 10)
	}
	return string(append(list, '}')), nil
}
