# Sourced: a second node for the local cluster, in a VM of hack/vm with systemd, so that the kubelet's driver is
# systemd's. It has no kube-proxy, for which user mode's kernel lacks address translation: what its pods send to a
# Service goes to this machine, as all that isn't for one of them, and is translated here. Needs pki.sh, process.sh,
# node.sh.
# shellcheck shell=bash

SECOND_NAME=node2
SECOND_ADDRESS=10.245.0.2
SECOND_POD_CIDR=10.244.16.0/20
# What it shares with this machine: who it is, the shim, its logs, and what it says of its walls.
SECOND_SHARE=$MORPH_STATE/$SECOND_NAME
SECOND_MEMORY_MIB=2048
# A VM that nobody stops ends by itself.
SECOND_SECONDS_MAX=7200
# Seen: one minute in user mode, four on a machine that is busy with other things. Emulation is slower still.
SECOND_READY_SECONDS_MAX=600

# The kind of VM whose kernel has Landlock if this one hasn't, and the other way round.
node2_kind() { if kernel_has_landlock; then echo uml; else echo tcg; fi; }

# In a mount namespace of its own: not every machine shows the list of what is turned on.
kernel_has_landlock() {
	unshare --mount sh -c 'mount -t securityfs securityfs /sys/kernel/security &&
		cat /sys/kernel/security/lsm' 2>/dev/null | grep -qw landlock
}

node2_routes() { # replace|delete
	ip route "$1" "$SECOND_ADDRESS/32" dev "$NODE_LINK"
	ip route "$1" "$SECOND_POD_CIDR" via "$SECOND_ADDRESS" dev "$NODE_LINK"
}

node2_ready() {
	kube wait --for=condition=Ready "node/$SECOND_NAME" --timeout=1s && [ -s "$SECOND_SHARE/walls" ]
}

start_node2() { # KIND
	! pid_of "$SECOND_NAME" >/dev/null || return 0
	kubeconfig "$SECOND_NAME" "/O=system:nodes/CN=system:node:$SECOND_NAME"
	mkdir -p "$SECOND_SHARE/log"
	rm -f "$SECOND_SHARE/walls"
	cp "$PKI/ca.crt" "$MORPH_STATE/admin.kubeconfig" "$SHIM" "$SECOND_SHARE/"
	cp "$MORPH_STATE/$SECOND_NAME.kubeconfig" "$SECOND_SHARE/kubelet.kubeconfig"
	node2_routes replace
	keep "$SECOND_NAME" "$MORPH_ROOT/hack/vm" -a "$1" -s -n "$SECOND_NAME" -m "$SECOND_MEMORY_MIB" \
		-t "$SECOND_SECONDS_MAX" -w "$SECOND_SHARE" -b "$NODE_LINK,$SECOND_ADDRESS/32,$NODE_ADDRESS" \
		env "MORPH_CACHE=$MORPH_CACHE" "MORPH_STATE=$MORPH_STATE" "$MORPH_ROOT/hack/cluster/node2"
	WAIT_LOG=$LOG/$SECOND_NAME.log wait_for "$SECOND_READY_SECONDS_MAX" "node $SECOND_NAME Ready" node2_ready
}

# Its pods would stay in the API for a minute after it, until the garbage collector finds them.
stop_node2() {
	end "$SECOND_NAME"
	kube delete node "$SECOND_NAME" --ignore-not-found >/dev/null
	kube delete pods --all-namespaces --field-selector "spec.nodeName=$SECOND_NAME" --force --grace-period=0 \
		>/dev/null
	if [ -n "$(ip route show "$SECOND_ADDRESS")" ]; then node2_routes delete; fi
}
