# Sourced by every script under hack/: paths, progress lines, waits that end. Starts and changes nothing by itself.
# shellcheck shell=bash
set -euo pipefail

# Bare environments (CI) lack these.
export HOME=${HOME:-/root}
PATH=$PATH:$HOME/.cargo/bin:/usr/local/go/bin:/usr/sbin:/sbin

MORPH_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# What can be made again, outside the tree and kept between clusters: Go-built tools, cargo's output, guests.
export MORPH_CACHE=${MORPH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/morph}
# All that the local cluster is: certificates, etcd's data, logs, sockets. hack/down removes it.
export MORPH_STATE=${MORPH_STATE:-/var/lib/morph-dev}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$MORPH_CACHE/target}
# One start for nested scripts, so that elapsed times run through.
export MORPH_STARTED=${MORPH_STARTED:-$(date +%s)}

# The node's own address, on a bridge of its own. Loopback would leave the Service `kubernetes` without an endpoint,
# and pods could not reach the registry.
NODE_ADDRESS=10.245.0.1
REGISTRY=$NODE_ADDRESS:5000

say() { printf '[%4ds] %s\n' $(($(date +%s) - MORPH_STARTED)) "$*" >&2; }

die() {
	say "error: $*"
	exit 1
}

# wait_for SECONDS WHAT COMMAND...: polls COMMAND until it succeeds; ends the script when the time is over.
# With WAIT_LOG set to a file, its last lines are shown then.
wait_for() {
	local seconds=$1 what=$2 deadline
	shift 2
	deadline=$(($(date +%s) + seconds))
	until "$@" >/dev/null 2>&1; do
		if [ "$(date +%s)" -ge "$deadline" ]; then
			if [ -n "${WAIT_LOG:-}" ] && [ -f "$WAIT_LOG" ]; then
				tail -n 20 "$WAIT_LOG" >&2
				say "the lines above are from $WAIT_LOG"
			fi
			die "$what: not there after $seconds s ($*)"
		fi
		sleep 0.2
	done
}

need_root() { [ "$(id -u)" = 0 ] || die "the local cluster needs root: run this as root"; }

# One cluster script at a time; the lock's descriptor is closed for everything that is started (see process.sh).
lock_cluster() {
	[ -z "${MORPH_LOCKED:-}" ] || return 0 # a script that this one was started by holds it
	mkdir -p "$MORPH_CACHE"
	exec 9>"$MORPH_CACHE/cluster.lock"
	flock -n 9 || {
		say "another hack script works on the cluster; waiting for it"
		flock -w 1800 9 || die "$MORPH_CACHE/cluster.lock: still held after 1800 s"
	}
	export MORPH_LOCKED=yes
}

# write_file PATH: standard input to PATH, replaced only when it differs, never half written.
write_file() {
	local path=$1 new
	mkdir -p "$(dirname "$path")"
	new=$(mktemp "$path.XXXXXX")
	cat >"$new"
	if cmp -s "$new" "$path"; then rm "$new"; else chmod "${2:-0644}" "$new" && mv "$new" "$path"; fi
}

kube() { kubectl --kubeconfig "$MORPH_STATE/admin.kubeconfig" "$@"; }
