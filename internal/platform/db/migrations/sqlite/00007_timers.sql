-- +goose Up
-- What a service does if something has not happened by a time: set in the transaction that
-- needs it, deleted in the one that does not, or in the one that fires it. Rows with
-- attempts are those whose handler failed; they are tried again at retry_at.
CREATE TABLE timers (
    kind           text        NOT NULL,
    subject        text        NOT NULL,
    version        integer     NOT NULL,
    due_at         datetime    NOT NULL,
    correlation_id text        NOT NULL,
    causation_id   text        NOT NULL,
    trace_parent   text        NOT NULL,
    attempts       integer     NOT NULL DEFAULT 0,
    retry_at       datetime,
    error          text        NOT NULL DEFAULT '',
    PRIMARY KEY (kind, subject)
);
CREATE INDEX timers_due ON timers (kind, due_at);
CREATE INDEX timers_failing ON timers (kind) WHERE attempts > 0;
