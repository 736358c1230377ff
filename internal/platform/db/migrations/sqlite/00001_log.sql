-- +goose Up
-- What the service says: written with the change it tells of, sent by the relay.
CREATE TABLE outbox (
    id          integer  NOT NULL PRIMARY KEY AUTOINCREMENT,
    event_id    text        NOT NULL,
    type        text        NOT NULL,
    subject     text        NOT NULL,
    routing_key text        NOT NULL,
    body        text        NOT NULL,
    created_at  datetime NOT NULL,
    sent_at     datetime
);
CREATE INDEX outbox_unsent ON outbox (id) WHERE sent_at IS NULL;

-- How far the service has read the others: moved in the transaction of the effect.
CREATE TABLE positions (
    subscriber  text        NOT NULL,
    stream      text        NOT NULL,
    last_offset integer     NOT NULL,
    last_id     text        NOT NULL,
    updated_at  datetime NOT NULL,
    PRIMARY KEY (subscriber, stream)
);

-- Answers that were given, kept with what they did, for the same request again.
CREATE TABLE idempotency_keys (
    scope       text        NOT NULL,
    key         text        NOT NULL,
    fingerprint text        NOT NULL,
    answer      text        NOT NULL,
    created_at  datetime NOT NULL,
    PRIMARY KEY (scope, key)
);
