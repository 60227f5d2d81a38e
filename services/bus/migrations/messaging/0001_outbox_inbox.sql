-- What every service has in its own database: events to publish, and events that it has handled.

create table messaging.outbox (
    seq bigint generated always as identity primary key,
    id uuid not null unique,
    key text not null,
    -- Events of one key are in one partition, which one relay at a time publishes.
    partition smallint not null,
    kind text not null,
    event jsonb not null,
    created_at timestamptz not null default now(),
    published_at timestamptz,
    -- Published before, and to be published even where it is known.
    is_replayed boolean not null default false,
    -- Why the bus will not have it. Set, it is not tried again.
    refusal text
);

create index outbox_unpublished on messaging.outbox (partition, seq) where published_at is null and refusal is null;
create index outbox_by_age on messaging.outbox (created_at);

create table messaging.inbox (
    consumer text not null,
    source text not null,
    id uuid not null,
    handled_at timestamptz not null default now(),
    primary key (consumer, source, id)
);

create index inbox_by_age on messaging.inbox (handled_at);
