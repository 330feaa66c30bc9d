CREATE TABLE orders (
    id          bigserial PRIMARY KEY,
    user_id     integer     NOT NULL,
    product_ids integer[]   NOT NULL,
    total_cents integer     NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
