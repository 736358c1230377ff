-- +goose Up
CREATE TABLE orders (
    id          text        NOT NULL PRIMARY KEY,
    external_id text        UNIQUE,
    customer    text        NOT NULL,
    status      text        NOT NULL,
    currency    text        NOT NULL,
    total_minor integer     NOT NULL,
    version     integer     NOT NULL,
    placed_at   datetime NOT NULL,
    updated_at  datetime NOT NULL,
    CONSTRAINT orders_status CHECK (status IN ('placed', 'confirmed', 'rejected', 'cancelled', 'shipped')),
    CONSTRAINT orders_total CHECK (total_minor >= 0)
);
CREATE INDEX orders_by_customer ON orders (customer, id);
CREATE INDEX orders_by_status ON orders (status, id);

CREATE TABLE order_lines (
    order_id    text    NOT NULL REFERENCES orders (id),
    n           integer NOT NULL,
    sku         text    NOT NULL,
    title       text    NOT NULL,
    quantity    integer NOT NULL,
    price_minor integer NOT NULL,
    short       integer NOT NULL DEFAULT 0,
    PRIMARY KEY (order_id, n),
    CONSTRAINT order_lines_quantity CHECK (quantity > 0),
    CONSTRAINT order_lines_price CHECK (price_minor >= 0),
    CONSTRAINT order_lines_short CHECK (short >= 0)
);

-- Copies of catalog's products.
CREATE TABLE prices (
    sku         text        NOT NULL PRIMARY KEY,
    title       text        NOT NULL,
    price_minor integer     NOT NULL,
    currency    text        NOT NULL,
    version     integer     NOT NULL,
    withdrawn   boolean     NOT NULL DEFAULT false,
    updated_at  datetime NOT NULL
);
