-- +goose Up
CREATE TABLE skus (
    code       text        NOT NULL PRIMARY KEY,
    received   integer      NOT NULL DEFAULT 0,
    adjusted   integer      NOT NULL DEFAULT 0,
    shipped    integer      NOT NULL DEFAULT 0,
    on_hand    integer      NOT NULL DEFAULT 0,
    reserved   integer      NOT NULL DEFAULT 0,
    version    integer      NOT NULL,
    updated_at datetime NOT NULL,
    CONSTRAINT skus_adds_up CHECK (on_hand = received + adjusted - shipped),
    CONSTRAINT skus_never_oversold CHECK (on_hand >= reserved AND reserved >= 0)
);

CREATE TABLE movements (
    kind        text        NOT NULL,
    external_id text        NOT NULL,
    sku         text        NOT NULL REFERENCES skus (code),
    quantity    integer      NOT NULL,
    reason      text        NOT NULL DEFAULT '',
    moved_at    datetime NOT NULL,
    PRIMARY KEY (kind, external_id),
    CONSTRAINT movements_kind CHECK (kind IN ('receipt', 'adjustment'))
);

CREATE TABLE allocations (
    order_id      text        NOT NULL PRIMARY KEY,
    order_version integer      NOT NULL,
    status        text        NOT NULL,
    version       integer      NOT NULL,
    updated_at    datetime NOT NULL,
    CONSTRAINT allocations_status CHECK (status IN ('allocated', 'rejected', 'released', 'shipped'))
);

CREATE TABLE allocation_lines (
    order_id text   NOT NULL REFERENCES allocations (order_id),
    sku      text   NOT NULL,
    quantity integer NOT NULL,
    short    integer NOT NULL DEFAULT 0,
    PRIMARY KEY (order_id, sku),
    CONSTRAINT allocation_lines_quantity CHECK (quantity > 0)
);

CREATE TABLE imports (
    id          text        NOT NULL PRIMARY KEY,
    status      text        NOT NULL,
    total       integer      NOT NULL DEFAULT 0,
    processed   integer      NOT NULL DEFAULT 0,
    rejected    integer      NOT NULL DEFAULT 0,
    created_at  datetime NOT NULL,
    finished_at datetime,
    CONSTRAINT imports_status CHECK (status IN ('uploading', 'pending', 'running', 'done'))
);

CREATE TABLE import_chunks (
    import_id text   NOT NULL REFERENCES imports (id),
    n         integer NOT NULL,
    data      blob   NOT NULL,
    PRIMARY KEY (import_id, n)
);

CREATE TABLE import_errors (
    import_id text   NOT NULL REFERENCES imports (id),
    line      integer NOT NULL,
    detail    text   NOT NULL,
    PRIMARY KEY (import_id, line)
);
