-- +goose Up
CREATE TABLE products (
    sku         text        NOT NULL PRIMARY KEY,
    title       text        NOT NULL,
    description text        NOT NULL,
    price_minor integer     NOT NULL,
    currency    text        NOT NULL,
    search      text        NOT NULL,
    withdrawn   boolean     NOT NULL DEFAULT false,
    version     integer     NOT NULL,
    created_at  datetime NOT NULL,
    updated_at  datetime NOT NULL,
    CONSTRAINT products_price CHECK (price_minor >= 0),
    CONSTRAINT products_version CHECK (version > 0)
);

-- What inventory can promise, as far as catalog has been told.
CREATE TABLE stock (
    sku        text        NOT NULL PRIMARY KEY,
    quantity   integer     NOT NULL,
    version    integer     NOT NULL,
    updated_at datetime NOT NULL,
    CONSTRAINT stock_quantity CHECK (quantity >= 0),
    CONSTRAINT stock_version CHECK (version >= 0)
);
