# Shared by the scripts beside it: where we are, what we say, how tests are run, and packages of the system.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset PYTHONDONTWRITEBYTECODE # else each of the hundreds of processes that tests start compiles all our modules again

say() { printf '\033[1m→ %s\033[0m\n' "$*"; }

fail() {
    printf 'error: %s\n' "$1" >&2
    printf '%s\n' "${@:2}" >&2
    exit 1
}

# need WHAT COMMAND PACKAGE…: make sure that a command exists; install its packages where we may, else say how.
need() {
    local what=$1 command=$2
    shift 2
    command -v "$command" >/dev/null && return
    install_packages "$what" "$@"
}

# wish WHAT COMMAND PACKAGE…: the same for what Mentee is faster with and works without.
wish() {
    command -v "$2" >/dev/null && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && (install_packages "$1" "${@:3}"); then return; fi
    say "going on without $1 (on Debian or Ubuntu: sudo apt-get install ${*:3})"
}

install_packages() {
    local what=$1
    shift
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        fail "$what is missing." "Install it (on Debian or Ubuntu: sudo apt-get install $*) and run this again."
    fi
    say "installing $what ($*)"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q >/dev/null && apt-get install -qy --no-install-recommends "$@" >/dev/null ||
        fail "$what could not be installed." "Install it by hand ($*) and run this again."
}

workers=$(($(getconf _NPROCESSORS_ONLN) + 1)) # one more than cores, as tests also wait; to 4, as each may take 2 GB
# worksteal gives each worker whole modules, whose servers and browsers are started once
side_by_side=(-n "$((workers > 4 ? 4 : workers))" --dist worksteal)

# run_tests ARGUMENT…: run tests in parallel. If up to three fail, run them once more on their own: the output names
# those that then pass, probably because the machine was busy. With more failures, nothing is repeated.
run_tests() {
    local code=0 failed=.pytest_cache/v/cache/lastfailed
    rm -f "$failed"
    .venv/bin/python -m pytest "${side_by_side[@]}" -q "$@" || code=$?
    if [ "$code" != 1 ] || [ "$(grep -c '::' "$failed")" -gt 3 ]; then return "$code"; fi
    say "failed tests, once more on their own"
    .venv/bin/python -m pytest -v --last-failed --last-failed-no-failures=none "$@"
}
