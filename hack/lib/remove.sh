# Sourced: takes the local cluster away, whatever state it is in, and says what it could not remove.
# Ends only processes of the cluster: by pid file, by its cgroups, by programs and sockets under the state directory.
# shellcheck shell=bash

# Pids of processes that run a program of the state directory or name it in their arguments (shims, their workers).
stray_pids() {
	local directory pid
	for directory in /proc/[0-9]*; do
		pid=${directory#/proc/}
		case $(readlink "$directory/exe" 2>/dev/null) in
		"$MORPH_STATE"/*) echo "$pid" ;;
		*/containerd-shim-runc-v2*)
			case $(tr '\0' ' ' 2>/dev/null <"$directory/cmdline") in *" $MORPH_STATE/"*) echo "$pid" ;; esac
			;;
		esac
	done
}

# Innermost first. Only the kubelet's own places at the top, not those of clusters inside of containers.
pod_cgroups() {
	find /sys/fs/cgroup/kubepods{,.slice} /sys/fs/cgroup/*/kubepods{,.slice} -depth -type d 2>/dev/null || true
}

no_pod_processes() { [ -z "$(pod_cgroups | sed 's#$#/cgroup.procs#' | xargs -r cat 2>/dev/null)" ]; }

end_pods() {
	local ctr=("$MORPH_STATE/bin/ctr" --address "$CONTAINERD_SOCKET" --namespace k8s.io)
	if pid_of containerd >/dev/null; then
		"${ctr[@]}" tasks list -q 2>/dev/null |
			xargs -r -P 8 -I ID timeout 10 "${ctr[@]}" tasks delete --force ID >/dev/null 2>&1 || true
	fi
	pod_cgroups | sed 's#$#/cgroup.procs#' | xargs -r cat 2>/dev/null | sort -u | xargs -r kill -s KILL 2>/dev/null || true
	wait_for 20 "end of all pods' processes" no_pod_processes
}

end_strays() {
	stray_pids | xargs -r kill -s KILL 2>/dev/null || true
}

no_strays() { [ -z "$(stray_pids)" ]; }

state_mounts() { awk -v state="$MORPH_STATE/" 'index($5, state) == 1 { print $5 }' /proc/self/mountinfo | tac; }

remove_mounts() {
	local point
	state_mounts | while read -r point; do umount "$(printf '%b' "$point")" 2>/dev/null || umount -l "$point" || true; done
}

remove_cgroups() { pod_cgroups | while read -r directory; do rmdir "$directory" 2>/dev/null || true; done; }
no_cgroups() { remove_cgroups; [ -z "$(pod_cgroups)" ]; }

# nft tables of kube-proxy and of the CNI plugins, but for those that were there before.
cluster_tables() {
	nft list tables 2>/dev/null | grep -E ' (kube-proxy|cni_plugins_masquerade|cni_hostport)$' |
		grep -vxFf "$MORPH_STATE/baseline/tables" || true
}

remove_network() {
	local name table
	for name in $POD_LINK $NODE_LINK; do
		if [ -d "/sys/class/net/$name" ]; then ip link delete "$name"; fi
	done
	cluster_tables | while read -r table; do nft delete "$table"; done
}

restore_sysctls() {
	local name value
	while read -r name value; do
		echo "$value" >"/proc/sys/$name" 2>/dev/null || say "sysctl $name: could not set it back to $value"
	done <"$MORPH_STATE/baseline/sysctls"
}

# Only what is certainly of this cluster: another containerd or kubelet may have come to these places since.
remove_places() {
	local place file
	for file in /var/log/containers/*; do
		case $(readlink "$file") in "$MORPH_STATE"/*) rm "$file" ;; esac
	done
	for file in /run/containerd/s/* /var/lib/kubelet/*/*.sock; do
		if [ -S "$file" ] && ! grep -qF " $file" /proc/net/unix; then rm "$file"; fi
	done
	{ grep -lsF "$MORPH_STATE/" /var/lib/cni/results/* || true; } | xargs -r rm
	for place in $STRAY_PLACES; do
		if [ -d "$place" ] && ! grep -qxF "$place" "$MORPH_STATE/baseline/places"; then
			find "$place" -depth -type d -empty -delete
		fi
	done
}

# What is still there of the cluster, a line each.
leftovers() {
	stray_pids | sed 's/^/process /'
	state_mounts | sed 's/^/mount /'
	pod_cgroups | sed 's/^/cgroup /'
	local name
	for name in $POD_LINK $NODE_LINK; do [ ! -d "/sys/class/net/$name" ] || echo "network link $name"; done
	[ ! -e "$MORPH_STATE" ] || echo "directory $MORPH_STATE"
}

remove_cluster() {
	local name
	[ -d "$MORPH_STATE" ] || return 0
	end "$SECOND_NAME" # not killed: it takes its VM and its link away
	# What they would save at a graceful end is removed below.
	# The kubelet first: it would start pods again. containerd goes last, with the pods that it knows.
	for name in kubelet $(kept | grep -vx containerd); do end "$name" KILL; done
	[ ! -d "$MORPH_STATE/baseline" ] || end_pods
	end containerd
	end_strays
	wait_for 20 "end of the shims" no_strays
	remove_mounts
	wait_for 20 "removal of the pods' cgroups" no_cgroups
	if [ -d "$MORPH_STATE/baseline" ]; then
		remove_network
		restore_sysctls
		remove_places
	fi
	rm -rf --one-file-system "$MORPH_STATE"
}
