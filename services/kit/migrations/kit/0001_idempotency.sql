-- What was answered to a request with an Idempotency-Key, written in the transaction of the request's effect.
create table kit.idempotency_keys (
    principal text not null,
    key text not null,
    method text not null,
    path text not null,
    -- Of the body.
    fingerprint bytea not null,
    status smallint,
    headers jsonb,
    body bytea,
    created_at timestamptz not null default now(),
    primary key (principal, key)
);

create index idempotency_keys_by_age on kit.idempotency_keys (created_at);
