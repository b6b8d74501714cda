# Sourced: what makes this machine the cluster's node: addresses, registry, containerd with the shim, kubelet,
# kube-proxy. Needs pki.sh, process.sh, tools.sh. Never touches how cgroups are mounted.
# shellcheck shell=bash

CONFIG=$MORPH_STATE/config
CONTAINERD_SOCKET=$MORPH_STATE/containerd.sock
NODE_LINK=morph-node # holds the node's address
POD_LINK=morph0      # the pods' bridge
CLUSTER_CIDR=10.244.0.0/16
POD_CIDR=10.244.0.0/20
POD_MASQUERADE=true       # pods seem to be the node to whom isn't one of its pods
DNS_ADDRESS=$NODE_ADDRESS # of a second node as well
SHIM=$MORPH_STATE/bin/containerd-shim-morph-v1
PEER_SHIM=$MORPH_STATE/bin/containerd-shim-peer-v1
NODE_KEYS=$MORPH_STATE/morph/keys       # public keys that the shim trusts; the node's agent keeps them
NODE_DENIALS=$MORPH_STATE/morph/denials # where the agent listens

# The kubelet and kube-proxy set these; hack/down gives back what was there.
SYSCTLS="net/ipv4/ip_forward vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops
kernel/keys/root_maxkeys kernel/keys/root_maxbytes net/bridge/bridge-nf-call-iptables"
# Directories that programs of the cluster make outside of the state directory.
STRAY_PLACES="/run/containerd /var/lib/cni /var/log/containers /var/lib/kubelet /run/netns"

# What the machine was like before the first start, so that the end can be told from the beginning.
note_baseline() {
	local base=$MORPH_STATE/baseline name
	[ ! -d "$base" ] || return 0
	no_pod_processes || die "another kubelet's pods run on this machine ($(pod_cgroups | tail -n 1)); end it first"
	mkdir -p "$base.new"
	for name in $SYSCTLS; do
		[ -r "/proc/sys/$name" ] && echo "$name $(cat "/proc/sys/$name")"
	done >"$base.new/sysctls"
	for name in $STRAY_PLACES; do
		if [ -e "$name" ]; then echo "$name"; fi
	done >"$base.new/places"
	nft list tables >"$base.new/tables" 2>/dev/null || true
	mv "$base.new" "$base"
}

make_links() {
	if [ ! -d "/sys/class/net/$NODE_LINK" ]; then
		ip link add $NODE_LINK type bridge
		ip link set $NODE_LINK up
	fi
	ip address replace "$NODE_ADDRESS/32" dev $NODE_LINK
	echo 1 >/proc/sys/net/ipv4/ip_forward
	if [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ]; then
		echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables
	fi
}

systemd_cgroups() { [ -f /sys/fs/cgroup/cgroup.controllers ] && [ -d /run/systemd/system ]; }

write_cni() {
	write_file "$CONFIG/cni/10-bridge.conflist" <<EOF
{
  "cniVersion": "1.0.0",
  "name": "morph",
  "plugins": [
    {
      "type": "bridge", "bridge": "$POD_LINK", "isGateway": true, "hairpinMode": true,
      "ipMasq": $POD_MASQUERADE, "ipMasqBackend": "nftables",
      "ipam": {
        "type": "host-local", "dataDir": "$MORPH_STATE/cni",
        "ranges": [[{ "subnet": "$POD_CIDR" }]], "routes": [{ "dst": "0.0.0.0/0" }]
      }
    },
    { "type": "portmap", "backend": "nftables", "capabilities": { "portMappings": true } }
  ]
}
EOF
}

# The shim's own node configuration; containerd hands its path on to every shim that it starts.
write_shim_config() {
	write_file "$CONFIG/morph.toml" <<EOF
cluster = "$(kube get namespace kube-system -o jsonpath='{.metadata.uid}')"
cache_dir = "$MORPH_STATE/morph/cache"
run_dir = "$MORPH_STATE/morph/run"
kubelet_dir = "$MORPH_STATE/kubelet"
trusted_keys_dir = "$NODE_KEYS"
denials_socket = "$NODE_DENIALS/denials.sock"
EOF
}

# A peer to be measured beside Morph: MORPH_PEER_SHIM names its program, and RuntimeClass peer is for its pods. It is
# copied, so that hack/down knows its processes by their place.
install_peer() {
	rm -f "$PEER_SHIM"
	[ -n "${MORPH_PEER_SHIM:-}" ] || return 0
	[ -x "$MORPH_PEER_SHIM" ] || die "MORPH_PEER_SHIM: $MORPH_PEER_SHIM is no program"
	install -D -m 0755 "$MORPH_PEER_SHIM" "$PEER_SHIM"
}

peer_runtime() {
	[ -x "$PEER_SHIM" ] || return 0
	cat <<EOF
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.peer]
    runtime_type = "io.containerd.peer.v1"
    runtime_path = "$PEER_SHIM"
EOF
}

peer_class() {
	if [ ! -x "$PEER_SHIM" ]; then
		kube delete runtimeclass peer --ignore-not-found >/dev/null
		return
	fi
	kube apply --server-side --field-manager=hack -f - >/dev/null <<EOF
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: { name: peer }
handler: peer
EOF
}

containerd_config() {
	local systemd=false
	systemd_cgroups && systemd=true
	cat <<EOF
version = 3
root = "$MORPH_STATE/containerd/root"
state = "$MORPH_STATE/containerd/state"
[grpc]
  address = "$CONTAINERD_SOCKET"
[ttrpc]
  address = "$CONTAINERD_SOCKET.ttrpc"
[plugins.'io.containerd.internal.v1.opt']
  path = "$MORPH_STATE/containerd/opt"
[plugins.'io.containerd.nri.v1.nri']
  disable = true
[plugins.'io.containerd.cri.v1.images'.registry]
  config_path = "$CONFIG/certs.d"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "$REGISTRY/pause:1"
[plugins.'io.containerd.cri.v1.runtime']
  # Nothing may lower an oom_score_adj without CAP_SYS_RESOURCE, which machines for tests often lack.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["$CNI_BIN"]
    conf_dir = "$CONFIG/cni"
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    runtime_path = "$CONTAINERD_BIN/containerd-shim-runc-v2"
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      BinaryName = "$RUNC_BIN/runc"
      SystemdCgroup = $systemd
      Root = "$MORPH_STATE/containerd/runc"
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.morph]
    runtime_type = "io.containerd.morph.v1"
    runtime_path = "$SHIM"
    pod_annotations = ["hayride.dev/*"]
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.morph.options]
      SystemdCgroup = $systemd
EOF
	peer_runtime
}

# The registry speaks plain HTTP; containerd reads this at each pull.
write_registry_hosts() {
	write_file "$CONFIG/certs.d/$REGISTRY/hosts.toml" <<EOF
server = "http://$REGISTRY"
[host."http://$REGISTRY"]
  capabilities = ["pull", "resolve"]
EOF
}

start_containerd() {
	write_cni
	write_registry_hosts
	write_shim_config
	install_peer
	containerd_config | write_file "$CONFIG/containerd.toml"
	keep containerd env "MORPH_NODE_CONFIG=$CONFIG/morph.toml" "$CONTAINERD_BIN/containerd" \
		--config="$CONFIG/containerd.toml"
	WAIT_LOG=$LOG/containerd.log wait_for 60 containerd \
		"$CONTAINERD_BIN/ctr" --address "$CONTAINERD_SOCKET" version
}

start_registry() {
	write_file "$CONFIG/registry.yaml" <<EOF
version: 0.1
log: { level: warn, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: $MORPH_STATE/registry }, delete: { enabled: true } }
http: { addr: $REGISTRY, secret: local }
EOF
	keep registry env OTEL_TRACES_EXPORTER=none "$REGISTRY_BIN/registry" serve "$CONFIG/registry.yaml"
	WAIT_LOG=$LOG/registry.log wait_for 30 registry curl -fsS "http://$REGISTRY/v2/"
}

# The cluster's DNS. There is nothing beyond it: names outside of the cluster are those of $MORPH_STATE/dns/hosts.
start_dns() {
	mkdir -p "$MORPH_STATE/dns"
	touch "$MORPH_STATE/dns/hosts"
	write_file "$CONFIG/Corefile" <<EOF
.:53 {
  bind $DNS_ADDRESS
  errors
  ready 127.0.0.1:8181
  kubernetes cluster.local {
    kubeconfig $MORPH_STATE/admin.kubeconfig
    pods disabled
  }
  hosts $MORPH_STATE/dns/hosts {
    reload 200ms
    ttl 1
    fallthrough
  }
  template ANY ANY {
    rcode NXDOMAIN
  }
}
EOF
	keep dns "$COREDNS_BIN/coredns" -conf="$CONFIG/Corefile"
	WAIT_LOG=$LOG/dns.log wait_for 30 "the cluster's DNS" curl -fsS http://127.0.0.1:8181/ready
}

start_kubelet() {
	local driver=cgroupfs
	systemd_cgroups && driver=systemd
	write_file "$CONFIG/kubelet.yaml" <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $NODE_ADDRESS
authentication:
  anonymous: { enabled: false }
  webhook: { enabled: true }
  x509: { clientCAFile: $PKI/ca.crt }
authorization: { mode: Webhook }
cgroupDriver: $driver
clusterDNS: ["$DNS_ADDRESS"]
clusterDomain: cluster.local
containerRuntimeEndpoint: unix://$CONTAINERD_SOCKET
evictionHard: { memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1% }
failCgroupV1: false
failSwapOn: false
imageGCHighThresholdPercent: 99
imageGCLowThresholdPercent: 98
makeIPTablesUtilChains: false
maxParallelImagePulls: 4
maxPods: 300
oomScoreAdj: 0
podLogsDir: $MORPH_STATE/pod-logs
registryPullQPS: 0
serializeImagePulls: false
volumePluginDir: $MORPH_STATE/volume-plugins
EOF
	mkdir -p "$MORPH_STATE/volume-plugins"
	keep kubelet "$KUBERNETES_BIN/kubelet" --kubeconfig="$MORPH_STATE/kubelet.kubeconfig" \
		--config="$CONFIG/kubelet.yaml" --root-dir="$MORPH_STATE/kubelet" --cert-dir="$MORPH_STATE/kubelet/pki" \
		--hostname-override="$NODE_NAME" --node-ip="$NODE_ADDRESS"
}

start_proxy() {
	# On one bridge, answers of a pod to its neighbour would walk past the address translation unless the kernel
	# shows bridged packets to netfilter, or the packets seem to come from the node.
	local masquerade=true
	[ -e /proc/sys/net/bridge/bridge-nf-call-iptables ] && masquerade=false
	write_file "$CONFIG/proxy.yaml" <<EOF
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
bindAddress: 127.0.0.1
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
clientConnection: { kubeconfig: $MORPH_STATE/proxy.kubeconfig }
clusterCIDR: $CLUSTER_CIDR
conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s }
hostnameOverride: $NODE_NAME
mode: nftables
nftables: { masqueradeAll: $masquerade, minSyncPeriod: 100ms }
EOF
	keep proxy "$KUBERNETES_BIN/kube-proxy" --config="$CONFIG/proxy.yaml"
}

node_ready() { kube wait --for=condition=Ready "node/$NODE_NAME" --timeout=1s; }

start_node() {
	start_containerd
	start_dns
	start_kubelet
	start_proxy
	WAIT_LOG=$LOG/kubelet.log wait_for 120 "node $NODE_NAME Ready" node_ready
	peer_class
}

# Puts the shim in place beside running ones ("text file busy" is for those who write over it) and says so to the
# scheduler.
install_shim() { # FILE
	mkdir -p "${SHIM%/*}"
	if ! cmp -s "$1" "$SHIM"; then
		install -m 0755 "$1" "$SHIM.new"
		mv "$SHIM.new" "$SHIM"
		say "installed the shim"
	fi
	kube label --overwrite "node/$NODE_NAME" hayride.dev/shim=true >/dev/null
}
