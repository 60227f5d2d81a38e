-- Many products at once: each line is a product.
create table product.imports (
    id uuid primary key,
    state text not null default 'running' check (state in ('running', 'done')),
    lines int not null,
    created_by text not null,
    -- Of the request, for the events of what it makes.
    correlation_id text,
    created_at timestamptz not null default now(),
    finished_at timestamptz
);

create table product.import_lines (
    import_id uuid not null references product.imports (id),
    line int not null,
    -- As it came. Gone once it has been dealt with.
    content text,
    state text not null default 'waiting' check (state in ('waiting', 'created', 'updated', 'failed')),
    errors jsonb,
    primary key (import_id, line)
);

create index import_lines_waiting on product.import_lines (import_id, line) where state = 'waiting';
