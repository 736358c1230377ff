-- +goose Up
-- due is the transaction that made the event wait for the relay, by its 64-bit number;
-- NULL once the relay has handled the event. With a snapshot it tells which events may
-- have become visible since an earlier look, however late their transaction commits.
ALTER TABLE outbox ADD COLUMN due xid8;
-- feed_no is the event's place in /feed. The relay gives it, so numbers rise in the
-- order of commits.
ALTER TABLE outbox ADD COLUMN feed_no bigint;
-- An event that the log refuses for its own sake waits here for an operator.
ALTER TABLE outbox ADD COLUMN refused_at timestamptz;
ALTER TABLE outbox ADD COLUMN refusal text;
ALTER TABLE outbox ADD COLUMN discarded_at timestamptz;
ALTER TABLE outbox ADD COLUMN discard_reason text;

-- Cursors of /feed were IDs: what was sent keeps its ID as its number. New numbers come
-- from the sequence of the IDs, so they are above every cursor that was ever given out.
UPDATE outbox SET
    due = CASE WHEN sent_at IS NULL THEN pg_current_xact_id() END,
    feed_no = CASE WHEN sent_at IS NOT NULL THEN id END;
ALTER TABLE outbox ALTER COLUMN due SET DEFAULT pg_current_xact_id();

DROP INDEX outbox_unsent;
CREATE INDEX outbox_due ON outbox (due) WHERE due IS NOT NULL;
CREATE UNIQUE INDEX outbox_by_feed_no ON outbox (feed_no) WHERE feed_no IS NOT NULL;
CREATE INDEX outbox_refused ON outbox (id) WHERE refused_at IS NOT NULL;
