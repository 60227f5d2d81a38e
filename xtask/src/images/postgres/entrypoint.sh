#!/bin/sh
# Starts Postgres; makes the database first where there is none, from the variables of the public image:
# POSTGRES_PASSWORD, POSTGRES_USER (postgres), POSTGRES_DB (the user's name), PGDATA. Then it runs what lies in
# /docker-entrypoint-initdb.d, in the order of the names: *.sh and *.sql.
set -eu

if [ "$1" != postgres ]; then
    exec "$@"
fi

# Postgres wants its user to have a name, and a pod may run as any.
if ! id -un >/dev/null 2>&1; then
    printf 'postgres:x:%s:%s::/var/lib/postgresql:/bin/sh\n' "$(id -u)" "$(id -g)" >/tmp/passwd
    printf 'postgres:x:%s:\n' "$(id -g)" >/tmp/group
    export LD_PRELOAD=libnss_wrapper.so NSS_WRAPPER_PASSWD=/tmp/passwd NSS_WRAPPER_GROUP=/tmp/group
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    user=${POSTGRES_USER:-postgres}
    if [ -z "${POSTGRES_PASSWORD:-}" ]; then
        echo "POSTGRES_PASSWORD is not set: set it to the password of the user $user" >&2
        exit 1
    fi
    # A volume's own folder is its owner's, and Postgres insists on one of its own.
    mkdir -p "$PGDATA"
    printf '%s' "$POSTGRES_PASSWORD" >/tmp/password
    initdb --username="$user" --pwfile=/tmp/password --auth-local=trust --auth-host=scram-sha-256 >/dev/null
    rm /tmp/password
    printf 'host all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
    database=${POSTGRES_DB:-$user}
    export POSTGRES_USER="$user" PGHOST=/tmp
    pg_ctl --wait --silent --options="-c listen_addresses='' -c unix_socket_directories=/tmp" start
    if [ "$database" != postgres ]; then
        createdb --username="$user" "$database"
    fi
    for file in /docker-entrypoint-initdb.d/*; do
        case "$file" in
        *.sh) . "$file" ;;
        *.sql) psql --username="$user" --dbname="$database" --set=ON_ERROR_STOP=1 --file="$file" >/dev/null ;;
        esac
    done
    pg_ctl --wait --silent --mode=fast stop
    unset PGHOST
fi
exec "$@" -c listen_addresses='*'
