#!/usr/bin/env bash
# The whole of KAITO in one minute: a cluster on this machine, a manifest, a model, an answer. Cleans up after itself.
set -euo pipefail
cd "$(dirname "$0")/.."
state="$PWD/.demo"
kaito=".venv/bin/kaito"
export KUBECONFIG="$state/kubeconfig"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

finish() {
  code=$?
  if [ -e "$state" ]; then
    if [ "$code" -ne 0 ] && [ -e "$state/kaito.log" ]; then
      say "The demo failed. The end of the cluster's log:"
      tail -n 20 "$state/kaito.log"
    fi
    "$kaito" down --state-dir "$state" >/dev/null 2>&1 || true
    rm -rf "$state"
  fi
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

if [ -e "$state" ]; then
  "$kaito" down --state-dir "$state" >/dev/null 2>&1 || true
  rm -rf "$state"
fi

say "1. A Kubernetes with KAITO, on this machine"
"$kaito" up --detach --state-dir "$state"

say "2. One manifest: examples/inference/kaito-demo.yaml"
cat examples/inference/kaito-demo.yaml
"$kaito" apply -f examples/inference/kaito-demo.yaml

say "3. The model comes up"
"$kaito" wait kaito-demo --timeout 300
"$kaito" status kaito-demo

say "4. A question: What is KAITO?"
"$kaito" chat kaito-demo -m "What is KAITO?"

say "That was all. Next:"
cat <<'TEXT'
  .venv/bin/kaito up --detach                          start a cluster that stays
  export KUBECONFIG=$(.venv/bin/kaito kubeconfig)      kubectl works with it too
  .venv/bin/kaito apply -f examples/inference/kaito-demo.yaml
  .venv/bin/kaito chat kaito-demo                      a dialogue
  .venv/bin/kaito down                                 stop everything
TEXT
