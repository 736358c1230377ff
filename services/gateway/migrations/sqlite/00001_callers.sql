-- +goose Up
-- API keys: what is needed to know one again, and nothing that would let somebody
-- use it. roles is names, separated by commas.
CREATE TABLE api_keys (
    id           text        NOT NULL PRIMARY KEY,
    name         text        NOT NULL,
    hash         text        NOT NULL,
    roles        text        NOT NULL,
    subject      text        NOT NULL DEFAULT '',
    created_at   datetime    NOT NULL,
    expires_at   datetime,
    revoked_at   datetime,
    last_used_at datetime
);

-- What the development sign-in signs with, so that whoever is signed in stays so
-- when the shop is started again.
CREATE TABLE secrets (
    name  text NOT NULL PRIMARY KEY,
    value text NOT NULL
);

-- Answers under the Idempotency-Keys that they were asked with. status 0: the first
-- request is still being worked on, until locked_until.
CREATE TABLE answers (
    scope        text        NOT NULL PRIMARY KEY,
    request      text        NOT NULL,
    status       integer     NOT NULL,
    header       text        NOT NULL,
    body         blob,
    locked_until datetime    NOT NULL,
    created_at   datetime    NOT NULL
);
CREATE INDEX answers_by_age ON answers (created_at);

-- Audits that staff asked for: report is what was found, as JSON.
CREATE TABLE audits (
    id          text        NOT NULL PRIMARY KEY,
    status      text        NOT NULL,
    asked_by    text        NOT NULL,
    started_at  datetime    NOT NULL,
    finished_at datetime,
    report      text        NOT NULL DEFAULT ''
);
