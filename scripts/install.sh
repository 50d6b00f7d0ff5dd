#!/bin/sh
# Installs a hashed lock and the project into .venv: `scripts/install.sh run|test`. Everything comes from the lock, the build backend
# included, so that nothing unpinned is fetched. A stamp of the lock's content makes the next call free.
set -eu

kind=${1:?usage: scripts/install.sh run|test}
cd "$(dirname "$0")/.."
lock=requirements/$kind.txt
venv=${TES_VENV:-.venv}
stamp=$venv/installed-$kind
state=$(cat "$lock" pyproject.toml | cksum)
[ "$(cat "$stamp" 2>/dev/null || true)" = "$state" ] && exit 0

if ! "$venv/bin/python" -c '' 2>/dev/null; then
    python=$(scripts/find-python.sh)
    echo "Creating $venv with $python"
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi
# Compiling on first import instead of here saves a quarter of the time and touches only what is used.
echo "Installing $lock (once; about half a minute)"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-compile --require-hashes --requirement "$lock"
# Prefect's migrated, empty database, which every fresh home copies: eight seconds that need not come after the rest. The project is
# not installed yet: hence the path.
PYTHONPATH=$PWD "$venv/bin/python" -m cli.runtime.template >/dev/null &
template=$!
"$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
wait "$template"
echo "$state" >"$stamp"
# The test lock holds all of the run lock, at the same versions.
[ "$kind" = test ] && cat requirements/run.txt pyproject.toml | cksum >"$venv/installed-run"
exit 0
