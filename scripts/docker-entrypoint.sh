#!/bin/sh
# One image, several roles. Each becomes process 1, so that a stop signal reaches it.
#   service         the API service on port 8000
#   worker [POOL]   waits for the Prefect server, registers pool and deployments, then works
#   server          a Prefect server, for compose.yaml; a team may bring its own
#   tes ...         the command line, or any other command
set -eu

case ${1:-service} in
service)
    export TES_SERVICE_HOST="${TES_SERVICE_HOST:-0.0.0.0}" TES_SERVICE_PORT="${TES_SERVICE_PORT:-8000}"
    exec python -m service
    ;;
worker)
    : "${PREFECT_API_URL:?the address of the Prefect server, such as http://prefect-server:4200/api}"
    export TES_PROJECT_ROOT="${TES_PROJECT_ROOT:-$PWD}"
    # The worker writes the records; the service only reads them, and is not ready before this.
    python -m records migrate
    exec python -m cli.runtime.worker "${2:-tes-process}"
    ;;
server)
    # Prefect rewrites its pages' base address at the start, and the package is not this user's to write.
    export PREFECT_UI_STATIC_DIRECTORY="${PREFECT_UI_STATIC_DIRECTORY:-$TES_HOME/ui}"
    exec python -m uvicorn --factory prefect.server.api.server:create_app \
        --host 0.0.0.0 --port "${PREFECT_SERVER_API_PORT:-4200}" --timeout-keep-alive 5
    ;;
*)
    exec "$@"
    ;;
esac
