# A PostgreSQL server for one test run, in a temporary folder and on a free port; the system's own is left alone.

start_postgres() {
    local bin
    [ -n "$(postgres_bin)" ] || install_packages "PostgreSQL, for the tests of the store" postgresql
    bin=$(postgres_bin)
    postgres_folder=$(mktemp -d)
    postgres_port=$(.venv/bin/python -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
    [ "$(id -u)" != 0 ] || chown postgres "$postgres_folder"
    say "starting PostgreSQL on port $postgres_port"
    as_postgres "$bin/initdb" -D "$postgres_folder/data" -U postgres -A trust -E UTF8 --locale C --no-sync >/dev/null
    # no fsync: these databases do not outlive the run
    as_postgres "$bin/pg_ctl" -s -w -D "$postgres_folder/data" -l "$postgres_folder/log" \
        -o "-F -p $postgres_port -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c full_page_writes=off" start ||
        fail "PostgreSQL does not start." "$(cat "$postgres_folder/log")"
    export MENTEE_TEST_POSTGRES=postgresql://postgres@127.0.0.1:$postgres_port/postgres
}

stop_postgres() {
    as_postgres "$(postgres_bin)/pg_ctl" -s -D "$postgres_folder/data" -m immediate stop
    rm -rf "$postgres_folder"
}

# the newest installed version's programs, on Debian beside and elsewhere on PATH
postgres_bin() {
    local found
    found=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
    [ -n "$found" ] || found=$(dirname "$(command -v initdb)" 2>/dev/null)
    [ -x "$found/initdb" ] && echo "$found"
}

# PostgreSQL refuses to run as root
as_postgres() {
    if [ "$(id -u)" = 0 ]; then
        (cd / && runuser -u postgres -- "$@")
    else
        "$@"
    fi
}
