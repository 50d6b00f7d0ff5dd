#!/usr/bin/env bash
# The tests that need a Kubernetes cluster, on the one that KUBECONFIG names. Each has a namespace of its own; whatever is left when
# this ends, also when it is interrupted, is removed.
#   KUBECONFIG=FILE scripts/test-kubernetes.sh [PYTEST WORDS ...]
#   TES_KUBERNETES_IMAGE   an image with Python 3 as `python`: any python:3.x; a Python that all nodes have, else python:3.12-slim
#   TES_KUBERNETES_PULL    how it is pulled: Always, IfNotPresent (unless said), Never
set -euo pipefail
cd "$(dirname "$0")/.." || exit 4
python=.venv/bin/python

if [ -z "${KUBECONFIG:-}" ]; then
    echo "Not tested: KUBECONFIG names no cluster (make test-kubernetes KUBECONFIG=FILE)"
    exit 0
fi
export KUBECONFIG=${KUBECONFIG/#\~/$HOME}
why=$($python -c 'from tests.components import missing; print(missing("kubernetes") or "")') || exit 4
if [ -n "$why" ]; then
    echo "Not tested: $why"
    exit 4
fi

run=$(od -An -N4 -tx1 /dev/urandom | tr -d ' ')
export TES_KUBERNETES_RUN=$run
clean_up() {
    local code=$?
    trap - EXIT
    trap '' INT TERM
    $python -m tests.blocks.kubernetes_cluster "$run" || code=$((code ? code : 1))
    exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
TES_REQUIRE=kubernetes $python -m pytest tests/blocks/test_kubernetes.py tests/e2e/test_pools.py -k kubernetes "$@"
