#!/usr/bin/env bash
# A Kubernetes cluster of one node on this machine, for tests: etcd, API server, controllers, scheduler, kubelet and proxy as
# plain processes beside the Docker engine; everything listens on loopback and on the engine's bridge only. Needs root.
#   scripts/start-kubernetes.sh FOLDER     prints the path of its kubeconfig; running again does nothing
#   scripts/start-kubernetes.sh FOLDER stop
# The programs come from scripts/build-kubernetes.sh, or from TES_KUBERNETES_BIN.
set -euo pipefail

[ $# -ge 1 ] || { echo "usage: scripts/start-kubernetes.sh FOLDER [stop]" >&2; exit 3; }
mkdir -p "$1"
state=$(cd "$1" && pwd)
bin=${TES_KUBERNETES_BIN:-$state/bin}
node=tes-node
bridge=$(docker network inspect bridge --format '{{(index .IPAM.Config 0).Gateway}}')
api=https://127.0.0.1:16443
config=$state/admin.conf

stop() {
    local pid containers
    for pid in "$state"/*.pid; do
        [ -e "$pid" ] || continue
        kill "$(cat "$pid")" 2>/dev/null || true
        rm -f "$pid"
    done
    containers=$(docker ps --all --quiet --filter label=io.kubernetes.pod.namespace)
    # shellcheck disable=SC2086
    [ -z "$containers" ] || docker rm --force $containers >/dev/null
    [ ! -x "$bin/kube-proxy" ] || "$bin/kube-proxy" --cleanup >/dev/null 2>&1 || true
    awk -v root="$state/kubelet" 'index($2, root) == 1 {print $2}' /proc/mounts | while read -r mount; do umount "$mount"; done
}

if [ "${2:-}" = stop ]; then
    stop
    exit 0
fi

alive() { [ -e "$state/$1.pid" ] && kill -0 "$(cat "$state/$1.pid")" 2>/dev/null; }

start() {
    local name=$1
    shift
    alive "$name" && return
    # Its own session: nobody's terminal ends it.
    setsid "$@" >"$state/$name.log" 2>&1 </dev/null &
    echo $! >"$state/$name.pid"
}

failed() {
    echo "start-kubernetes: $1; the last of $2:" >&2
    tail -n 15 "$2" >&2
    exit 4
}

await() {
    local what=$1 log=$2
    shift 2
    for _ in $(seq 300); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.2
    done
    failed "$what did not come up within 60 s" "$log"
}

for program in kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl; do
    [ -x "$bin/$program" ] || { echo "start-kubernetes: $bin/$program is not there: scripts/build-kubernetes.sh $bin" >&2; exit 4; }
done

if [ ! -e "$state/token" ]; then
    umask 077
    openssl genrsa -out "$state/accounts.key" 2048 2>/dev/null
    openssl rand -hex 16 >"$state/token"
    printf '%s,admin,admin,system:masters\n' "$(cat "$state/token")" >"$state/tokens.csv"
    umask 022
fi

start etcd etcd --data-dir "$state/etcd" --listen-client-urls http://127.0.0.1:12379 --advertise-client-urls http://127.0.0.1:12379 \
    --listen-peer-urls http://127.0.0.1:12380 --initial-advertise-peer-urls http://127.0.0.1:12380 --initial-cluster default=http://127.0.0.1:12380
start apiserver "$bin/kube-apiserver" --etcd-servers http://127.0.0.1:12379 --bind-address 127.0.0.1 --secure-port 16443 \
    --cert-dir "$state/certificates" --advertise-address "$bridge" --service-cluster-ip-range 10.96.0.0/16 \
    --service-account-key-file "$state/accounts.key" --service-account-signing-key-file "$state/accounts.key" \
    --service-account-issuer https://kubernetes.default.svc --token-auth-file "$state/tokens.csv" \
    --authorization-mode RBAC --allow-privileged --disable-admission-plugins ServiceAccount \
    --kubelet-preferred-address-types InternalIP
for _ in $(seq 300); do [ -s "$state/certificates/apiserver.crt" ] && break; sleep 0.1; done

cat >"$config" <<END
apiVersion: v1
kind: Config
current-context: tes
clusters: [{name: tes, cluster: {server: "$api", certificate-authority: "$state/certificates/apiserver.crt"}}]
contexts: [{name: tes, context: {cluster: tes, user: admin}}]
users: [{name: admin, user: {token: "$(cat "$state/token")"}}]
END
chmod 600 "$config"
await "the API server" "$state/apiserver.log" "$bin/kubectl" --kubeconfig "$config" get --raw /readyz

# Docker has no image that does nothing on this machine; a pod's network needs one.
if ! docker image inspect tes-pause:1 >/dev/null 2>&1; then
    scratch=$(mktemp -d)
    cat >"$scratch/pause.c" <<'END'
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void end(int number) { (void)number; _exit(0); }
static void reap(int number) { (void)number; while (waitpid(-1, NULL, WNOHANG) > 0) {} }
int main(void) { signal(SIGTERM, end); signal(SIGINT, end); signal(SIGCHLD, reap); for (;;) pause(); return 1; }
END
    gcc -static -Os -o "$scratch/pause" "$scratch/pause.c"
    tar -C "$scratch" -c pause | docker import --change 'ENTRYPOINT ["/pause"]' - tes-pause:1 >/dev/null
    rm -rf "$scratch"
fi

start controllers "$bin/kube-controller-manager" --kubeconfig "$config" --bind-address 127.0.0.1 --port 0 --leader-elect=false \
    --service-account-private-key-file "$state/accounts.key" --use-service-account-credentials=false \
    --kube-api-qps 200 --kube-api-burst 300
start scheduler "$bin/kube-scheduler" --kubeconfig "$config" --bind-address 127.0.0.1 --port 0 --leader-elect=false
start kubelet "$bin/kubelet" --kubeconfig "$config" --root-dir "$state/kubelet" --cert-dir "$state/kubelet-certificates" \
    --hostname-override "$node" --node-ip "$bridge" --address "$bridge" --healthz-bind-address 127.0.0.1 --read-only-port 0 \
    --fail-swap-on=false --pod-infra-container-image tes-pause:1 --image-gc-high-threshold 100 --cgroup-driver cgroupfs \
    --eviction-hard 'memory.available<50Mi' --authorization-mode AlwaysAllow --max-pods 200 \
    --kube-api-qps 200 --kube-api-burst 300 --event-qps 500 --event-burst 1000 --sync-frequency 2s
start proxy "$bin/kube-proxy" --kubeconfig "$config" --hostname-override "$node" --bind-address "$bridge" \
    --healthz-bind-address 127.0.0.1 --metrics-bind-address 127.0.0.1 --nodeport-addresses "$bridge/32" --proxy-mode iptables
ready() { "$bin/kubectl" --kubeconfig "$config" wait --for=condition=Ready "node/$node" --timeout 1s; }
await "the node" "$state/kubelet.log" ready
echo "$config"
