#!/usr/bin/env bash
# The deaths of shim/tests/containerd/crashes.rs and every failpoint at full length, under each release of containerd:
# 100 pods and 50 restarts of containerd, 200 deaths of servers, 200 of zygotes. Takes some hours.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/debian.sh"
. "$(dirname "$0")/containerds.sh"
. "$(dirname "$0")/count.sh"

export MORPH_TEST_PODS=${MORPH_TEST_PODS:-100}
export MORPH_TEST_RESTARTS=${MORPH_TEST_RESTARTS:-50}
export MORPH_TEST_SERVER_DEATHS=${MORPH_TEST_SERVER_DEATHS:-200}
export MORPH_TEST_ZYGOTE_DEATHS=${MORPH_TEST_ZYGOTE_DEATHS:-200}

deaths() { # NAME DIRECTORY
	MORPH_CONTAINERD_BIN=$2 suite "$1" cargo nextest run --release --locked --workspace --all-features --profile soak \
		-E '(package(morph-shim) & binary(containerd) & test(/^crashes::/)) | package(morph-shim-failpoints)'
}

cd "$MORPH_ROOT" || exit
other_containerds
deaths "containerd $CONTAINERD_VERSION" "$CONTAINERD_BIN"
for pair in $OTHER_CONTAINERDS; do
	deaths "containerd ${pair%%:*}" "$(containerd_bin "${pair%%:*}")"
done
summary
