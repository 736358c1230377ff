-- +goose Up
-- due marks an event that waits for the relay; NULL once the relay has handled it.
ALTER TABLE outbox ADD COLUMN due integer DEFAULT 1;
-- feed_no is the event's place in /feed. The relay gives it, so numbers rise in the
-- order of commits.
ALTER TABLE outbox ADD COLUMN feed_no integer;
-- An event that the log refuses for its own sake waits here for an operator.
ALTER TABLE outbox ADD COLUMN refused_at datetime;
ALTER TABLE outbox ADD COLUMN refusal text;
ALTER TABLE outbox ADD COLUMN discarded_at datetime;
ALTER TABLE outbox ADD COLUMN discard_reason text;

-- Cursors of /feed were IDs: what was sent keeps its ID as its number. New numbers come
-- from the sequence of the IDs, so they are above every cursor that was ever given out.
UPDATE outbox SET due = NULL, feed_no = id WHERE sent_at IS NOT NULL;

DROP INDEX outbox_unsent;
CREATE INDEX outbox_due ON outbox (id) WHERE due IS NOT NULL;
CREATE UNIQUE INDEX outbox_by_feed_no ON outbox (feed_no) WHERE feed_no IS NOT NULL;
CREATE INDEX outbox_refused ON outbox (id) WHERE refused_at IS NOT NULL;
