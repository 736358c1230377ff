-- +goose Up
-- Who works on the request: one that stalled past its claim must not keep, renew or
-- give back the claim of the one that took over.
ALTER TABLE answers ADD COLUMN owner text NOT NULL DEFAULT '';
