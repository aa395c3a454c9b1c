#!/usr/bin/env bash
# What a newcomer does, on what a newcomer has: clones the repository into an empty folder and types
# the README's first command, with Node and npm on the PATH and nothing else of ours. Prints one line
# per expectation; the exit status is the number of those that failed.
#
#   test/newcomer/first_command.sh [REPOSITORY]     default: the checkout that this file lies in
set -euo pipefail

repository=${1:-$(cd "$(dirname "$0")/../.." && pwd)}
least_bleu=19

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0

# expect WHAT COMMAND...: runs the command; says whether it succeeded.
expect() {
  local what=$1
  shift
  if "$@"; then
    echo "ok - $what"
  else
    echo "not ok - $what"
    failed=$((failed + 1))
  fi
}

# Where this machine has node and npm, and the system's own programs: no Bun, no Deno.
node_folder=$(dirname "$(command -v node)")
clean=(env -i "HOME=$folder/home" "PATH=$node_folder:/usr/bin:/bin" "TERM=dumb")
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY NODE_EXTRA_CA_CERTS \
  NPM_CONFIG_REGISTRY npm_config_registry SSL_CERT_FILE; do
  if [ -n "${!name-}" ]; then clean+=("$name=${!name}"); fi
done
mkdir "$folder/home"
for settings in "$HOME/.npmrc"; do
  if [ -f "$settings" ]; then cp "$settings" "$folder/home/"; fi
done

git clone --quiet "$repository" "$folder/weft"
cd "$folder/weft"

# The README's first block of commands is what a newcomer copies.
first_command=$(awk '/^```/ { if (inside) exit; inside = 1; next } inside' README.md)
echo "\$ $first_command"

run_first_command() {
  "${clean[@]}" bash -c "$first_command" </dev/null 2>&1 | tee "$folder/output"
}

has_bleu() {
  local bleu
  bleu=$(sed -n 's/.*BLEU[^=]*= *\([0-9][0-9.]*\).*/\1/p' "$folder/output" | tail -n 1)
  echo "BLEU ${bleu:-none}, at least $least_bleu is wanted"
  awk -v bleu="${bleu:-0}" -v least="$least_bleu" 'BEGIN { exit !(bleu >= least) }'
}

shows_five_sentences() {
  [ "$(grep -c '^ *reference ' "$folder/output")" -eq 5 ]
}

runs_as_weft() {
  [ "$("${clean[@]}" npx --no-install weft -- --version </dev/null 2>/dev/null | tail -n 1)" = \
    "$(node -p 'require("./package.json").version')" ]
}

# With the model that the first command trained.
serves_at_the_edge() {
  "${clean[@]}" npx --no-install bun recipes/edge-translation.ts </dev/null 2>&1 | tee "$folder/edge" &&
    grep -q "^20 requests at once were answered" "$folder/edge" &&
    grep -q "^the server stopped with exit code 0" "$folder/edge"
}

leaves_the_clone_clean() {
  [ -z "$(git status --porcelain)" ]
}

began=$SECONDS
expect "the first command succeeds" run_first_command
echo "the first command took $((SECONDS - began)) s"
expect "its BLEU on the test set is at least $least_bleu" has_bleu
expect "it shows five sentences beside their references" shows_five_sentences
expect "the edge recipe exports, serves and answers" serves_at_the_edge
expect "npx weft runs this checkout" runs_as_weft
expect "nothing in the clone has changed but what git ignores" leaves_the_clone_clean
exit "$failed"
