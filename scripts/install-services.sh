#!/usr/bin/env bash
# Installs and starts, from Debian's packages, what the tests need and this machine lacks: git, make, Python's venv, PostgreSQL, MariaDB, Redis,
# NATS, RabbitMQ. Kafka is not among Debian's packages: where none is there, the tests of a service play it themselves.
# A server that listens on its usual port stays as it is. One that is installed here opens to 127.0.0.1 without a password: for tests only.
set -euo pipefail

POSTGRESQL_PORT=5432
MARIADB_PORT=3306
REDIS_PORT=6379
NATS_PORT=4222
RABBITMQ_PORT=5672

main() {
    local missing=()
    command -v git >/dev/null || missing+=(git)
    command -v make >/dev/null || missing+=(make)
    has_new_python || missing+=(python3)
    can_make_environments || missing+=(python3-venv)
    listens "$POSTGRESQL_PORT" || installed postgresql || missing+=(postgresql)
    listens "$MARIADB_PORT" || installed mariadb-server || missing+=(mariadb-server)
    listens "$REDIS_PORT" || installed redis-server || missing+=(redis-server)
    listens "$NATS_PORT" || installed nats-server || missing+=(nats-server)
    listens "$RABBITMQ_PORT" || installed rabbitmq-server || missing+=(rabbitmq-server)
    if [ ${#missing[@]} -gt 0 ]; then
        install_packages "${missing[@]}"
    fi
    listens "$POSTGRESQL_PORT" || start_postgresql
    listens "$MARIADB_PORT" || start_mariadb
    listens "$REDIS_PORT" || start_redis
    listens "$NATS_PORT" || start_nats
    listens "$RABBITMQ_PORT" || start_rabbitmq
    echo "On 127.0.0.1: PostgreSQL answers on port $POSTGRESQL_PORT, MariaDB on $MARIADB_PORT, Redis on $REDIS_PORT, NATS on $NATS_PORT, RabbitMQ on $RABBITMQ_PORT."
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

installed() { dpkg-query --show --showformat '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

has_new_python() { command -v python3 >/dev/null && python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; }

can_make_environments() { command -v python3 >/dev/null && python3 -c 'import venv, ensurepip' 2>/dev/null; }

install_packages() {
    if ! command -v apt-get >/dev/null; then
        stop "This machine lacks $*, and only Debian's packages are known here: install them by hand."
    fi
    echo "Installing $*"
    export DEBIAN_FRONTEND=noninteractive
    as_root apt-get -q -y -o DPkg::Lock::Timeout=300 update
    as_root apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"
}

start_postgresql() {
    local version hba
    version=$(find /etc/postgresql -mindepth 1 -maxdepth 1 -printf '%f\n' 2>/dev/null | sort -V | tail -n 1)
    if [ -z "$version" ]; then
        version=$(find /usr/lib/postgresql -mindepth 1 -maxdepth 1 -printf '%f\n' | sort -V | tail -n 1)
        as_root pg_createcluster "$version" main
    fi
    hba=/etc/postgresql/$version/main/pg_hba.conf
    if ! as_root grep -q '# slipway$' "$hba"; then
        # The first line that fits decides.
        as_root sed -i '1i host all all 127.0.0.1/32 trust # slipway' "$hba"
    fi
    as_root pg_conftool "$version" main set port "$POSTGRESQL_PORT"
    as_root pg_ctlcluster "$version" main start || as_root pg_ctlcluster "$version" main restart
    wait_for "$POSTGRESQL_PORT" PostgreSQL
}

start_mariadb() {
    as_root service mariadb start || as_root service mysql start || true
    if ! listens "$MARIADB_PORT"; then
        # Without an init system: the server itself, in the background.
        as_root install -d -o mysql -g mysql /run/mysqld
        as_root setsid --fork mariadbd-safe --user=mysql --bind-address=127.0.0.1 >/dev/null 2>&1 </dev/null
    fi
    wait_for "$MARIADB_PORT" MariaDB
    as_root mariadb --execute "ALTER USER 'root'@'localhost' IDENTIFIED BY ''"
}

start_redis() {
    as_root service redis-server start || true
    # Without an init system: the server itself, in the background, keeping nothing.
    listens "$REDIS_PORT" || redis-server --daemonize yes --bind 127.0.0.1 --port "$REDIS_PORT" --save "" --appendonly no --dir /tmp >/dev/null
    wait_for "$REDIS_PORT" Redis
}

start_nats() {
    # Not the package's own service, which has no JetStream: the server itself, in the background.
    setsid --fork nats-server --addr 127.0.0.1 --port "$NATS_PORT" --jetstream --store_dir /tmp/nats >/dev/null 2>&1 </dev/null
    wait_for "$NATS_PORT" NATS
}

start_rabbitmq() {
    as_root service rabbitmq-server start || true
    # Without an init system: the server itself, in the background, for this machine alone.
    listens "$RABBITMQ_PORT" || as_root env RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 setsid --fork rabbitmq-server >/dev/null 2>&1 </dev/null
    wait_for "$RABBITMQ_PORT" RabbitMQ
}

wait_for() {
    local _
    for _ in $(seq 60); do
        listens "$1" && return
        sleep 1
    done
    stop "$2 was started and does not answer on 127.0.0.1:$1 after 60 seconds: look at its log under /var/log."
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else stop "Installing and starting servers takes root: run $0 as root, or install sudo."
    fi
}

stop() { printf '%s\n' "$*" >&2; exit 1; }

main
