#!/bin/sh
# What `make run` does after the installation: one release of a project to an environment, on this machine.
# Prefect's database is migrated once into a template (8 s), which every fresh home then copies.
set -eu

cd "$(dirname "$0")/.."
bin=${TES_VENV:-.venv}/bin
stamp=${TES_VENV:-.venv}/template-made
wanted=$(cksum <requirements/run.txt)
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$wanted" ]; then
    "$bin/python" -m cli.runtime.template
    echo "$wanted" >"$stamp"
fi
exec "$bin/tes" release "${1:-examples/checkout}" --environment "${2:-production}"
