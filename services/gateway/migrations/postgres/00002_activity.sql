-- +goose Up
-- The gateway's notes: every event of every stream, once, in the order in which it
-- was noted. seq has no gaps and rises in the order of the commits.
CREATE TABLE activity (
    seq         bigint      NOT NULL PRIMARY KEY,
    stream      text        NOT NULL,
    event_id    text        NOT NULL UNIQUE,
    type        text        NOT NULL,
    subject     text        NOT NULL,
    version     bigint      NOT NULL,
    customer    text, -- whose order or wish it is
    correlation text        NOT NULL,
    causation   text        NOT NULL,
    time        timestamptz NOT NULL, -- when it happened
    seen_at     timestamptz NOT NULL  -- when it was noted
);
CREATE INDEX activity_by_subject ON activity (subject, seq);
CREATE INDEX activity_by_correlation ON activity (correlation, seq);
CREATE INDEX activity_of_orders ON activity (time, type) WHERE stream = 'sales';

-- The number given out last. Whoever notes something holds this row until the
-- commit, so that a number that can be read has none missing before it.
CREATE TABLE activity_head (
    one  integer NOT NULL PRIMARY KEY,
    last bigint  NOT NULL,
    CONSTRAINT activity_head_one CHECK (one = 1)
);
INSERT INTO activity_head (one, last) VALUES (1, 0);
