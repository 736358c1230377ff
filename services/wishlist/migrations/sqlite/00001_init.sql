-- +goose Up
CREATE TABLE items (
    customer    text        NOT NULL,
    sku         text        NOT NULL,
    wished_at   datetime NOT NULL,
    notified_at datetime,
    removed     boolean     NOT NULL DEFAULT false,
    version     integer     NOT NULL,
    PRIMARY KEY (customer, sku),
    CONSTRAINT items_version CHECK (version > 0)
);
CREATE INDEX items_by_sku ON items (sku);

-- What inventory can promise, as far as wishlist has been told.
CREATE TABLE stock (
    sku        text        NOT NULL PRIMARY KEY,
    quantity   integer     NOT NULL,
    version    integer     NOT NULL,
    updated_at datetime NOT NULL,
    CONSTRAINT stock_quantity CHECK (quantity >= 0),
    CONSTRAINT stock_version CHECK (version >= 0)
);
