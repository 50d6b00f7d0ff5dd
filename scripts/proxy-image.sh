#!/usr/bin/env bash
# Makes an image of HAProxy without any registry, from Debian's packages, for the platform `docker` on closed networks and for
# the tests. Elsewhere HAProxy's own image does: docker pull haproxy:2.8
#   scripts/proxy-image.sh [NAME:TAG]        then name it in the block's proxy_image
# Needs what scripts/base-image.sh needs, and apt. Prints the image's name. Nothing is done when it is already there.
set -euo pipefail

image=${1:-tes-proxy:bookworm}
base=${BASE_IMAGE:-tes-base:bookworm}
docker=${DOCKER:-docker}
if "$docker" image inspect "$image" >/dev/null 2>&1; then
    echo "$image"
    exit 0
fi
"$(dirname "$0")/base-image.sh" "$base" >/dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/packages" "$folder/root"
# What HAProxy needs beyond the base image. The packages are unpacked, not installed: no package of this machine changes.
packages=(haproxy liblua5.3-0 libopentracing-c-wrapper0 libopentracing1 libsystemd0 libssl3 libpcre2-8-0 zlib1g libcrypt1)
fetch() { (cd "$folder/packages" && apt-get download "${packages[@]}") >"$folder/log" 2>&1; }
fetch || { apt-get update -qq && fetch; } || {
    cat "$folder/log" >&2
    exit 1
}
for package in "$folder"/packages/*.deb; do dpkg-deb -x "$package" "$folder/root"; done
rm -rf "$folder"/root/usr/share/{doc,man,lintian}
cat >"$folder/Dockerfile" <<EOF
FROM $base
COPY root/usr/ /usr/
RUN ldconfig && groupadd --system haproxy && useradd --system --gid haproxy --no-create-home haproxy && haproxy -v
EOF
"$docker" build --quiet --tag "$image" "$folder" >/dev/null
echo "$image"
