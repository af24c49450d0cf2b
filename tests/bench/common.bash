# What the benches share; sourced with the bench's arguments (--quick, --alone: without controller-runtime).
# MOONLET_BENCH_FRAMESERVER may name another frame server than tests/bench/frames: a program that takes --dir DIR
# --pods N --protobuf, writes DIR/kubeconfig and, last, DIR/control, the URL of POST /bench/reset,
# POST /bench/storm?events=&rate=&probe=, GET /bench/wait?configmap=&timeout= and GET /bench/latency?storm=. A pod
# annotated bench/last: NAME asks for the ConfigMap NAME: one of the list for bench-synced, a storm's last event
# for what the answer to it calls the marker. MOONLET_BENCH_PREFIX runs the server and its clients by another command:
# `chrt -r 1` gives them a processor at once where others wait for one.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
bench=$(basename "$0") quick='' alone=''
for option; do
    case $option in
    --quick) quick=1 ;;
    --alone) alone=1 ;;
    *) echo "$bench: unknown option $option" >&2; exit 2 ;;
    esac
done
plane=tests/plane/plane
results=build/bench
mkdir -p "$results"
work=$(mktemp -d)
pids=() client='' server=''

stop() { # PID: asks, and after 10 s insists
    [ -n "$1" ] || return 0
    kill "$1" 2>/dev/null || true
    for _ in $(seq 100); do
        kill -0 "$1" 2>/dev/null || break
        sleep 0.1
    done
    kill -9 "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}
finish() {
    local pid
    for pid in ${pids[@]+"${pids[@]}"}; do stop "$pid"; done
    [ ! -d "$work/plane" ] || "$plane" stop "$work/plane" >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

read -ra prefix <<<"${MOONLET_BENCH_PREFIX:-}"
# launch LOG COMMAND...: leaves its pid in `launched`; it ends with the bench.
launch() {
    local log=$1
    shift
    ${prefix[@]+"${prefix[@]}"} "$@" >"$log" 2>&1 &
    launched=$!
    pids+=("$launched")
}
end() { # PID
    local pid left=()
    stop "$1"
    for pid in "${pids[@]}"; do [ "$pid" = "$1" ] || left+=("$pid"); done
    pids=(${left[@]+"${left[@]}"})
}

cpu() { awk -v hz="$(getconf CLK_TCK)" '{ sub(/^.*\) /, ""); print ($12 + $13) / hz }' "/proc/$1/stat"; } # s
kb() { awk -v key="$2:" '$1 == key { print $2 }' "/proc/$1/status"; }                                    # PID VmRSS
calc() { awk "BEGIN { printf \"%.4g\", $1 }"; }
field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p"; }
quantile() { sort -n | awk -v q="$1" '{ v[NR] = $1 } END { if (NR) print v[int(q * (NR - 1)) + 1] }'; }

# One measurement: a line to read, and one for the table. `size` is the number of objects, or nothing.
size=''
report() { # LABEL NAME VALUE UNIT
    printf '%-19s %-48s %10s %s\n' "$1" "${size:+$size: }$2" "$3" "$4"
    keep "$@"
}
keep() { # for the table alone
    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$bench" "$size" "$2" "$1" "$3" "$4" >>"$results/rows.tsv"
}
# One point of a curve for the plots.
point() { printf '%s\t%s\t%s\t%s\t%s\n' "$bench" "$1" "$2" "$3" "$4" >>"$results/points.tsv"; } # LABEL CURVE X Y

# --- programs ---------------------------------------------------------------------------------

# The Go programs of the benches; without a Go there is nothing to measure with, which is said.
programs() {
    if ! bin=$(tests/bench/tools/programs); then
        echo "not measured: the programs of the benches cannot be built"
        exit "$([ "${CI:-}" = true ] && echo 1 || echo 0)"
    fi
}
moonlet() { echo build/moonlet run "$@" --metrics-bind-address=0 --health-probe-bind-address=0; }

# both MOONLET-FILES PEER-WORK FUNCTION: the function gets a label and a command.
both() {
    local command
    read -ra command <<<"$(moonlet "$1")"
    "$3" moonlet "${command[@]}"
    # shellcheck disable=SC2086 # words are meant
    [ -n "$alone" ] || "$3" controller-runtime "$bin/peer" --work $2
}

# --- the frame server -------------------------------------------------------------------------

serve() { # PODS
    local program=${MOONLET_BENCH_FRAMESERVER:-$bin/frames}
    rm -rf "$work/frames"
    mkdir "$work/frames"
    launch "$work/server.log" "$program" --dir "$work/frames" --pods "$1" --protobuf
    server=$launched
    until [ -s "$work/frames/control" ]; do
        kill -0 "$server" 2>/dev/null || { cat "$work/server.log"; exit 1; }
        sleep 0.1
    done
    control=$(cat "$work/frames/control")
}
own_server() { # for what only tests/bench/frames can do
    [ -z "${MOONLET_BENCH_FRAMESERVER:-}" ] || { echo "not measured: only our own frame server can do this"; exit 0; }
}
post() { curl -sf --max-time 60 -X POST "$control/bench/$1"; }

# Polls an answer with at_ns, while the client lives; leaves the answer in `answer`, the time in `at`.
poll() { # QUERY
    local try
    for try in $(seq "$([ -n "$quick" ] && echo 9 || echo 90)"); do
        kill -0 "$client" 2>/dev/null || break
        answer=$(curl -s --max-time 30 "$control/bench/$1&timeout=10" || true)
        at=$(field at_ns <<<"$answer")
        [ -z "$at" ] || return 0
    done
    echo "no answer to $1 after $try tries"
    tail -n 5 "$work/client.log"
    return 1
}
await() { poll "wait?configmap=$1"; }

# Starts a client of the frame server; with `pods` it is awaited until its cache is full.
join() { # COMMAND...
    post reset >/dev/null
    started=$(date +%s%N)
    KUBECONFIG=$work/frames/kubeconfig launch "$work/client.log" "$@"
    client=$launched
}
leave() {
    end "$client"
    client=''
}

# Events on the wire: leaves how long they took in `storm_ns`, and `storm_id`.
storm() { # EVENTS RATE PROBE
    local said
    said=$(post "storm?events=$1&rate=$2&probe=$3")
    await "$(field marker <<<"$said")"
    storm_ns=$((at - $(field start_ns <<<"$said"))) storm_id=$(field id <<<"$said")
}

# --- the real plane ---------------------------------------------------------------------------

plane_up() { # FLAG...
    "$plane" build
    "$plane" start "$work/plane" "$@" >/dev/null
    export KUBECONFIG=$work/plane/kubeconfig
}
plane_down() {
    "$plane" stop "$work/plane" >/dev/null
    rm -rf "$work/plane"
}
kubectl() { "$plane" kubectl "$work/plane" "$@"; }
until_true() { # WHAT COMMAND...
    local what=$1
    shift
    for _ in $(seq 300); do
        ! "$@" >/dev/null 2>&1 || return 0
        sleep 0.1
    done
    echo "$bench: $what" >&2
    tail -n 5 "$work"/*.log >&2
    return 1
}
