#!/usr/bin/env bash
# Installs what the client tests need: the demo's Python environment, Node packages here, and the Go
# client, built into build/clients. Does nothing when all is up to date.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)

"$root/demo/install.sh"

hash_of() { cat "$@" | sha256sum | cut -d' ' -f1; }
node_files=(node/package.json node/package-lock.json node/.npmrc)
if [[ -f node/node_modules/.stamp && $(<node/node_modules/.stamp) == "$(hash_of "${node_files[@]}")" ]]; then
  echo "tests/clients: Node packages are up to date"
else
  echo "tests/clients: installing the Node packages"
  npm --prefix node ci --prefer-offline --no-progress --loglevel=error
  hash_of "${node_files[@]}" >node/node_modules/.stamp
fi

# Go compares what it builds with what is there by itself.
PATH=$PATH:/usr/local/go/bin
go_needed=$(sed -n 's/^go //p' go/go.mod)
go_there=$(cd go && go env GOVERSION 2>/dev/null | sed 's/^go//' || true)
if [[ -n $go_there && $(printf '%s\n' "$go_needed" "$go_there" | sort -V | head -n1) == "$go_needed" ]]; then
  echo "tests/clients: building the Go client"
  mkdir -p "$root/build/clients"
  (cd go && go build -o "$root/build/clients/go-client" .)
else
  echo "tests/clients: the Go client needs Go $go_needed, here is ${go_there:-none}: its tests will be skipped"
  rm -f "$root/build/clients/go-client"
fi

kafka=$root/build/kafka
if [[ -f $kafka/.stamp && $(<"$kafka/.stamp") == "$(hash_of kafka/pom.xml)" ]]; then
  echo "tests/clients: Apache Kafka is up to date"
elif command -v mvn >/dev/null; then
  echo "tests/clients: fetching Apache Kafka"
  rm -rf "$kafka"
  mkdir -p "$kafka"
  mvn -q -B -f kafka/pom.xml dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$kafka/libs"
  hash_of kafka/pom.xml >"$kafka/.stamp"
else
  echo "tests/clients: there is no Maven: the tests with Apache Kafka will be skipped"
fi
