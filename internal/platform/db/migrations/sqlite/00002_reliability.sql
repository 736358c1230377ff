-- +goose Up
-- The highest offset that ever took effect: what lies at or before it is being
-- replayed when it comes again.
ALTER TABLE positions ADD COLUMN seen_offset integer NOT NULL DEFAULT -1;
UPDATE positions SET seen_offset = last_offset;

-- Events that could not be handled, set aside in the transaction that moves the
-- position past them. Rows stay after they were retried or discarded.
CREATE TABLE dead_letters (
    id         integer  NOT NULL PRIMARY KEY AUTOINCREMENT,
    subscriber text        NOT NULL,
    stream     text        NOT NULL,
    position   integer     NOT NULL,
    event_id   text        NOT NULL,
    type       text        NOT NULL,
    subject    text        NOT NULL,
    body       blob        NOT NULL,
    error      text        NOT NULL,
    cause      text        NOT NULL,
    attempts   integer     NOT NULL,
    first_at   datetime NOT NULL,
    last_at    datetime NOT NULL,
    state      text        NOT NULL,
    reason     text        NOT NULL,
    closed_at  datetime,
    CONSTRAINT dead_letters_state CHECK (state IN ('open', 'retried', 'discarded'))
);
CREATE INDEX dead_letters_by_state ON dead_letters (state, id);

-- Who reads, of several instances of the service.
CREATE TABLE leases (
    name       text        NOT NULL PRIMARY KEY,
    holder     text        NOT NULL,
    expires_at datetime NOT NULL
);
