#!/bin/sh
# Installs Debian's Chromium, so that the page can be tested in a browser. Debian and Ubuntu; as root, or
# through sudo when there is one.
#
# Exit codes: 0 Chromium is there; 3 it cannot be had on this machine (the last line says why), so the
# tests that need it are to be skipped.
set -eu

exit_unavailable=3

unavailable() {
  echo "Chromium is not available: $1"
  exit "$exit_unavailable"
}

if command -v chromium >/dev/null 2>&1; then
  echo "chromium is installed"
  exit 0
fi
command -v apt-get >/dev/null 2>&1 || unavailable "this machine has no apt-get (only Debian and Ubuntu are covered)"
if [ "$(id -u)" -eq 0 ]; then
  as_root=""
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
  as_root="sudo"
else
  unavailable "installing needs root, and sudo is missing or asks for a password"
fi

export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# shellcheck disable=SC2086 # as_root is empty or one word
$as_root apt-get update -q >"$log" 2>&1 || tail -n 5 "$log" # a source that we do not need may be broken
if ! $as_root apt-get install -q -y --no-install-recommends chromium >"$log" 2>&1; then
  tail -n 20 "$log"
  unavailable "apt-get could not install chromium (above)"
fi
echo "chromium is installed"
