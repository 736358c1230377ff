-- +goose Up
-- A periodic task of the service: its plan, the instance that runs it, and how its last run
-- ended. token rises with each run and refuses the writes of an earlier one. beat rises with
-- each write to the row: by it, instances see that the one that runs the task is alive.
CREATE TABLE tasks (
    name         text        NOT NULL PRIMARY KEY,
    schedule     text        NOT NULL,
    next_at      datetime NOT NULL,
    requested_at datetime,
    token        integer      NOT NULL DEFAULT 0,
    beat         integer      NOT NULL DEFAULT 0,
    owner        text        NOT NULL DEFAULT '',
    expires_at   datetime,
    started_at   datetime,
    slot         datetime,
    last_at      datetime,
    succeeded_at datetime,
    duration_ms  integer      NOT NULL DEFAULT 0,
    outcome      text        NOT NULL DEFAULT '',
    error        text        NOT NULL DEFAULT '',
    runs         integer      NOT NULL DEFAULT 0,
    failures     integer      NOT NULL DEFAULT 0,
    CONSTRAINT tasks_outcome CHECK (outcome IN ('', 'succeeded', 'failed', 'timed_out', 'lost'))
);
