-- +goose Up
CREATE TABLE products (
    sku         text        NOT NULL PRIMARY KEY,
    title       text        NOT NULL,
    description text        NOT NULL,
    price_minor bigint      NOT NULL,
    currency    text        NOT NULL,
    search      text        NOT NULL,
    withdrawn   boolean     NOT NULL DEFAULT false,
    version     bigint      NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    CONSTRAINT products_price CHECK (price_minor >= 0),
    CONSTRAINT products_version CHECK (version > 0)
);

-- What inventory can promise, as far as catalog has been told.
CREATE TABLE stock (
    sku        text        NOT NULL PRIMARY KEY,
    quantity   bigint      NOT NULL,
    version    bigint      NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT stock_quantity CHECK (quantity >= 0),
    CONSTRAINT stock_version CHECK (version >= 0)
);
