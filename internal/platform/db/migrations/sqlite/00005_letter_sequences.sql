-- +goose Up
-- A letter is unclosed while closed_at is NULL: parked (retried by itself), acting (its
-- effect is in progress), behind (waits for an earlier letter of its subject) or open (waits
-- for a person). version is that of the event; 0 if it is unknown. next_at is the time of
-- the next attempt, or the end of the claim of an acting letter.
CREATE TABLE letters (
    id         integer  NOT NULL PRIMARY KEY AUTOINCREMENT,
    subscriber text     NOT NULL,
    stream     text     NOT NULL,
    position   integer  NOT NULL,
    event_id   text     NOT NULL,
    type       text     NOT NULL,
    subject    text     NOT NULL,
    body       blob     NOT NULL,
    error      text     NOT NULL,
    cause      text     NOT NULL,
    attempts   integer  NOT NULL,
    first_at   datetime NOT NULL,
    last_at    datetime NOT NULL,
    state      text     NOT NULL,
    reason     text     NOT NULL,
    closed_at  datetime,
    version    integer  NOT NULL DEFAULT 0,
    next_at    datetime,
    CONSTRAINT dead_letters_state CHECK (state IN ('parked', 'acting', 'behind', 'open', 'retried', 'discarded', 'overtaken'))
);
INSERT INTO letters
SELECT id, subscriber, stream, position, event_id, type, subject, body, error, cause, attempts, first_at, last_at, state, reason, closed_at,
    CASE WHEN closed_at IS NULL AND type <> '' AND json_valid(CAST(body AS text))
        THEN COALESCE(CAST(json_extract(CAST(body AS text), '$.version') AS integer), 0) ELSE 0 END,
    NULL
FROM dead_letters;
DROP TABLE dead_letters;
ALTER TABLE letters RENAME TO dead_letters;
CREATE INDEX dead_letters_by_state ON dead_letters (state, id);
CREATE UNIQUE INDEX dead_letters_once ON dead_letters (subscriber, stream, event_id) WHERE closed_at IS NULL AND event_id <> '';
CREATE INDEX dead_letters_by_subject ON dead_letters (subscriber, stream, subject, id) WHERE closed_at IS NULL;
CREATE INDEX dead_letters_due ON dead_letters (next_at) WHERE closed_at IS NULL AND next_at IS NOT NULL;
CREATE INDEX dead_letters_closed ON dead_letters (closed_at) WHERE closed_at IS NOT NULL;

-- recent has the IDs of the last events that took effect, a JSON array. resume is the mark up
-- to which a consumer of effects skips events of a new history, a JSON object; empty for none.
ALTER TABLE positions ADD COLUMN recent text NOT NULL DEFAULT '[]';
ALTER TABLE positions ADD COLUMN resume text NOT NULL DEFAULT '';
