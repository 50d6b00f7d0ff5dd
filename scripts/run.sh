#!/bin/sh
# What `make run` does after the installation: one release of a project to an environment, on this machine.
set -eu

cd "$(dirname "$0")/.."
code=0
"${TES_VENV:-.venv}/bin/tes" release "${1:-examples/checkout}" --environment "${2:-production}" || code=$?
echo "stop it   make down"
exit "$code"
