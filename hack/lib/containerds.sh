# Sourced: the releases of containerd beside the cluster's own that the shim is tested under: Debian's, unpacked into
# the cache and installed nowhere. Needs common.sh and debian.sh.
# shellcheck shell=bash

# Release and the suite that has it: 1.7 calls version 2 of the task service, 2.1 hands over flags and environment.
OTHER_CONTAINERDS="1.7:trixie 2.1:forky"

# containerd_bin RELEASE: where its programs are.
containerd_bin() { echo "$MORPH_CACHE/debian/containerd-$1/usr/bin"; }

is_release() { # RELEASE DIRECTORY
	"$2/containerd" --version 2>/dev/null | grep -qE " v?${1//./\\.}\.[0-9]+"
}

# Unpacks what the cache lacks; apt checks it with Debian's keys. A suite that has moved on is an error: then this file
# names another one.
other_containerds() {
	local pair release root
	for pair in $OTHER_CONTAINERDS; do
		release=${pair%%:*} root=$MORPH_CACHE/debian/containerd-${pair%%:*}
		[ -x "$root/usr/bin/containerd" ] && continue
		say "unpacking containerd $release of Debian ${pair##*:}"
		unpack_debian "${pair##*:}" "$root.new" containerd
		is_release "$release" "$root.new/usr/bin" ||
			die "Debian ${pair##*:} has no containerd $release any more; name another suite in hack/lib/containerds.sh"
		mv -T "$root.new" "$root"
	done
}
