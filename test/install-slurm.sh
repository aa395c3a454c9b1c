#!/bin/sh
# Installs Debian's Slurm (the controller, the node's daemon, the commands, and munge), so that the recipe
# for it can be tested. Debian and Ubuntu; as root, or through sudo when there is one. Nothing is left
# running: the tests start daemons of their own.
#
# Exit codes: 0 Slurm is there; 3 it cannot be had on this machine (the last line says why), so the tests
# that need it are to be skipped.
set -eu

exit_unavailable=3

unavailable() {
  echo "Slurm is not available: $1"
  exit "$exit_unavailable"
}

installed() {
  for program in slurmctld slurmd srun munged; do
    command -v "$program" >/dev/null 2>&1 || [ -x "/usr/sbin/$program" ] || return 1
  done
}

if installed; then
  echo "slurm is installed"
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
# RUNLEVEL=1 keeps the packages from starting their services.
# shellcheck disable=SC2086
if ! $as_root env RUNLEVEL=1 apt-get install -q -y --no-install-recommends \
  slurmctld slurmd slurm-client munge >"$log" 2>&1; then
  tail -n 20 "$log"
  unavailable "apt-get could not install slurmctld, slurmd, slurm-client and munge (above)"
fi
installed || unavailable "the packages are installed, but their programs are not where they should be"
echo "slurm is installed"
