-- How much there is, and for whom it is kept.

-- Of most SKUs there is one row. Of those that many want at once there are more, so that they do not all wait for one.
create table product.stock (
    sku text collate "C" not null references product.variants (sku),
    bucket smallint not null default 0,
    on_hand bigint not null default 0,
    reserved bigint not null default 0,
    primary key (sku, bucket),
    -- Should a program forget it, nothing is sold that is not there.
    constraint stock_is_there check (0 <= reserved and reserved <= on_hand)
) with (fillfactor = 50);

create table product.reservations (
    -- Chosen by whoever reserves.
    id uuid primary key,
    -- The service that reserved. For others it is not there.
    owner text not null,
    state text not null check (state in ('active', 'committed', 'released', 'expired')),
    expires_at timestamptz not null,
    created_at timestamptz not null default now(),
    settled_at timestamptz
);

create index reservations_by_end on product.reservations (expires_at) where state = 'active';

create table product.reservation_lines (
    reservation_id uuid not null references product.reservations (id),
    sku text collate "C" not null,
    -- Where it was taken from, and goes back to.
    bucket smallint not null,
    quantity bigint not null check (quantity > 0),
    primary key (reservation_id, sku, bucket),
    foreign key (sku, bucket) references product.stock (sku, bucket)
);

-- Why stock is what it is: the sum of all of a SKU is its stock.
create table product.stock_movements (
    id bigint generated always as identity primary key,
    sku text collate "C" not null,
    bucket smallint not null,
    kind text not null
        check (kind in ('adjusted', 'moved', 'reserved', 'committed', 'released', 'expired', 'returned')),
    on_hand_delta bigint not null,
    reserved_delta bigint not null,
    reservation_id uuid,
    reason text,
    actor text not null,
    at timestamptz not null default now()
);

create index stock_movements_by_sku on product.stock_movements (sku, id);

create function product.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'rows of %.% are only ever added', tg_table_schema, tg_table_name;
end $$;

create trigger stock_movements_stay before update or delete or truncate on product.stock_movements
    for each statement execute function product.refuse_change();

-- SKUs whose stock may have become low or empty, or is so no more. Not unique: nobody waits to write here.
create table product.stock_checks (
    id bigint generated always as identity primary key,
    sku text collate "C" not null
);

-- What was told of last.
create table product.stock_levels (
    sku text collate "C" primary key references product.variants (sku),
    level text not null check (level in ('ok', 'low', 'depleted'))
);
