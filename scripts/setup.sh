#!/usr/bin/env bash
# Make .venv with the pinned packages, and install Icarus. Quick when nothing changed, and safe to
# run twice at a time.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
give_up() { say "error: $*"; exit 1; }
log=build/setup.log
mkdir -p build

key() { # everything that decides what the environment holds; it does not survive being moved
    { pwd -P; cat requirements.lock pyproject.toml; } | cksum
}

ready() { [ -x .venv/bin/panther ] && [ "$(cat .venv/setup.key 2>/dev/null)" = "$(key)" ]; }

has_icarus() { command -v iverilog >/dev/null && command -v vvp >/dev/null; }

apt_install() { # packages; fails without a word when we may not or cannot
    local sudo=()
    [ "$(id -u)" = 0 ] || sudo=(sudo -n)
    command -v apt-get >/dev/null || return 1
    "${sudo[@]}" true 2>/dev/null || return 1
    { "${sudo[@]}" apt-get update &&
        "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get -o DPkg::Lock::Timeout=120 install -y "$@"; } >>"$log" 2>&1
}

usable() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() { # newest first; the name alone is no proof that it runs
    local name
    for name in python3.14 python3.13 python3.12 python3.11 python3 python; do
        if command -v "$name" >/dev/null && usable "$name"; then
            echo "$name"
            return
        fi
    done
    return 1
}

make_venv() {
    local python
    if ! python=$(find_python); then
        apt_install python3-venv || true
        python=$(find_python) ||
            give_up "needs Python 3.11 or newer with venv: apt-get install python3 python3-venv"
    fi
    # an environment names its own path in its scripts: one that was moved is made anew
    if ! usable .venv/bin/python || ! grep -qsF "$(pwd -P)/.venv/bin/python" .venv/bin/pip; then
        say "making .venv with $("$python" --version)"
        "$python" -m venv --clear .venv >>"$log" 2>&1 || give_up "python -m venv failed, see $log"
    fi
    say "installing pinned packages (a minute or two; details in $log)"
    local pip=(.venv/bin/python -m pip --disable-pip-version-check --no-input install)
    { "${pip[@]}" -r requirements.lock && "${pip[@]}" --no-deps --no-build-isolation -e .; } \
        >>"$log" 2>&1 || {
        grep '^ERROR' "$log" | grep -v Ignored | tail -5 >&2
        give_up "pip install failed, see $log; is the network reachable?"
    }
    # cocotb embeds Python in the simulator; Debian packs its library separately
    local libpython='import find_libpython, sys; sys.exit(find_libpython.find_libpython() is None)'
    if ! .venv/bin/python -c "$libpython"; then
        local package
        package=libpython$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        say "installing $package with apt-get (details in $log)"
        apt_install "$package" && .venv/bin/python -c "$libpython" ||
            say "warning: no simulation will run without it: apt-get install $package"
    fi
    key >.venv/setup.key
}

install_icarus() {
    say "installing Icarus Verilog with apt-get (details in $log)"
    apt_install iverilog && has_icarus && return
    say "warning: Icarus Verilog could not be installed: needs root or sudo, and apt-get."
    say "warning: its tests will be reported as NOT RUN. Install it: apt-get install iverilog"
}

if ready && has_icarus; then exit; fi
exec 9>build/setup.lock
command -v flock >/dev/null && flock 9
: >"$log"
ready || make_venv
has_icarus || install_icarus
