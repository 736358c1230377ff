-- +goose Up
-- What the latest run that ended has found, such as the numbers of rows compared.
ALTER TABLE tasks ADD COLUMN found text NOT NULL DEFAULT '';
