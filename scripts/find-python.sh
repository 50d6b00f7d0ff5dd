#!/bin/sh
# Prints a Python that the project can use (3.11 to 3.13). Each candidate is started, because a name on PATH proves nothing:
# a version manager's shim is there for versions that are not. When none fits, says what to install and exits 1.
set -eu

fits='import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
seen=''
for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11 python; do
    [ -n "$candidate" ] || continue
    path=$(command -v "$candidate" 2>/dev/null) || continue
    version=$("$path" -c 'import platform; print(platform.python_version())' 2>/dev/null) || continue
    if ! "$path" -c "$fits" 2>/dev/null; then
        seen="$seen $candidate ($version)"
        continue
    fi
    if ! "$path" -c 'import venv, ensurepip' 2>/dev/null; then
        echo "error: $path is Python $version, but its venv module is missing." >&2
        echo "  fix: apt-get install python3-venv   (Debian, Ubuntu), then run the same command again" >&2
        exit 1
    fi
    echo "$path"
    exit 0
done
echo "error: needs Python 3.11, 3.12 or 3.13; found:${seen:- none}" >&2
echo "  fix: install one of them (Debian: apt-get install python3 python3-venv; macOS: brew install python@3.13)," >&2
echo "       or name one: make run PYTHON=/path/to/python3.12" >&2
exit 1
