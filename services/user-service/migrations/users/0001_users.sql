-- Who people are. Nothing here can be used by whoever reads it: passwords are hashed, tokens are hashed, and keys and secrets
-- are sealed with a key that lies elsewhere.

create table users.accounts (
    id uuid primary key,
    email text not null,
    -- In lower case: two accounts never differ by case alone. Of this collation, so that one is found by how it begins.
    email_key text collate "C" not null unique,
    email_verified_at timestamptz,
    -- When mail to the address came back.
    email_bounced_at timestamptz,
    name text not null,
    locale text not null,
    status text not null default 'active' check (status in ('active', 'locked', 'erased')),
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create index accounts_by_age on users.accounts (created_at desc, id desc);

create table users.credentials (
    user_id uuid primary key references users.accounts (id) on delete cascade,
    -- In the PHC string format, with the parameters that it was made with.
    password_hash text not null,
    changed_at timestamptz not null default now()
);

create table users.roles (
    name text primary key,
    description text not null
);

insert into users.roles (name, description) values
    ('customer', 'Buys. Everybody has it.'),
    ('support', 'Reads accounts, locks and unlocks them.'),
    ('admin', 'Does everything.');

create table users.user_roles (
    user_id uuid not null references users.accounts (id) on delete cascade,
    role text not null references users.roles (name),
    granted_at timestamptz not null default now(),
    primary key (user_id, role)
);

create index user_roles_by_role on users.user_roles (role);

-- A login, and the refresh tokens that came from it: a family.
create table users.sessions (
    id uuid primary key,
    user_id uuid not null references users.accounts (id) on delete cascade,
    user_agent text not null,
    -- Whether a second factor was used.
    has_second_factor boolean not null,
    created_at timestamptz not null default now(),
    last_used_at timestamptz not null default now(),
    expires_at timestamptz not null,
    ended_at timestamptz,
    end_reason text
);

create index sessions_of_user on users.sessions (user_id, created_at desc);
create index sessions_by_end on users.sessions (coalesce(ended_at, expires_at));

create table users.refresh_tokens (
    hash bytea primary key,
    session_id uuid not null references users.sessions (id) on delete cascade,
    parent bytea,
    issued_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at timestamptz,
    -- What it was exchanged for, sealed, for whoever did not get the answer. Gone once that has been used.
    successor bytea,
    successor_hash bytea
);

create index refresh_tokens_of_session on users.refresh_tokens (session_id);
create index refresh_tokens_by_end on users.refresh_tokens (expires_at);

-- What mails carry: a reference in an event stands for a token in a link.
create table users.one_time_tokens (
    id uuid primary key,
    user_id uuid not null references users.accounts (id) on delete cascade,
    purpose text not null check (purpose in ('verification', 'password_reset', 'email_change', 'second_factor')),
    -- Of the reference in the event.
    reference_hash bytea unique,
    -- Of the token in the link.
    token_hash bytea not null unique,
    -- Where the mail goes, and what is verified.
    email text not null,
    -- Wrong codes, of a login that waits for its second factor.
    failures integer not null default 0,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    redeemed_at timestamptz,
    used_at timestamptz
);

create index one_time_tokens_of_user on users.one_time_tokens (user_id, purpose);
create index one_time_tokens_by_end on users.one_time_tokens (expires_at);

-- What somebody wrote who registered with an address that somebody else had registered with, and not shown to be theirs. It
-- counts once the token of its mail is used: whoever has the address is not to get an account with a stranger's password.
create table users.registrations (
    token_id uuid primary key references users.one_time_tokens (id) on delete cascade,
    password_hash text not null,
    name text not null,
    locale text not null
);

-- Failed logins, and mails, by the keyed hash of an address, whether there is an account or not: neither tells of the other.
create table users.throttles (
    scope text not null,
    key bytea not null,
    count integer not null,
    since timestamptz not null,
    blocked_until timestamptz,
    primary key (scope, key)
);

create index throttles_by_age on users.throttles (since);

create table users.signing_keys (
    id text primary key,
    public_key bytea not null,
    -- PKCS #8, sealed.
    private_key bytea not null,
    -- It is published from its creation, so that others know it by then.
    signs_from timestamptz not null unique,
    created_at timestamptz not null default now()
);

create table users.second_factors (
    user_id uuid primary key references users.accounts (id) on delete cascade,
    -- Sealed.
    secret bytea not null,
    confirmed_at timestamptz,
    -- The time step of the last code that was taken: no code is taken twice.
    last_step bigint not null default 0,
    created_at timestamptz not null default now()
);

create table users.recovery_codes (
    user_id uuid not null references users.accounts (id) on delete cascade,
    hash bytea not null,
    used_at timestamptz,
    primary key (user_id, hash)
);

create table users.addresses (
    id uuid primary key,
    user_id uuid not null references users.accounts (id) on delete cascade,
    recipient text not null,
    line1 text not null,
    line2 text not null,
    city text not null,
    region text not null,
    postal_code text not null,
    country text not null check (country ~ '^[A-Z]{2}$'),
    phone text not null,
    is_default boolean not null,
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create index addresses_of_user on users.addresses (user_id, created_at, id);
create unique index one_default_address on users.addresses (user_id) where is_default;

create table users.exports (
    id uuid primary key,
    user_id uuid not null references users.accounts (id) on delete cascade,
    status text not null default 'pending' check (status in ('pending', 'done', 'failed')),
    attempts integer not null default 0,
    next_at timestamptz not null default now(),
    -- Lines of JSON.
    content text,
    created_at timestamptz not null default now(),
    finished_at timestamptz,
    expires_at timestamptz
);

create index exports_to_do on users.exports (next_at) where status = 'pending';
create index exports_of_user on users.exports (user_id);
create index exports_by_end on users.exports (expires_at);
create unique index one_export_at_a_time on users.exports (user_id) where status = 'pending';

-- What was done to accounts, by whom. It names people by their ids alone, so it stays when somebody is erased.
create table users.audit_log (
    id uuid primary key,
    at timestamptz not null default now(),
    -- Nothing: somebody who was not logged in.
    actor uuid,
    subject uuid not null,
    action text not null,
    correlation_id text,
    detail jsonb not null default '{}'
);

create index audit_log_of_subject on users.audit_log (subject, at desc, id desc);

create function users.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'users.audit_log is only ever added to';
end
$$;

create trigger audit_log_is_append_only before update or delete on users.audit_log
    for each row execute function users.refuse_change();
