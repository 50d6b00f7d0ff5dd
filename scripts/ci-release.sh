#!/usr/bin/env bash
# One release from a CI job: `tes release`, then the verdict as a commit status, a job summary and the exit code.
# Reads PROJECT, ENVIRONMENT, VERSION, STATUS_TOKEN and GitHub's own variables; each of GitHub's may be missing.
set -euo pipefail

: "${ENVIRONMENT:?the environment to release to}"
root=$(cd "$(dirname "$0")/.." && pwd)
tes=${TES:-$root/.venv/bin/tes}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# $1: pending, success, failure or error; $2: one line. A status that could not be set is a warning: it is not the verdict.
status() {
    [ -n "${STATUS_TOKEN:-}" ] && [ -n "${GITHUB_REPOSITORY:-}" ] && [ -n "${GITHUB_SHA:-}" ] || return 0
    local target="${GITHUB_SERVER_URL:-}/$GITHUB_REPOSITORY/actions/runs/${GITHUB_RUN_ID:-}"
    # The token goes in on standard input: an argument could be read by every process of the machine.
    printf 'authorization: Bearer %s\n' "$STATUS_TOKEN" | curl --fail --silent --show-error --max-time 20 --retry 2 \
        --output /dev/null --header @- --header 'content-type: application/json' \
        --data "{\"state\": \"$1\", \"context\": \"tes/$ENVIRONMENT\", \"description\": \"$2\", \"target_url\": \"$target\"}" \
        "${GITHUB_API_URL:?}/repos/$GITHUB_REPOSITORY/statuses/$GITHUB_SHA" ||
        echo "::warning::the commit status tes/$ENVIRONMENT could not be set to $1"
}

# Who must approve is GitHub's to ask, before the job begins: the repository's Environments have required reviewers.
words=(release "${PROJECT:-.}" --environment "$ENVIRONMENT" --yes)
[ -z "${VERSION:-}" ] || words+=(--version "$VERSION")

status pending "releasing to $ENVIRONMENT"
code=0
"$tes" "${words[@]}" 2>&1 | tee "$log" || code=${PIPESTATUS[0]}

case $code in
0) outcome=PASS state=success ;;
1) outcome=FAIL state=failure ;;
2) outcome=INCONCLUSIVE state=failure ;;
*) outcome=ERROR state=error ;;
esac
status "$state" "$outcome (exit $code)"
[ -z "${GITHUB_OUTPUT:-}" ] || echo "outcome=$outcome" >>"$GITHUB_OUTPUT"
if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
    # tes itself has written what the run came to and what failed in its tests. Where it broke, the log is all there is.
    case $outcome in ERROR) open=' open' ;; *) open='' ;; esac
    {
        printf '\n<details%s><summary>The log: %s: release to %s</summary>\n\n' "$open" "$outcome" "$ENVIRONMENT"
        # Indented, so that nothing in a tool's output can end the block; GitHub takes at most 1 MiB.
        grep -vE '^::[a-z0-9-]+( [a-z]+=.*)?::' "$log" | tail -c 60000 | sed 's/^/    /' || true
        printf '\n\n</details>\n'
    } >>"$GITHUB_STEP_SUMMARY"
fi
exit "$code"
