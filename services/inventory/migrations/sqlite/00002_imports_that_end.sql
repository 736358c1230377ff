-- +goose Up
-- SQLite cannot change a constraint: the table is made anew, and with it those that
-- refer to it.
CREATE TABLE imports_next (
    id          text        NOT NULL PRIMARY KEY,
    status      text        NOT NULL,
    total       integer      NOT NULL DEFAULT 0,
    processed   integer      NOT NULL DEFAULT 0,
    rejected    integer      NOT NULL DEFAULT 0,
    created_at  datetime NOT NULL,
    finished_at datetime,
    read_offset integer NOT NULL DEFAULT 0,
    read_line   integer NOT NULL DEFAULT 0,
    ignored     text    NOT NULL DEFAULT '',
    reason      text    NOT NULL DEFAULT '',
    moved_at    datetime,
    CONSTRAINT imports_status CHECK (status IN ('uploading', 'pending', 'running', 'done', 'failed', 'cancelled'))
);
INSERT INTO imports_next (id, status, total, processed, rejected, created_at, finished_at)
    SELECT id, status, total, processed, rejected, created_at, finished_at FROM imports;

CREATE TABLE import_chunks_next (
    import_id text   NOT NULL REFERENCES imports_next (id),
    n         integer NOT NULL,
    data      blob   NOT NULL,
    PRIMARY KEY (import_id, n)
);
INSERT INTO import_chunks_next (import_id, n, data) SELECT import_id, n, data FROM import_chunks;

CREATE TABLE import_errors_next (
    import_id text   NOT NULL REFERENCES imports_next (id),
    line      integer NOT NULL,
    detail    text   NOT NULL,
    PRIMARY KEY (import_id, line)
);
INSERT INTO import_errors_next (import_id, line, detail) SELECT import_id, line, detail FROM import_errors;

DROP TABLE import_errors;
DROP TABLE import_chunks;
DROP TABLE imports;
ALTER TABLE imports_next RENAME TO imports;
ALTER TABLE import_chunks_next RENAME TO import_chunks;
ALTER TABLE import_errors_next RENAME TO import_errors;
