# Sourced: builds the cluster's programs from Go modules into the cache, each group once for each version.
# Needs versions.sh; installs no system package itself but for what `debian_packages` lists.
# shellcheck shell=bash

GO_VERSION_MIN=1.26
CLUSTER=$MORPH_ROOT/hack/cluster
GO_VERSION=$(go env GOVERSION 2>/dev/null || echo none)

# What a bare Debian lacks: command and the package that brings it.
PACKAGES="nft:nftables ip:iproute2 openssl:openssl curl:curl jq:jq gcc:gcc pkg-config:pkgconf flock:util-linux setsid:util-linux script:bsdutils"

debian_packages() {
	local pair missing=()
	for pair in $PACKAGES; do
		command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
	done
	[ -e /usr/include/stdio.h ] || missing+=(libc6-dev)
	[ -e /usr/include/seccomp.h ] || missing+=(libseccomp-dev)
	[ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
	[ ${#missing[@]} -gt 0 ] || return 0
	command -v apt-get >/dev/null || die "missing: ${missing[*]}; install them (there is no apt-get here)"
	say "installing ${missing[*]}"
	apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y "${missing[@]}" >/dev/null
}

need_go() {
	[ "$GO_VERSION" != none ] || die "go: not found; install Go $GO_VERSION_MIN or newer"
	printf '%s\n%s\n' "go$GO_VERSION_MIN" "$GO_VERSION" | sort -VC ||
		die "$GO_VERSION is too old: Go $GO_VERSION_MIN or newer"
}

module_version() { # MODULE PATH-OF-GO.MOD
	sed -nE "s#^(require)?[[:space:]]*$1 (v[^ ]+).*#\2#p" "$2" | head -1
}

# tools_dir GROUP: where a group's programs are, keyed by all that decides their content.
tools_dir() {
	local group=$1 version=$1_VERSION key
	version=${version^^}
	if [ -f "$CLUSTER/$group/go.mod" ]; then
		key=$(cat "$CLUSTER/$group/"* <(echo "$GO_VERSION") | sha256sum)
		echo "$MORPH_CACHE/cluster/$group-${key:0:12}"
	else
		key=$(echo "$GO_VERSION" | sha256sum)
		echo "$MORPH_CACHE/cluster/$group-${!version}-${key:0:12}"
	fi
}

# In the module hack/cluster/$1: builds package $2 (or all tools, for `tool`) into $3, with build tags $4.
build_module() {
	local kubernetes
	kubernetes=$(module_version k8s.io/kubernetes "$CLUSTER/kubernetes/go.mod")
	local component=k8s.io/component-base/version
	(cd "$CLUSTER/$1" && go build -trimpath -buildvcs=false -tags "${4:-}" -o "$3/" -ldflags "-s -w \
		-X $component.gitVersion=$kubernetes -X $component.gitMajor=1 -X $component.gitMinor=36" "$2")
}

install_tools() { # DESTINATION PACKAGE@VERSION...
	local destination=$1
	shift
	GOBIN=$destination go install -trimpath -ldflags "-s -w" "$@"
}

build_group() { # GROUP DESTINATION
	local containerd=github.com/containerd/containerd/v2/cmd cni=github.com/containernetworking/plugins/plugins
	case $1 in
	kubernetes) CGO_ENABLED=0 build_module kubernetes tool "$2" ;;
	etcd) CGO_ENABLED=0 build_module etcd go.etcd.io/etcd/server/v3 "$2" && mv "$2/server" "$2/etcd" ;;
	runc) CGO_ENABLED=1 build_module runc github.com/opencontainers/runc "$2" seccomp ;;
	coredns) CGO_ENABLED=0 build_module coredns . "$2" ;;
	pause) CGO_ENABLED=0 build_module pause . "$2" ;;
	containerd) CGO_ENABLED=0 install_tools "$2" "$containerd"/{containerd,containerd-shim-runc-v2,ctr}@"$CONTAINERD_VERSION" ;;
	cni) CGO_ENABLED=0 install_tools "$2" \
		"$cni"/{main/bridge,main/loopback,ipam/host-local,meta/portmap}@"$CNI_VERSION" ;;
	registry) CGO_ENABLED=0 install_tools "$2" github.com/distribution/distribution/v3/cmd/registry@"$REGISTRY_VERSION" ;;
	metrics) CGO_ENABLED=0 install_tools "$2" sigs.k8s.io/metrics-server/cmd/metrics-server@"$METRICS_VERSION" ;;
	helm) CGO_ENABLED=0 install_tools "$2" helm.sh/helm/v4/cmd/helm@"$HELM_VERSION" ;;
	*) die "tools: no group $1" ;;
	esac
}

GROUPS_OF_TOOLS="pause runc etcd coredns containerd cni registry helm metrics kubernetes"

# Builds what the cache lacks. A group is whole or absent: built beside and renamed.
build_tools() {
	local group place new
	need_go
	for group in $GROUPS_OF_TOOLS; do
		place=$(tools_dir "$group")
		[ -d "$place" ] && continue
		say "building $group (once for this version)"
		mkdir -p "$MORPH_CACHE/cluster"
		new=$(mktemp -d "$MORPH_CACHE/cluster/.$group.XXXXXX")
		build_group "$group" "$new" || die "$group: the build did not end well; see above"
		chmod 0755 "$new"
		mv -T "$new" "$place"
	done
}

# Sets KUBERNETES_BIN, ETCD_BIN and so on to the groups' places.
tools_places() {
	local group
	for group in $GROUPS_OF_TOOLS; do printf -v "${group^^}_BIN" %s "$(tools_dir "$group")"; done
}
