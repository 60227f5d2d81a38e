-- The bus on Postgres: what is published, who wants it, and what each consumer has yet to do.

create table bus.consumers (
    name text primary key,
    patterns text[] not null
);

-- What was published, once. It stays for a while after everybody has it, so that what is published again is known.
create table bus.events (
    seq bigint generated always as identity primary key,
    source text not null,
    id uuid not null,
    kind text not null,
    key text not null,
    event jsonb not null,
    published_at timestamptz not null default now(),
    unique (source, id)
);

create index events_by_age on bus.events (published_at);

-- What a consumer has yet to do. Of each key the first is the head, and only heads are delivered.
create table bus.deliveries (
    consumer text not null references bus.consumers (name) on delete cascade,
    seq bigint not null references bus.events (seq),
    key text not null,
    is_head boolean not null,
    attempt integer not null default 0,
    -- While somebody has it: when it is taken from them.
    due_at timestamptz not null default now(),
    primary key (consumer, seq)
);

create index deliveries_due on bus.deliveries (consumer, due_at) where is_head;
create index deliveries_by_key on bus.deliveries (consumer, key, seq);
create index deliveries_by_event on bus.deliveries (seq);

create table bus.dead_letters (
    consumer text not null references bus.consumers (name) on delete cascade,
    seq bigint not null references bus.events (seq),
    attempts integer not null,
    reason text not null,
    died_at timestamptz not null default now(),
    primary key (consumer, seq)
);

create index dead_letters_by_event on bus.dead_letters (seq);
