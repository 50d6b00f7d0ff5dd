#!/usr/bin/env bash
# Makes a base image without any registry: Debian with Python, from Debian's packages. For closed networks, and for the tests.
#   scripts/base-image.sh [NAME:TAG]        then: docker build --build-arg BASE_IMAGE=NAME:TAG .
# Needs root, debootstrap and a running engine. Prints the image's name. Nothing is done when it is already there.
set -euo pipefail

image=${1:-tes-base:bookworm}
suite=${SUITE:-bookworm}
docker=${DOCKER:-docker}
if "$docker" image inspect "$image" >/dev/null 2>&1; then
    echo "$image"
    exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
    echo "error: making $image needs root and debootstrap" >&2
    echo "  fix: apt-get install debootstrap, and run this as root; or docker pull an image with Python 3.11 to 3.13" >&2
    exit 1
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates "$suite" "$folder/root" >"$folder/log" 2>&1 || {
    tail -20 "$folder/log" >&2
    exit 1
}
# Packages and lists that no image needs.
rm -rf "$folder"/root/var/cache/apt/archives/*.deb "$folder"/root/var/lib/apt/lists/* "$folder"/root/usr/share/{doc,man,locale}
ln -sf python3 "$folder/root/usr/bin/python"
tar -C "$folder/root" -c . | "$docker" import --change 'ENV LANG=C.UTF-8' --change 'CMD ["/bin/bash"]' - "$image" >/dev/null
echo "$image"
