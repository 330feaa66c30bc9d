#!/usr/bin/env bash
# The demo: a small shop of three services and a real PostgreSQL, traced by the stock OpenTelemetry
# SDKs, in front of a TestMesh server. Prints the flows that the server found, then keeps running
# until Ctrl-C. Everything it starts ends with it.
set -euo pipefail

usage() {
  cat <<'EOF'
usage: demo/run.sh [--once] [--rate N] [--data-dir DIR]

  --once           print the flows, stop everything, exit 0 (for scripts)
  --rate N         requests a second to the shop (default 8)
  --data-dir DIR   where the server keeps its data (default: a folder that is removed at the end)

TESTMESH_SERVER=http://HOST:PORT uses that server instead of starting one.
TESTMESH_BINARY names the program (default build/release/testmesh).
EOF
}

demo=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$demo")
binary=${TESTMESH_BINARY:-$root/build/release/testmesh}
binary_shown=${binary#"$PWD/"} # as one would type it here
workspace=00000000-0000-4000-8000-000000000001
once=no
rate=8
data_dir=

while (($#)); do
  case $1 in
    --once) once=yes ;;
    --rate) rate=${2:?--rate needs a number}; shift ;;
    --data-dir) data_dir=${2:?--data-dir needs a folder}; shift ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done

# ---- starting and stopping --------------------------------------------------------------------

# Short, because a unix socket's path must stay below 108 bytes. Passable for the database's user.
work=$(mktemp -d "${TMPDIR:-/tmp}/testmesh-demo.XXXXXX")
chmod 711 "$work"
declare -A pid=()   # part → process
declare -a order=() # parts as they were started; stopped the other way round

say() { echo "demo: $*"; }

alive() { kill -0 "$1" 2>/dev/null; }

# start PART SIGNAL COMMAND…: runs COMMAND in the background, out of reach of the terminal's Ctrl-C (this
# script stops the parts, in order). Should this script be killed, the kernel sends SIGNAL.
start() {
  local part=$1 signal=$2
  shift 2
  setsid "${become[@]}" setpriv --pdeathsig "$signal" -- "$@" >"$work/$part.log" 2>&1 &
  pid[$part]=$!
  order+=("$part")
}
become=()

# stop PART SIGNAL: asks it to end, and makes it after five seconds.
stop() {
  local part=$1 signal=$2 process=${pid[$1]-} i
  [[ -n $process ]] || return 0
  unset "pid[$part]"
  kill -"$signal" "$process" 2>/dev/null || return 0
  for ((i = 0; i < 50; i++)); do
    alive "$process" || return 0
    sleep 0.1
  done
  say "$part does not end; killing it"
  kill -KILL "$process" 2>/dev/null || true
}

stop_all() {
  local status=$? i signal
  trap '' INT TERM HUP
  trap - EXIT
  for ((i = ${#order[@]} - 1; i >= 0; i--)); do
    signal=TERM
    [[ ${order[i]} == postgresql ]] && signal=INT # "fast": does not wait for clients
    stop "${order[i]}" "$signal"
  done
  rm -rf "$work"
  exit "$status"
}
trap stop_all EXIT
trap 'echo; say "stopping"; exit 130' INT
trap 'say "stopping"; exit 143' TERM HUP

# fail PART SENTENCE: says why, with the end of the part's log.
fail() {
  local part=$1
  shift
  {
    echo "demo: $part $*"
    if [[ -s $work/$part.log ]]; then
      echo "demo: the last lines of its log:"
      tail -n 20 "$work/$part.log" | sed 's/^/  | /'
    fi
  } >&2
  exit 1
}

# ready PART SECONDS COMMAND…: waits until COMMAND succeeds, while PART runs.
ready() {
  local part=$1 deadline=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    alive "${pid[$part]}" || fail "$part" "did not start"
    ((SECONDS < deadline)) || fail "$part" "did not get ready in time"
    sleep 0.1
  done
}

answers() { curl -fsS --max-time 2 --noproxy '*' -o "${2:-/dev/null}" "$1"; }

# The address that a service prints once it listens, when it also answers there.
address_of() { grep -om1 'http://127\.0\.0\.1:[1-9][0-9]*' "$work/$1.log"; }
service_answers() { answers "$(address_of "$1")/healthz"; }
service_listens() { local address; address=$(address_of "$1") && taken "${address##*:}"; }

taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# port_or_free PORT WHAT: sets `port` to PORT, or, if somebody listens there, to a free one.
port_or_free() {
  port=$1
  taken "$1" || return 0
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  say "port $1 ($2) is taken; using $port"
}

# ---- what must be there -----------------------------------------------------------------------

for tool in curl node python3 setpriv setsid; do
  command -v "$tool" >/dev/null || fail "$tool" "is missing; it is one of the system packages that the README names"
done
[[ -x $demo/.venv/bin/opentelemetry-instrument && -d $demo/order-service/node_modules ]] ||
  fail "demo/install.sh" "has not run yet; run it once"
postgres_bin=
for folder in /usr/lib/postgresql/*/bin; do # the newest one, by sort order
  [[ -x $folder/postgres && -x $folder/initdb ]] && postgres_bin=$folder
done
[[ -n $postgres_bin ]] || fail postgresql "is not installed (Debian: apt-get install postgresql-15)"

# ---- server -----------------------------------------------------------------------------------

if [[ -n ${TESTMESH_SERVER:-} ]]; then
  server=${TESTMESH_SERVER%/}
  otlp=$server
  answers "$server/readyz" || fail "the server at $server" "does not answer"
else
  [[ -x $binary ]] || fail "$binary" "is missing; build it first"
  port_or_free 5016 "the server's own"
  server=http://127.0.0.1:$port
  listen=(--listen "127.0.0.1:$port")
  port_or_free 4318 "OTLP over HTTP"
  otlp=http://127.0.0.1:$port
  listen+=(--otlp-http "127.0.0.1:$port")
  if "$binary" serve --help 2>&1 | grep -q -e --otlp-grpc; then
    port_or_free 4317 "OTLP over gRPC"
    listen+=(--otlp-grpc "127.0.0.1:$port")
  fi
  # The SDKs below send every second, not every five: a trace is complete sooner.
  start server TERM "$binary" serve "${listen[@]}" --data-dir "${data_dir:-$work/testmesh-data}" \
    --trace-idle-timeout 3s
fi

# ---- database ---------------------------------------------------------------------------------

# PostgreSQL refuses to run as root.
as_postgres=()
if ((EUID == 0)); then
  as_postgres=(setpriv --reuid postgres --regid postgres --clear-groups)
  install -d -o postgres -m 700 "$work/db"
else
  install -d -m 700 "$work/db"
fi
(cd / && "${as_postgres[@]}" "$postgres_bin/initdb" -D "$work/db" -A trust -U shop -E UTF8 --locale=C.UTF-8 \
  --no-sync >"$work/postgresql.log" 2>&1) || fail postgresql "could not create its data folder"
become=("${as_postgres[@]}")
start postgresql INT "$postgres_bin/postgres" -D "$work/db" -k "$work/db" -c listen_addresses= \
  -c fsync=off -c shared_buffers=32MB
become=()
# Root may pass the folder, and nobody else: run as root, the services connect as root.
export PGHOST=$work/db PGUSER=shop PGDATABASE=shop

# ---- services ---------------------------------------------------------------------------------

# As a user sets them, but for the delay: batches every second, for a demo that shows something soon.
export OTEL_EXPORTER_OTLP_ENDPOINT=$otlp OTEL_BSP_SCHEDULE_DELAY=1000
export OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=demo,service.version=1.0.0
# Node: the default also asks the metadata services of clouds.
export OTEL_NODE_RESOURCE_DETECTORS=env,host,os,process,serviceinstance
# Node: a look-up of a name at the start is a trace of its own, and says nothing of the shop.
export OTEL_NODE_DISABLED_INSTRUMENTATIONS=dns
# Python: the default is gRPC, whose exporter is not installed.
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
# The probes below are no part of the shop.
export OTEL_PYTHON_EXCLUDED_URLS=healthz,openapi.json
export PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

cd "$demo"
OTEL_SERVICE_NAME=user-service start user-service TERM \
  .venv/bin/opentelemetry-instrument .venv/bin/uvicorn --app-dir user-service app:app --port 0
OTEL_SERVICE_NAME=product-service start product-service TERM \
  .venv/bin/opentelemetry-instrument .venv/bin/flask --app product-service/app run --port 0

[[ -n ${TESTMESH_SERVER:-} ]] || ready server 30 answers "$server/readyz"
say "server ready: $server, OTLP at $otlp"
ready postgresql 30 "$postgres_bin/pg_isready" -q -t 2 -d postgres
"$postgres_bin/psql" -q -X -v ON_ERROR_STOP=1 -d postgres -c 'CREATE DATABASE shop' >>"$work/postgresql.log" 2>&1 &&
  "$postgres_bin/psql" -q -X -v ON_ERROR_STOP=1 -f database/schema.sql >>"$work/postgresql.log" 2>&1 ||
  fail postgresql "did not take the schema"
say "postgresql ready: $PGHOST (unix socket)"
ready user-service 60 service_answers user-service
ready product-service 60 service_answers product-service

OTEL_SERVICE_NAME=order-service \
  USER_SERVICE_URL=$(address_of user-service) PRODUCT_SERVICE_URL=$(address_of product-service) \
  start order-service TERM env -C order-service \
  node --require @opentelemetry/auto-instrumentations-node/register app.js
ready order-service 60 service_listens order-service # Node would trace a probe
for service in user-service product-service order-service; do
  say "$service ready: $(address_of $service)"
done

start traffic TERM python3 traffic.py --rate "$rate" --order-service "$(address_of order-service)" \
  --user-service "$(address_of user-service)" --product-service "$(address_of product-service)"
say "customers are shopping, $rate requests a second"
OTEL_SERVICE_NAME=smoke-test OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=requests,urllib3 \
  .venv/bin/opentelemetry-instrument .venv/bin/python smoke_test.py \
  --user-service "$(address_of user-service)" --product-service "$(address_of product-service)" \
  >"$work/smoke-test.log" 2>&1 || fail smoke-test "failed"
say "a smoke test has passed: $(grep -c ': 200$' "$work/smoke-test.log") requests, traced as a test's"

# ---- flows ------------------------------------------------------------------------------------

flows_url=$server/api/v1/workspaces/$workspace/telemetry/flows
every_part_runs() {
  local part
  for part in "${order[@]}"; do
    alive "${pid[$part]}" || fail "$part" "ended"
  done
}
enough_flows() {
  answers "$flows_url" "$work/flows.json" && python3 flows.py --enough <"$work/flows.json"
}

say "waiting for the first traces to be complete"
deadline=$((SECONDS + 60))
until enough_flows 2>/dev/null; do
  every_part_runs
  ((SECONDS < deadline)) || fail server "shows no flow of an order after 60 seconds"
  sleep 0.5
done

flow_id=$(python3 flows.py --order-flow <"$work/flows.json")
cli() { "$binary" "$@" --server "$server" --workspace "$workspace" 2>"$work/cli.log"; }
echo
if [[ ! -x $binary ]]; then # another server may be looked at without the program here
  python3 flows.py <"$work/flows.json"
elif cli flows list >"$work/flows.txt" && cli flows show "$flow_id" >"$work/flow.txt"; then
  say "the flows found so far: each a way that requests take through the shop, without a line of configuration"
  echo
  cat "$work/flows.txt"
  echo
  say "one of them, an order, in detail: what it visits, how often, how long, and traces to look at"
  echo
  cat "$work/flow.txt"
else
  say "$binary flows: $(tail -n 1 "$work/cli.log")"
  say "the same by the REST API:"
  python3 flows.py <"$work/flows.json"
fi
echo

# ---- what was declared, what is seen, what is tested --------------------------------------------

covered() { cli coverage --covered true --output json | grep -q '"covered": *true'; }
if [[ -x $binary ]]; then
  answers "$(address_of user-service)/openapi.json" "$work/openapi.json" || fail user-service "shows no OpenAPI document"
  for import in "openapi --service user-service $work/openapi.json" "compose compose.yaml"; do
    # shellcheck disable=SC2086 # words
    cli graph import --kind $import >"$work/import.txt" || fail "graph import" "failed: $(tail -n 1 "$work/cli.log")"
  done
  deadline=$((SECONDS + 20))
  until covered || ((SECONDS >= deadline)); do sleep 0.5; done
  say "who uses whom, and what an OpenAPI document and a compose file declare of it"
  echo
  cli graph list --no-endpoints || fail graph "does not answer: $(tail -n 1 "$work/cli.log")"
  echo
  say "declared, never seen; and where a declaration contradicts what runs (which wins)"
  echo
  cli graph list --declared-never-seen
  echo
  cli graph conflicts
  echo
  say "what no test exercises, most risk first"
  echo
  cli coverage || fail coverage "does not answer: $(tail -n 1 "$work/cli.log")"
  echo
fi
# ---- a test that knows what should have happened inside -------------------------------------------

if [[ -x $binary ]]; then
  say "a test of the shop, its answers and what happened inside: examples/order-flow.yaml"
  echo
  cli run ../examples/order-flow.yaml --env "order_service=$(address_of order-service)" ||
    fail "the Order Flow" "did not pass: $(tail -n 1 "$work/cli.log")"
  echo
fi
[[ $once == no ]] || exit 0

cat <<EOF
The flows change while customers shop. To look further, in another terminal:

  export TESTMESH_SERVER=$server
  $binary_shown flows list
  $binary_shown flows show $flow_id
  $binary_shown traces search --status error
  $binary_shown graph show order-service
  $binary_shown graph export --format mermaid
  $binary_shown coverage --watch
  $binary_shown check
  $binary_shown run examples/order-flow.yaml --env order_service=$(address_of order-service)
  $binary_shown flows export $flow_id --mode trace
  curl -s $flows_url/$flow_id
  curl -s $flows_url/$flow_id/traces
  curl -s $server/api/v1/workspaces/$workspace/telemetry/traces
  curl -s $server/api/v1/workspaces/$workspace/settings/telemetry
  curl -s -H 'content-type: application/json' -d '{"user_id": 1, "product_ids": [1, 2, 3]}' $(address_of order-service)/api/v1/orders

Addresses: server $server · OTLP/HTTP $otlp · order-service $(address_of order-service)
           user-service $(address_of user-service) · product-service $(address_of product-service)
Ctrl-C stops everything.
EOF

# Until a signal comes, or a part ends, which none should.
wait -n "${pid[@]}" || true
every_part_runs
