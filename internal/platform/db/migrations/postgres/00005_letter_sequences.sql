-- +goose Up
-- A letter is unclosed while closed_at is NULL: parked (retried by itself), acting (its
-- effect is in progress), behind (waits for an earlier letter of its subject) or open (waits
-- for a person). version is that of the event; 0 if it is unknown.
ALTER TABLE dead_letters ADD COLUMN version bigint NOT NULL DEFAULT 0;
-- next_at is the time of the next attempt, or the end of the claim of an acting letter.
ALTER TABLE dead_letters ADD COLUMN next_at timestamptz;
UPDATE dead_letters SET version = COALESCE(substring(encode(body, 'escape') from '"version": *([0-9]{1,18})')::bigint, 0)
WHERE closed_at IS NULL AND type <> '';
-- Subjects that are too long for an index are cut as deadletter.Key cuts them. Earlier versions
-- stored them whole.
UPDATE dead_letters SET subject = left(subject, CASE WHEN octet_length(subject) = length(subject) THEN 483 ELSE 120 END)
    || '#' || encode(substring(sha256(convert_to(subject, 'UTF8')) from 1 for 8), 'hex')
WHERE closed_at IS NULL AND octet_length(subject) > 500;

ALTER TABLE dead_letters DROP CONSTRAINT dead_letters_state;
ALTER TABLE dead_letters ADD CONSTRAINT dead_letters_state
    CHECK (state IN ('parked', 'acting', 'behind', 'open', 'retried', 'discarded', 'overtaken'));
DROP INDEX dead_letters_once;
CREATE UNIQUE INDEX dead_letters_once ON dead_letters (subscriber, stream, event_id) WHERE closed_at IS NULL AND event_id <> '';
CREATE INDEX dead_letters_by_subject ON dead_letters (subscriber, stream, subject, id) WHERE closed_at IS NULL;
CREATE INDEX dead_letters_due ON dead_letters (next_at) WHERE closed_at IS NULL AND next_at IS NOT NULL;
CREATE INDEX dead_letters_closed ON dead_letters (closed_at) WHERE closed_at IS NOT NULL;

-- recent has the IDs of the last events that took effect, a JSON array. resume is the mark up
-- to which a consumer of effects skips events of a new history, a JSON object; empty for none.
ALTER TABLE positions ADD COLUMN recent text NOT NULL DEFAULT '[]';
ALTER TABLE positions ADD COLUMN resume text NOT NULL DEFAULT '';
