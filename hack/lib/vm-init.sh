#!/bin/busybox sh
# The first process of a VM of hack/vm: lays a writable copy over the host's files, mounts cgroup version 2 alone, and
# runs the command. What it is to do stands in a directory that the host shares with it (see vm.sh). It runs from an
# initial RAM disk that has busybox, this file and modules, and nothing else.
# shellcheck shell=dash

b=/bin/busybox
root=/root

# The VM's end; nothing comes back from it.
off() {
	$b sync
	echo o >/proc/sysrq-trigger
	$b sleep 60
}

give_up() {
	echo "vm: $*" >/dev/console
	off
}

kernel_file_systems() {
	$b mount -t proc proc /proc
	$b mount -t sysfs sys /sys
	$b mount -t devtmpfs dev /dev
	for module in /modules/*; do
		# In the order of their names; one that the kernel has built in is refused.
		[ ! -e "$module" ] || $b insmod "$module" 2>/dev/null
	done
}

# word NAME: the value of NAME=VALUE on the kernel's command line.
word() { $b tr ' ' '\n' </proc/cmdline | $b sed -n "s#^$1=##p"; }

# share TAG PATH PLACE: a directory of the host, read-write.
share() {
	$b mkdir -p "$3"
	case $kind in
	uml) $b mount -t hostfs -o "$2" none "$3" ;;
	*) $b mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=mmap "$1" "$3" ;;
	esac
}

host_root() {
	case $kind in
	uml) $b mount -t hostfs -o ro,/ none /host ;;
	*) $b mount -t virtiofs -o ro host /host ;;
	esac
}

# Writes go to memory and end with the VM. /tmp, /run and /var/lib/vm are file systems of their own, since an overlay
# (containerd's snapshots) can't lie on an overlay.
copy_of_host() {
	host_root || give_up "can't mount the host's files"
	$b mount -t tmpfs -o size=75% memory /memory
	$b mkdir -p /memory/upper /memory/work
	$b mount -t overlay -o lowerdir=/host,upperdir=/memory/upper,workdir=/memory/work overlay $root ||
		give_up "can't mount an overlay"
	for directory in dev sys proc; do
		$b mkdir -p $root/$directory
		$b mount --move /$directory $root/$directory
	done
	for directory in run tmp var/lib/vm dev/shm; do
		$b mkdir -p $root/$directory
		$b mount -t tmpfs memory $root/$directory
	done
	$b chmod 1777 $root/tmp $root/dev/shm
	share run "$shared" $root/run/vm || give_up "can't mount $shared"
	# Where the command is to run is there even if it lies in one of these.
	directory=$($b cat $root/run/vm/directory)
	if [ ! -d "$root$directory" ]; then
		$b mkdir -p "$root$directory"
		$b mount --bind "/host$directory" "$root$directory" || give_up "can't mount $directory"
	fi
	$b mkdir -p $root/run/lock $root/run/memory $root/dev/pts $root/dev/mqueue
	$b mount --move /memory $root/run/memory
	$b mount -t devpts -o ptmxmode=0666 devpts $root/dev/pts
	$b mount -t mqueue mqueue $root/dev/mqueue
	$b ln -sf /proc/self/fd $root/dev/fd
	$b ln -sf /proc/self/fd/0 $root/dev/stdin
	$b ln -sf /proc/self/fd/1 $root/dev/stdout
	$b ln -sf /proc/self/fd/2 $root/dev/stderr
}

# One that isn't there (user mode has no bpf) is none that anybody asked for.
kernel_interfaces() {
	$b mount -t cgroup2 cgroup2 $root/sys/fs/cgroup || give_up "can't mount cgroup2"
	for controller in $($b cat $root/sys/fs/cgroup/cgroup.controllers); do
		echo "+$controller" >$root/sys/fs/cgroup/cgroup.subtree_control
	done
	$b mount -t bpf bpf $root/sys/fs/bpf 2>/dev/null
	$b mount -t securityfs security $root/sys/kernel/security 2>/dev/null
	modules=$($b cat $root/run/vm/modules)
	$b mkdir -p $root/lib/modules
	$b ln -sfn "$modules" "$root/lib/modules/${modules##*/}"
}

shares() {
	number=0
	while read -r directory; do
		share share$number "$directory" "$root$directory" || give_up "can't mount $directory"
		number=$((number + 1))
	done <$root/run/vm/shares
}

network() {
	name=$($b cat $root/run/vm/name)
	$b hostname "$name"
	$b rm -f $root/etc/hosts
	printf '127.0.0.1 localhost %s\n' "$name" >$root/etc/hosts
	$b ip link set lo up
	read -r address gateway <$root/run/vm/network || return 0
	link=eth0
	[ ! -e $root/sys/class/net/vec0 ] || link=vec0
	$b ip link set $link name eth0
	$b ip link set eth0 up
	$b ip address add "$address" dev eth0
	$b ip route add "$gateway" dev eth0
	$b ip route add default via "$gateway"
}

# User mode's cpuinfo names no clock speed, and a kubelet doesn't start without one.
clock_speed() {
	$b grep -q MHz $root/proc/cpuinfo && return
	$b sed '/^mode\t/acpu MHz\t\t: 2000.000\nphysical id\t: 0\ncore id\t\t: 0' $root/proc/cpuinfo >$root/run/cpuinfo
	$b mount --bind $root/run/cpuinfo $root/proc/cpuinfo
}

kernel_file_systems
shared=$(word vmrun)
out=tty1
kind=uml
if [ -z "$shared" ]; then
	out=hvc0
	kind=tcg
fi
copy_of_host
kernel_interfaces
shares
network
[ $kind = uml ] || $b date -s "@$($b cat $root/run/vm/date)" >/dev/null
clock_speed
$b mkdir -p $root/run/busybox
$b cp $b $root/run/busybox/busybox
$b cat >$root/run/vm/last <<'END'
b=/run/busybox/busybox
out=/dev/$1
$b stty -F $out raw -echo
/bin/bash /run/vm/command </dev/null >$out 2>&1
echo $? >/run/vm/code
$b sync
# What was printed leaves before the power does.
$b stty -F $out cooked
echo o >/proc/sysrq-trigger
$b sleep 60
END
# Not chroot: unprivileged user namespaces and the kernel's own helpers want the real root.
if [ "$($b cat $root/run/vm/first)" != systemd ]; then
	exec $b switch_root $root /run/busybox/busybox sh /run/vm/last $out
fi
units=$root/run/systemd/system
$b mkdir -p $units
printf '[Unit]\nDefaultDependencies=no\nWants=vm.service\n' >$units/vm.target
service_unit() {
	printf '[Unit]\nDefaultDependencies=no\n[Service]\nStandardOutput=null\nStandardError=null\n'
	printf 'ExecStart=/run/busybox/busybox sh /run/vm/last %s\n' $out
}
service_unit >$units/vm.service
exec $b switch_root $root /lib/systemd/systemd --unit=vm.target
