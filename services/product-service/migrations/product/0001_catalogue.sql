-- What is sold.

-- Names that are not quite what somebody has typed.
create extension if not exists pg_trgm schema product;

-- A tree. It is small enough to be walked, so that a move changes one row.
create table product.categories (
    id uuid primary key,
    parent_id uuid references product.categories (id),
    slug text not null unique,
    name text not null,
    position int not null default 0,
    version int not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create index categories_by_parent on product.categories (parent_id);

create table product.products (
    -- Of version 7: in the order of creation.
    id uuid primary key,
    -- Free again once its product has been deleted.
    slug text not null,
    name text not null,
    description text not null default '',
    status text not null default 'draft' check (status in ('draft', 'active', 'archived')),
    attributes jsonb not null default '{}',
    images jsonb not null default '[]',
    -- Goes up with whatever is changed of the product, its variants, prices and categories.
    version int not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz,
    search tsvector not null generated always as (
        setweight(to_tsvector('english', name), 'A') || setweight(to_tsvector('english', description), 'C')
    ) stored
);

create unique index products_by_slug on product.products (slug) where deleted_at is null;
create index products_by_name on product.products (name, id) where deleted_at is null;
create index products_by_words on product.products using gin (search);
create index products_by_likeness on product.products using gin (name product.gin_trgm_ops);
create index products_by_attribute on product.products using gin (attributes jsonb_path_ops);

create table product.product_categories (
    product_id uuid not null references product.products (id),
    category_id uuid not null references product.categories (id),
    primary key (product_id, category_id)
);

create index product_categories_by_category on product.product_categories (category_id);

create table product.variants (
    -- Never used again for something else: orders name it. Its order is that of bytes, as in the program: locks are taken in it.
    sku text collate "C" primary key,
    product_id uuid not null references product.products (id),
    name text not null,
    attributes jsonb not null default '{}',
    position int not null default 0,
    -- Stock of at most this much is low.
    low_at bigint not null default 0 check (low_at >= 0),
    created_at timestamptz not null default now(),
    deleted_at timestamptz
);

create index variants_by_product on product.variants (product_id, position, sku);

create table product.prices (
    sku text collate "C" not null references product.variants (sku),
    -- ISO 4217.
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    minor bigint not null check (minor >= 0),
    primary key (sku, currency)
);
