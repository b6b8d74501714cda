# Sourced: Debian packages: installed where a command is missing, or another suite's unpacked and installed nowhere.
# shellcheck shell=bash

# install_packages PACKAGE...
install_packages() {
	command -v apt-get >/dev/null || die "missing: $*; install them (there is no apt-get here)"
	say "installing $*"
	apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" >/dev/null
}

# need_packages "COMMAND:PACKAGE ...": installs the packages of those commands that are missing.
need_packages() {
	local pair missing=()
	for pair in $1; do
		command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
	done
	[ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
}

# unpack_debian SUITE DESTINATION PACKAGE...: the packages' files under DESTINATION; dependencies are not followed.
# PACKAGE+ stands for what PACKAGE depends on first: the kernel that a metapackage names. Comes from the mirror that
# this machine's own sources name and is checked with Debian's keys.
unpack_debian() {
	local suite=$1 destination=$2 apt mirror deb options name names=()
	shift 2
	# Not every machine has both places.
	mirror=$({ grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null ||
		true; } | grep -v snapshot | head -1)
	[ -n "$mirror" ] || die "no Debian mirror in /etc/apt: can't fetch $*"
	apt=$(mktemp -d)
	mkdir -p "$apt"/{lists/partial,cache/archives/partial,parts}
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$apt/sources.list"
	options=(-o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts="$apt/parts"
		-o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root)
	apt-get -qq "${options[@]}" update
	for name in "$@"; do
		case $name in
		*+) names+=("$(apt-cache "${options[@]}" depends "${name%+}" | sed -nE 's/^ *Depends: ([^<].*)/\1/p' | head -1)") ;;
		*) names+=("$name") ;;
		esac
	done
	(cd "$apt/cache" && apt-get -qq "${options[@]}" download "${names[@]}" >/dev/null)
	rm -rf "$destination"
	mkdir -p "$destination"
	for deb in "$apt"/cache/*.deb; do dpkg -x "$deb" "$destination"; done
	rm -r "$apt"
}
