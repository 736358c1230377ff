-- +goose Up
-- What sales says of its orders, under their IDs. day is the UTC day on which an
-- order was placed, as text, so that both databases group by it alike.
CREATE TABLE orders (
    id          text        NOT NULL PRIMARY KEY,
    status      text        NOT NULL,
    currency    text        NOT NULL,
    total_minor integer     NOT NULL,
    units       integer     NOT NULL,
    day         text        NOT NULL,
    placed_at   datetime NOT NULL,
    version     integer     NOT NULL,
    CONSTRAINT orders_version CHECK (version > 0)
);
CREATE INDEX orders_by_day ON orders (day);

CREATE TABLE order_lines (
    order_id    text   NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    sku         text   NOT NULL,
    title       text   NOT NULL,
    units       integer NOT NULL,
    total_minor integer NOT NULL,
    PRIMARY KEY (order_id, sku)
);
