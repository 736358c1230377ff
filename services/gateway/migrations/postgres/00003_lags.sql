-- +goose Up
-- How far behind each reader was at most, by minute: for a chart that outlives the
-- instance that looked.
CREATE TABLE lags (
    at         timestamptz NOT NULL, -- when the minute began
    subscriber text NOT NULL,
    stream     text NOT NULL,
    lag        bigint NOT NULL, -- in offsets
    PRIMARY KEY (at, subscriber, stream)
);
