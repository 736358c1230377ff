-- +goose Up
CREATE TABLE skus (
    code       text        NOT NULL PRIMARY KEY,
    received   bigint      NOT NULL DEFAULT 0,
    adjusted   bigint      NOT NULL DEFAULT 0,
    shipped    bigint      NOT NULL DEFAULT 0,
    on_hand    bigint      NOT NULL DEFAULT 0,
    reserved   bigint      NOT NULL DEFAULT 0,
    version    bigint      NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT skus_adds_up CHECK (on_hand = received + adjusted - shipped),
    CONSTRAINT skus_never_oversold CHECK (on_hand >= reserved AND reserved >= 0)
);

CREATE TABLE movements (
    kind        text        NOT NULL,
    external_id text        NOT NULL,
    sku         text        NOT NULL REFERENCES skus (code),
    quantity    bigint      NOT NULL,
    reason      text        NOT NULL DEFAULT '',
    moved_at    timestamptz NOT NULL,
    PRIMARY KEY (kind, external_id),
    CONSTRAINT movements_kind CHECK (kind IN ('receipt', 'adjustment'))
);

CREATE TABLE allocations (
    order_id      text        NOT NULL PRIMARY KEY,
    order_version bigint      NOT NULL,
    status        text        NOT NULL,
    version       bigint      NOT NULL,
    updated_at    timestamptz NOT NULL,
    CONSTRAINT allocations_status CHECK (status IN ('allocated', 'rejected', 'released', 'shipped'))
);

CREATE TABLE allocation_lines (
    order_id text   NOT NULL REFERENCES allocations (order_id),
    sku      text   NOT NULL,
    quantity bigint NOT NULL,
    short    bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (order_id, sku),
    CONSTRAINT allocation_lines_quantity CHECK (quantity > 0)
);

CREATE TABLE imports (
    id          text        NOT NULL PRIMARY KEY,
    status      text        NOT NULL,
    total       bigint      NOT NULL DEFAULT 0,
    processed   bigint      NOT NULL DEFAULT 0,
    rejected    bigint      NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL,
    finished_at timestamptz,
    CONSTRAINT imports_status CHECK (status IN ('uploading', 'pending', 'running', 'done'))
);

CREATE TABLE import_chunks (
    import_id text   NOT NULL REFERENCES imports (id),
    n         bigint NOT NULL,
    data      bytea  NOT NULL,
    PRIMARY KEY (import_id, n)
);

CREATE TABLE import_errors (
    import_id text   NOT NULL REFERENCES imports (id),
    line      bigint NOT NULL,
    detail    text   NOT NULL,
    PRIMARY KEY (import_id, line)
);
