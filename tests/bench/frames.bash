# What `sync` and `storm` share; sourced. MOONLET_BENCH_FRAMESERVER is a program that serves synthetic pods
# over the Kubernetes API: --dir DIR --pods N --protobuf; in DIR it writes `kubeconfig`, and to `control` the URL
# that takes POST /bench/reset, POST /bench/storm?events=&rate=&probe=, GET /bench/wait?configmap=&timeout= and
# GET /bench/latency?storm=. A pod annotated bench/last: NAME asks for the ConfigMap NAME: the last pod of the
# list for bench-synced, the last event of a storm for bench-done-K.
# shellcheck shell=bash
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
pods=100000 quick=
if [ "${1:-}" = --quick ]; then quick=1 pods=10000; fi
pods=${PODS:-$pods}
if [ ! -x "${MOONLET_BENCH_FRAMESERVER:-}" ]; then
    echo "not measured: MOONLET_BENCH_FRAMESERVER is no program that serves pods (see tests/bench/frames.bash)"
    exit 0
fi
work=$(mktemp -d)
server= client=

stop() { # PID
    [ -n "$1" ] || return 0
    kill "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}
finish() {
    stop "$client"
    stop "$server"
    rm -rf "$work"
}
trap finish EXIT
cpu() { awk -v hz="$(getconf CLK_TCK)" '{ sub(/^.*\) /, ""); print ($12 + $13) / hz }' "/proc/$1/stat"; }
kb() { awk -v key="$2:" '$1 == key { print $2 }' "/proc/$1/status"; }
calc() { awk "BEGIN { printf \"%.4g\", $1 }"; }
field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p"; }
post() { curl -sf -X POST "$control/bench/$1"; }

"$MOONLET_BENCH_FRAMESERVER" --dir "$work" --pods "$pods" --protobuf >"$work/server.log" 2>&1 &
server=$!
until [ -s "$work/control" ]; do
    kill -0 "$server" 2>/dev/null || { cat "$work/server.log"; exit 1; }
    sleep 0.1
done
control=$(cat "$work/control")

# Waits for a ConfigMap; leaves when it came in `at`, ns.
await() {
    local tries
    for tries in $(seq 90); do
        kill -0 "$client" 2>/dev/null || break
        at=$(curl -s "$control/bench/wait?configmap=$1&timeout=10" | field at_ns)
        [ -z "$at" ] || return 0
    done
    echo "no ConfigMap $1 after $tries tries"
    tail -n 5 "$work/client.log"
    return 1
}

# Runs the command until its cache is full, and calls `measured LABEL CPU-BEFORE`.
measure() { # LABEL COMMAND...
    local label=$1
    shift
    post reset >/dev/null
    started=$(date +%s%N)
    KUBECONFIG=$work/kubeconfig "$@" >"$work/client.log" 2>&1 &
    client=$!
    await bench-synced
    measured "$label"
    stop "$client"
    client=
}

measure_both() {
    measure moonlet build/moonlet run tests/bench/pods --metrics-bind-address=0 --health-probe-bind-address=0
    if [ -n "${MOONLET_BENCH_OPPONENT:-}" ]; then
        read -ra opponent <<<"$MOONLET_BENCH_OPPONENT"
        measure opponent "${opponent[@]}"
    fi
}

# One measurement: a line to read and, in out/bench.jsonl, one to keep; for the opponent with the ratio.
declare -A ours
report() { # LABEL NAME VALUE UNIT TARGET
    local ratio=
    if [ "$1" = moonlet ]; then
        ours[$2]=$3
    elif [ -n "${ours[$2]:-}" ]; then
        ratio=$(calc "$3 / (${ours[$2]} + 1e-9)")
    fi
    printf '%-10s %-34s %10s %-10s %s\n' "$1" "$2" "$3" "$4" "${ratio:+$ratio times ours}${5:+target $5}"
    mkdir -p out
    printf '{"bench":"%s","pods":%d,"client":"%s","name":"%s","value":%s,"unit":"%s","ratio":%s}\n' \
        "$(basename "$0")" "$pods" "$1" "$2" "$3" "$4" "${ratio:-null}" >>out/bench.jsonl
}
