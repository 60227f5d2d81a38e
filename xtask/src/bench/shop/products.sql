-- A catalogue of 10,000 products with two variants each, in ten categories. Of everything there is more than anybody orders.
insert into product.categories (id, slug, name, position, created_at, updated_at)
select ('01900000-0000-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid, 'category-' || n, 'Category ' || n, n,
    '2026-01-01Z', '2026-01-01Z'
from generate_series(1, 10) n;

insert into product.products (id, slug, name, description, status, attributes, images, created_at, updated_at)
select ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'product-' || n,
    initcap(adjectives[1 + n % 40] || ' ' || nouns[1 + n / 40 % 25]) || ' ' || n,
    'Made of ' || adjectives[1 + n * 7 % 40] || ' parts, and packed so that it arrives in one piece. Keeps for years when it is '
        || 'cleaned now and then. Number ' || n || ' of its series.',
    'active', jsonb_build_object('material', adjectives[1 + n * 3 % 40], 'origin', 'here'),
    jsonb_build_array(jsonb_build_object('url', 'https://images.shop.example/' || n || '.webp', 'alt', 'It, from the front')),
    '2026-01-01Z', '2026-01-01Z'
from generate_series(1, 10000) n, (select
    array['red', 'blue', 'green', 'black', 'white', 'small', 'large', 'heavy', 'light', 'wooden', 'steel', 'glass', 'woollen',
        'paper', 'copper', 'round', 'square', 'folding', 'quiet', 'bright', 'striped', 'plain', 'warm', 'cold', 'narrow', 'wide',
        'long', 'short', 'soft', 'hard', 'silver', 'golden', 'ceramic', 'leather', 'cotton', 'linen', 'marble', 'rubber', 'cork',
        'bamboo'] as adjectives,
    array['lamp', 'chair', 'table', 'mug', 'kettle', 'knife', 'blanket', 'shelf', 'clock', 'basket', 'bottle', 'brush', 'tray',
        'stool', 'mirror', 'vase', 'bowl', 'plate', 'spoon', 'towel', 'candle', 'frame', 'cushion', 'rug', 'bench'] as nouns) words;

insert into product.product_categories (product_id, category_id)
select ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
    ('01900000-0000-7000-9000-' || lpad(to_hex(1 + n % 10), 12, '0'))::uuid
from generate_series(1, 10000) n;

insert into product.variants (sku, product_id, name, attributes, position, low_at, created_at)
select 'P' || n || '-' || v, ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'size ' || v,
    jsonb_build_object('size', v::text), v, 5, '2026-01-01Z'
from generate_series(1, 10000) n, generate_series(1, 2) v;

insert into product.prices (sku, currency, minor)
select sku, currency, 500 + length(sku) * 100 + position * 10
from product.variants, unnest(array['EUR', 'USD']) currency;

insert into product.stock (sku, on_hand) select sku, 1000000000 from product.variants;

insert into product.stock_levels (sku, level) select sku, 'ok' from product.variants;

vacuum analyze;
