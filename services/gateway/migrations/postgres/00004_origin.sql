-- +goose Up
-- Which notes these are, and since when. Numbers begin anew where the notes were
-- lost; a number of others is told by its epoch. What happened before they began is
-- noted, for traces and charts, but is news to nobody.
CREATE TABLE activity_origin (
    one   integer NOT NULL PRIMARY KEY,
    epoch text NOT NULL,
    born  timestamptz NOT NULL,
    CONSTRAINT activity_origin_one CHECK (one = 1)
);
INSERT INTO activity_origin (one, epoch, born) VALUES (1, lpad(to_hex(floor(random() * 4294967296)::bigint), 8, '0'), date_trunc('second', now()));
