#!/usr/bin/env bash
# Makes .venv with uv and the development tools, from nothing but a Python that is new enough.
set -euo pipefail
cd "$(dirname "$0")/.."

stop() { printf '\n%s\n' "$*" >&2; exit 1; }

find_python() {
    local candidate
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    stop "Slipway needs Python 3.11 or newer, and found none on PATH. On Debian: apt-get install python3 python3-venv"
}

make_environment() {
    local python=$1 version
    # Debian ships the module without pip's wheel: then `venv` fails halfway and leaves a folder without pip.
    "$python" -m venv .venv 2>.venv.log && rm -f .venv.log && return
    rm -rf .venv
    if command -v uv >/dev/null; then rm -f .venv.log; uv venv --quiet --seed --python "$python" .venv; return; fi
    if command -v virtualenv >/dev/null; then rm -f .venv.log; virtualenv --quiet --python "$python" .venv; return; fi
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    cat .venv.log >&2; rm -f .venv.log
    stop "$python cannot make virtual environments. On Debian and Ubuntu: apt-get install python${version}-venv (as root). Or install uv, and run this again."
}

if ! [ -x .venv/bin/python ] || ! .venv/bin/python -c '' 2>/dev/null; then
    rm -rf .venv
    make_environment "$(find_python)"
fi
if ! [ -x .venv/bin/uv ]; then
    # The version and its hashes are dev.lock's.
    sed -n '/^uv==/,/^[a-tv-z]/p' dev.lock | grep -E '^uv==|--hash' | sed '$ s/ *\\$//' > .venv/uv.lock
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock \
        || stop "pip could not install uv: is the network there, or PIP_INDEX_URL right?"
fi
VIRTUAL_ENV="$PWD/.venv" .venv/bin/uv pip install --quiet --require-hashes -r dev.lock \
    || stop "uv could not install the development tools of dev.lock: is the network there, or UV_INDEX_URL right?"
touch .venv/ready
