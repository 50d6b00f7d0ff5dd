#!/usr/bin/env bash
# Builds what scripts/start-kubernetes.sh runs, from the source package of Debian 12 (Kubernetes 1.20, the newest that has all of it
# and needs no download of modules). Some twelve minutes of processor time. Needs root, for apt.
#   scripts/build-kubernetes.sh FOLDER
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: scripts/build-kubernetes.sh FOLDER" >&2; exit 3; }
mkdir -p "$1"
bin=$(cd "$1" && pwd)
programs=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl)
for program in "${programs[@]}"; do
    [ -x "$bin/$program" ] || missing=1
done
[ -n "${missing:-}" ] || exit 0

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
apt-get install -y -qq --no-install-recommends golang-1.19-go dpkg-dev rsync jq gcc libc6-dev etcd-server conntrack iptables >"$scratch/apt.log" 2>&1 ||
    { cat "$scratch/apt.log" >&2; exit 4; }

# The machine's own mirror, asked for sources.
mkdir -p "$scratch/lists/partial"
mirror=$(grep -hoE 'https?://[^ ]+' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1)
echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror bookworm main" >"$scratch/sources.list"
apt=(-o "Dir::Etc::sourcelist=$scratch/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$scratch/lists")
apt-get -qq "${apt[@]}" update
cd "$scratch"
apt-get -qq "${apt[@]}" source kubernetes >/dev/null 2>&1
cd kubernetes-*/

# Where a machine may not lower the score by which processes are ended for want of memory, no pod could start.
sed -i 's/\(defaultSandboxOOMAdj int = \)-998/\10/' pkg/kubelet/dockershim/docker_sandbox.go
sed -i 's/\(guaranteedOOMScoreAdj int = \)-997/\10/' pkg/kubelet/qos/policy.go

mkdir -p .go/src/k8s.io "$scratch/home"
ln -sfn ../../.. .go/src/k8s.io/kubernetes
env -u GOFLAGS HOME="$scratch/home" GOPATH="$PWD/.go" PATH="/usr/lib/go-1.19/bin:$PATH" CGO_ENABLED=0 GO111MODULE=off KUBE_GIT_VERSION=v1.20.2 \
    make WHAT="${programs[*]/#/cmd/}" >"$scratch/build.log" 2>&1 || { tail -n 40 "$scratch/build.log" >&2; exit 4; }
for program in "${programs[@]}"; do install -m 755 "_output/bin/$program" "$bin/$program"; done
