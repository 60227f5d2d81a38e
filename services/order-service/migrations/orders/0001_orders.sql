-- Carts, orders and their payments. Money is in minor units.

create table orders.carts (
    id uuid primary key,
    user_id uuid not null,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    version bigint not null default 1,
    -- What became of it.
    order_id uuid,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create index carts_by_user on orders.carts (user_id);
create index carts_by_age on orders.carts (updated_at);

create table orders.cart_items (
    cart_id uuid not null references orders.carts (id) on delete cascade,
    sku text not null,
    quantity integer not null check (quantity between 1 and 999),
    primary key (cart_id, sku)
);

create table orders.orders (
    id uuid primary key,
    -- After somebody has been forgotten: a number that leads to nobody.
    user_id uuid not null,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    total_minor bigint not null check (total_minor > 0),
    refunded_minor bigint not null default 0 check (refunded_minor between 0 and total_minor),
    status text not null,
    -- Why it ended, when it did not end well.
    reason text,
    -- What became of the stock: none, reserved, committed or released.
    stock text not null default 'none',
    -- The payment that counts.
    payment_id uuid not null,
    is_cancel_wanted boolean not null default false,
    tracking text,
    ship_to jsonb,
    version bigint not null default 1,
    correlation_id text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

-- Ids are in the order of time (UUIDv7).
create index orders_by_user on orders.orders (user_id, id desc);

-- As they were when it was ordered.
create table orders.order_lines (
    order_id uuid not null references orders.orders (id),
    position integer not null,
    sku text not null,
    product_id text not null,
    name text not null,
    quantity integer not null check (quantity > 0),
    unit_minor bigint not null check (unit_minor >= 0),
    total_minor bigint not null check (total_minor = unit_minor * quantity),
    primary key (order_id, position)
);

-- What happened to an order: one row for each of its versions.
create table orders.order_events (
    order_id uuid not null references orders.orders (id),
    version bigint not null,
    kind text not null,
    from_status text,
    to_status text not null,
    data jsonb not null default '{}',
    actor text not null,
    correlation_id text,
    created_at timestamptz not null default now(),
    primary key (order_id, version)
);

create table orders.payments (
    id uuid primary key,
    order_id uuid not null references orders.orders (id),
    provider text not null,
    -- The provider's name for it.
    reference text,
    method text not null,
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null,
    status text not null,
    captured_minor bigint not null default 0 check (captured_minor between 0 and amount_minor),
    refunded_minor bigint not null default 0 check (refunded_minor between 0 and captured_minor),
    failure text,
    -- Its money is held or taken, or still may be, and its order has no use for it.
    is_stray boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (provider, reference)
);

create index payments_by_order on orders.payments (order_id);
create index payments_unsettled on orders.payments (updated_at)
    where status in ('created', 'requires_action', 'authorized', 'unknown') or is_stray;

-- Keys of requests to the provider, written before them.
create table orders.payment_attempts (
    key text primary key,
    payment_id uuid not null references orders.payments (id),
    operation text not null,
    generation integer not null,
    started_at timestamptz not null default now(),
    outcome text,
    unique (payment_id, operation, generation)
);

create table orders.refunds (
    id uuid primary key,
    order_id uuid not null references orders.orders (id),
    payment_id uuid not null references orders.payments (id),
    amount_minor bigint not null check (amount_minor > 0),
    reason text not null,
    -- requested, succeeded, failed.
    status text not null default 'requested',
    reference text unique,
    attempt integer not null default 0,
    next_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create index refunds_by_order on orders.refunds (order_id);
create index refunds_pending on orders.refunds (payment_id) where status = 'requested';
create index refunds_due on orders.refunds (next_at) where status = 'requested';

create table orders.sagas (
    order_id uuid primary key references orders.orders (id),
    step text not null,
    -- What has to be undone, the last one first. Each is written before its step runs.
    compensations text[] not null default '{}',
    -- Where the order ends once all is undone.
    target text,
    reason text,
    -- How often it was done and had to go back: what is given back then is another refund.
    round integer not null default 0,
    attempt integer not null default 0,
    next_at timestamptz not null default now(),
    deadline_at timestamptz not null,
    -- Something has happened since somebody took it.
    woken boolean not null default false,
    lease_owner uuid,
    lease_until timestamptz,
    last_error text
);

create index sagas_due on orders.sagas (next_at) where step <> 'done';

-- Webhooks that have had their effect.
create table orders.psp_webhooks (
    provider text not null,
    event_id text not null,
    kind text not null,
    handled_at timestamptz not null default now(),
    primary key (provider, event_id)
);

create index psp_webhooks_by_age on orders.psp_webhooks (handled_at);

-- Double entry: what a cause moves sums to nothing. Debits are positive.
create table orders.ledger_entries (
    id bigint generated always as identity primary key,
    -- Such as `capture:PAYMENT`: no cause has an effect twice.
    cause text not null,
    account text not null,
    order_id uuid not null references orders.orders (id),
    amount_minor bigint not null check (amount_minor <> 0),
    currency text not null,
    created_at timestamptz not null default now(),
    unique (cause, account)
);

create function orders.is_balanced() returns trigger language plpgsql as $$
begin
    if exists (
        select from orders.ledger_entries where cause = new.cause group by currency having sum(amount_minor) <> 0
    ) then
        raise exception 'the entries of % do not sum to nothing', new.cause;
    end if;
    return null;
end
$$;

create constraint trigger ledger_is_balanced after insert on orders.ledger_entries
    deferrable initially deferred for each row execute function orders.is_balanced();

create function orders.is_only_appended() returns trigger language plpgsql as $$
begin
    raise exception '% is only appended to', tg_table_name;
end
$$;

create trigger order_events_are_only_appended before update or delete on orders.order_events
    for each row execute function orders.is_only_appended();
create trigger order_events_are_not_emptied before truncate on orders.order_events
    for each statement execute function orders.is_only_appended();
create trigger ledger_is_only_appended before update or delete on orders.ledger_entries
    for each row execute function orders.is_only_appended();
create trigger ledger_is_not_emptied before truncate on orders.ledger_entries
    for each statement execute function orders.is_only_appended();
