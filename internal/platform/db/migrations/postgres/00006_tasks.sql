-- +goose Up
-- A periodic task of the service: its plan, the instance that runs it, and how its last run
-- ended. token rises with each run and refuses the writes of an earlier one. beat rises with
-- each write to the row: by it, instances see that the one that runs the task is alive.
CREATE TABLE tasks (
    name         text        NOT NULL PRIMARY KEY,
    schedule     text        NOT NULL,
    next_at      timestamptz NOT NULL,
    requested_at timestamptz,
    token        bigint      NOT NULL DEFAULT 0,
    beat         bigint      NOT NULL DEFAULT 0,
    owner        text        NOT NULL DEFAULT '',
    expires_at   timestamptz,
    started_at   timestamptz,
    slot         timestamptz,
    last_at      timestamptz,
    succeeded_at timestamptz,
    duration_ms  bigint      NOT NULL DEFAULT 0,
    outcome      text        NOT NULL DEFAULT '',
    error        text        NOT NULL DEFAULT '',
    runs         bigint      NOT NULL DEFAULT 0,
    failures     bigint      NOT NULL DEFAULT 0,
    CONSTRAINT tasks_outcome CHECK (outcome IN ('', 'succeeded', 'failed', 'timed_out', 'lost'))
);
