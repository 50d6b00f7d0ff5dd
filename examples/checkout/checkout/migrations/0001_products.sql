CREATE TABLE products (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    price_cents INTEGER NOT NULL CHECK (price_cents > 0)
);
INSERT INTO products (name, price_cents) VALUES
    ('coffee, 250 g', 890),
    ('tea, 100 g', 650),
    ('mug', 1250);
