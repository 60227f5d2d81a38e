-- What people are told, how, and what became of it.

create table notification.notifications (
    id uuid primary key,
    -- What makes it the same when its cause comes again.
    dedupe_key text not null unique,
    -- Nothing: it is for the endpoints of webhooks alone.
    user_id uuid,
    template text not null,
    category text not null,
    -- What it is about, such as the id of an order, and the event that it came from.
    subject text not null,
    kind text not null,
    -- What the template fills in. There is no secret in it: those are had when it is sent.
    data jsonb not null,
    correlation_id text,
    traceparent text,
    created_at timestamptz not null default now()
);

create index notifications_by_user on notification.notifications (user_id, id desc);
create index notifications_by_time on notification.notifications (created_at);
-- What endpoints were told of somebody, to be found when that one is to be forgotten.
create index notifications_about on notification.notifications ((data ->> 'user_id')) where user_id is null;

-- A notification on its way to one recipient.
create table notification.deliveries (
    id uuid primary key,
    notification_id uuid not null references notification.notifications (id) on delete cascade,
    channel text not null,
    -- `user`, the id of a subscription or the id of an endpoint.
    recipient text not null,
    state text not null default 'queued',
    -- Attempts that were begun. Whoever writes the end of one says which it was: after a lease has ended that is of no one.
    attempt integer not null default 0,
    -- Attempts of it since it was queued, or queued again.
    tries integer not null default 0,
    -- While somebody sends it: when it is taken from them.
    due_at timestamptz not null default now(),
    reason text,
    finished_at timestamptz,
    unique (notification_id, channel, recipient)
);

create index deliveries_due on notification.deliveries (channel, due_at) where state in ('queued', 'sending');
create index deliveries_dead on notification.deliveries (finished_at desc, id desc) where state = 'dead';

create table notification.delivery_attempts (
    delivery_id uuid not null references notification.deliveries (id) on delete cascade,
    number integer not null,
    started_at timestamptz not null,
    duration_ms integer not null,
    outcome text not null,
    -- The status of SMTP or HTTP.
    status smallint,
    detail text not null,
    -- Which version of the template it was. 0: the one of the program.
    template_version integer,
    primary key (delivery_id, number)
);

-- What people do not want: `category/channel`.
create table notification.preferences (
    user_id uuid primary key,
    off text[] not null,
    version bigint not null,
    updated_at timestamptz not null default now()
);

-- Addresses that nothing is sent to, as their hashes.
create table notification.suppressions (
    id uuid primary key,
    address_hash bytea not null unique,
    reason text not null,
    created_at timestamptz not null default now()
);

create table notification.push_subscriptions (
    id uuid primary key,
    user_id uuid not null,
    endpoint text not null unique,
    p256dh bytea not null,
    auth bytea not null,
    created_at timestamptz not null default now()
);

create index push_subscriptions_by_user on notification.push_subscriptions (user_id, id);

create table notification.webhook_endpoints (
    id uuid primary key,
    url text not null,
    -- Types of events, or with `.*` at the end all that begin so.
    types text[] not null,
    -- Sealed with the key of the service. The one before is good until its time.
    secret bytea not null,
    old_secret bytea,
    old_secret_until timestamptz,
    enabled boolean not null default true,
    -- Since when nothing but failures came from it, how many, and until when it is left alone.
    failing_since timestamptz,
    failures integer not null default 0,
    paused_until timestamptz,
    version bigint not null default 1,
    created_at timestamptz not null default now()
);

-- Templates that people have added to those of the program.
create table notification.templates (
    name text primary key,
    category text not null,
    -- What it is filled in with when it is looked at.
    sample jsonb not null,
    created_by text not null,
    created_at timestamptz not null default now()
);

-- Templates of people, each version for ever. The newest one is used; without any, the one of the program.
create table notification.template_versions (
    template text not null,
    locale text not null,
    version integer not null check (version > 0),
    subject text not null,
    text text not null,
    html text not null,
    created_by text not null,
    created_at timestamptz not null default now(),
    primary key (template, locale, version)
);
