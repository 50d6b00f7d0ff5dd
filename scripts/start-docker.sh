#!/usr/bin/env bash
# Starts a Docker engine where none answers, detached from this shell, and prints its version.
# Installs nothing. Where an engine answers already it changes nothing. Needs dockerd and root.
# Its log and process id are docker.log and docker.pid in TES_DOCKER_STATE (default /var/run).
set -euo pipefail

state="${TES_DOCKER_STATE:-/var/run}"
pid="$state/docker.pid"
seconds="${TES_DOCKER_WAIT:-60}"

version() { docker version --format '{{.Server.Version}}' 2>/dev/null; }

if ! command -v docker >/dev/null; then
    echo "start-docker: there is no docker client on PATH; install one (Debian: apt-get install docker.io)" >&2
    exit 3
fi
if found="$(version)" && [ -n "$found" ]; then
    echo "Docker engine $found answers already"
    exit 0
fi
if ! command -v dockerd >/dev/null; then
    echo "start-docker: no engine answers and there is no dockerd; install one (Debian: apt-get install docker.io)" >&2
    exit 3
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "start-docker: starting dockerd needs root; run it with sudo" >&2
    exit 3
fi

mkdir -p "$state"
# A process id that is left over from a killed engine keeps the next one from starting.
if [ -f "$pid" ] && ! kill -0 "$(cat "$pid")" 2>/dev/null; then
    rm -f "$pid"
fi
setsid dockerd --pidfile "$pid" >"$state/docker.log" 2>&1 </dev/null &
started=$!
for _ in $(seq "$((seconds * 5))"); do
    if found="$(version)" && [ -n "$found" ]; then
        echo "Docker engine $found started (pid $(cat "$pid"), log $state/docker.log)"
        exit 0
    fi
    kill -0 "$started" 2>/dev/null || break
    sleep 0.2
done
echo "start-docker: dockerd did not answer within $seconds s; the end of $state/docker.log:" >&2
tail -n 5 "$state/docker.log" >&2
exit 4
