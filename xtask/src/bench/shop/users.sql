-- Accounts that log in. All have the password correct-horse-battery, at the cost that is the service's default.
insert into users.accounts (id, email, email_key, email_verified_at, name, locale, created_at, updated_at)
select ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'load-' || n || '@shop.example',
    'load-' || n || '@shop.example', '2026-01-01Z', 'Load ' || n, 'en', '2026-01-01Z', '2026-01-01Z'
from generate_series(1, 200) n;

insert into users.credentials (user_id, password_hash)
select id, '$argon2id$v=19$m=19456,t=2,p=1$ZmxvdGlsbGEtYmVuY2gtMA$mVjNxAAV5HfNyaUj2bulOaqHshw0QNPby4UjI4KzRbE'
from users.accounts;

insert into users.user_roles (user_id, role) select id, 'customer' from users.accounts;

vacuum analyze;
