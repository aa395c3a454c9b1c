#!/bin/sh
# Installs Mesa's software Vulkan driver (llvmpipe, "lavapipe"), so that the webgpu device can be
# tested where there is no GPU. Debian and Ubuntu; as root, or through sudo when there is one.
#
# Debian 12's own Mesa is too old for Dawn, so there the bookworm-backports suite is added, from
# the mirror that this machine's apt sources already name.
#
# Exit codes: 0 the driver is there; 3 it cannot be had on this machine (the last line says why), so
# the tests that need it are to be skipped.
set -eu

exit_unavailable=3
package=mesa-vulkan-drivers
oldest=23 # the oldest major version of Mesa whose llvmpipe Dawn accepts
our_sources=/etc/apt/sources.list.d/software-vulkan-backports.sources

unavailable() {
  echo "software Vulkan is not available: $1"
  exit "$exit_unavailable"
}

# Major version of a Debian package version: "25.0.7-2~bpo12+1" -> 25, "1:23.2" -> 23.
major_of() {
  echo "$1" | sed 's/^[0-9]*://; s/[^0-9].*//'
}

new_enough() {
  major=$(major_of "$1")
  [ -n "$major" ] && [ "$major" -ge "$oldest" ]
}

installed_version() {
  dpkg-query -W -f='${db:Status-Abbrev}${Version}' "$package" 2>/dev/null | sed -n 's/^ii *//p'
}

# The version that a plain install, or one from suite $1, would bring.
candidate_version() {
  if [ "$#" -gt 0 ]; then
    apt-cache policy -t "$1" "$package"
  else
    apt-cache policy "$package"
  fi 2>/dev/null | sed -n 's/^ *Candidate: *//p' | grep -v '(none)' || true
}

# First mirror named for Debian's release $1, from one-line (.list) and deb822 (.sources) files.
mirror_of() {
  suite=$1
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -f "$file" ] || continue
    sed -n 's/^deb[[:space:]]\{1,\}\(\[[^]]*\][[:space:]]*\)\{0,1\}\([^[:space:]]*\)[[:space:]]\{1,\}\([^[:space:]]*\).*/\2 \3/p' "$file"
  done | awk -v suite="$suite" '$2 == suite { print $1; exit }'
  for file in /etc/apt/sources.list.d/*.sources; do
    [ -f "$file" ] || continue
    # One stanza per blank-line-separated block; comments may stand between its fields.
    awk -v suite="$suite" '
      function finish(   i, n, names) {
        n = split(suites, names, /[ \t]+/)
        if (enabled) for (i = 1; i <= n; i++) if (names[i] == suite && uri != "") { print uri; exit }
        uri = suites = ""; enabled = 1
      }
      BEGIN { enabled = 1 }
      /^#/ { next }
      /^[ \t]*$/ { finish(); next }
      tolower($1) == "uris:" { uri = $2 }
      tolower($1) == "suites:" { $1 = ""; suites = $0 }
      tolower($1) == "enabled:" { enabled = tolower($2) != "no" }
      END { finish() }
    ' "$file"
  done
}

# The keyring that vouches for the release's own archive also vouches for its backports.
keyring() {
  for file in /usr/share/keyrings/debian-archive-keyring.gpg /usr/share/keyrings/debian-archive-keyring.pgp; do
    if [ -f "$file" ]; then
      echo "$file"
      return
    fi
  done
}

version=$(installed_version || true)
if [ -n "$version" ] && new_enough "$version"; then
  echo "$package $version is installed"
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

suite=""
version=$(candidate_version)
if [ -z "$version" ] || ! new_enough "$version"; then
  codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release | tr -d '"')
  [ "$(sed -n 's/^ID=//p' /etc/os-release | tr -d '"')" = debian ] ||
    unavailable "$package ${version:-(none)} is too old for Dawn, and only Debian has a backports suite that brings a newer one"
  suite="$codename-backports"
  version=$(candidate_version "$suite")
  if [ -z "$version" ] || ! new_enough "$version"; then
    mirror=$(mirror_of "$codename" | head -n 1)
    [ -n "$mirror" ] || unavailable "no apt source names a mirror for $codename"
    signed_by=$(keyring)
    {
      echo "Types: deb"
      echo "URIs: $mirror"
      echo "Suites: $suite"
      echo "Components: main"
      [ -z "$signed_by" ] || echo "Signed-By: $signed_by"
    } | $as_root tee "$our_sources" >/dev/null
    if ! $as_root apt-get update -q >"$log" 2>&1; then
      $as_root rm -f "$our_sources"
      tail -n 5 "$log"
      unavailable "the mirror has no usable suite $suite (above)"
    fi
    version=$(candidate_version "$suite")
  fi
  if [ -z "$version" ] || ! new_enough "$version"; then
    $as_root rm -f "$our_sources"
    unavailable "the newest $package offered is ${version:-none}; Dawn needs Mesa $oldest or newer"
  fi
fi

if ! $as_root apt-get install -q -y --no-install-recommends ${suite:+-t "$suite"} "$package" libvulkan1 >"$log" 2>&1; then
  tail -n 20 "$log"
  unavailable "apt-get could not install $package $version (above)"
fi
echo "$package $(installed_version) is installed"
