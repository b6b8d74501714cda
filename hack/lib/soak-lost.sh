# Sourced by hack/soak: what must never be lost, under each release of containerd: the deaths of
# shim/tests/containerd/crashes.rs, 100 pods and 50 restarts of containerd, 200 deaths of servers and 200 of zygotes,
# and every failpoint. Needs cluster.sh and containerds.sh, and `plan`.
# shellcheck shell=bash

export MORPH_TEST_PODS=${MORPH_TEST_PODS:-100}
export MORPH_TEST_RESTARTS=${MORPH_TEST_RESTARTS:-50}
export MORPH_TEST_SERVER_DEATHS=${MORPH_TEST_SERVER_DEATHS:-200}
export MORPH_TEST_ZYGOTE_DEATHS=${MORPH_TEST_ZYGOTE_DEATHS:-200}

DEATHS='package(morph-shim) & binary(containerd) & test(/^crashes::/)'
FAILPOINTS='package(morph-shim-failpoints)'

# own_release: that of the cluster's own containerd, as hack/lib/containerds.sh writes releases.
own_release() {
	local version=${CONTAINERD_VERSION#v}
	echo "${version%.*}"
}

containerd_releases() {
	local pair
	for pair in $OTHER_CONTAINERDS; do echo "${pair%%:*}"; done
	own_release
}

# containerd_programs RELEASE: where its programs are, whosever it is.
containerd_programs() {
	if [ "$1" = "$(own_release)" ]; then echo "$CONTAINERD_BIN"; else containerd_bin "$1"; fi
}

# plan_under RELEASE NAME TESTS: plans the tests under this release, or under each where it is empty.
plan_under() {
	local wanted=$1 release releases known=
	mapfile -t releases < <(containerd_releases)
	for release in "${releases[@]}"; do
		if [ -z "$wanted" ] || [ "$release" = "$wanted" ]; then
			plan "$2 under containerd $release" "$3" "$(containerd_programs "$release")"
			known=yes
		fi
	done
	[ -n "$known" ] || die "containerd $wanted: not among ${releases[*]}"
}
