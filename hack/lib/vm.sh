# Sourced: virtual machines that have what this one may lack: cgroups of version 2 (User Mode Linux), Landlock as well
# (qemu, which emulates the processor). Kernels come from Debian, are unpacked into the cache and installed nowhere. A
# VM sees the host's files as a copy of its own. Needs common.sh, debian.sh. No wall against what runs inside: it may
# do to this machine what root here may.
# shellcheck shell=bash

VM_CACHE=$MORPH_CACHE/vm
# Kernels before 7 can't run in user mode on processors with as many registers as those of today.
VM_UML_SUITE=forky
VM_QEMU_SUITE=trixie
# What the initial RAM disk needs of modules, where the kernel has them not built in.
VM_MODULES="virtio_blk virtio_net virtio_rng virtio_console virtiofs 9p 9pnet_virtio overlay ext4"
VM_PACKAGES="busybox:busybox-static cpio:cpio depmod:kmod ip:iproute2 flock:util-linux"
VM_KINDS="uml tcg"
VM_INIT=$MORPH_ROOT/hack/lib/vm-init.sh

# What a VM is like unless its caller says otherwise: MiB, seconds, whether systemd is its first process, directories
# that are the host's own, host name, bridge with the VM's address (and its bits) and the way out.
kind=uml memory=2048 limit=1800 first=shell shares=() name=vm bridge='' address='' gateway=''
# Of the VM that runs: the directory that it shares with the host, its link, processes beside it.
run='' tap='' helpers=()

vm_packages() { # KIND
	case $1 in
	uml) need_packages "$VM_PACKAGES patchelf:patchelf" ;;
	tcg) need_packages "$VM_PACKAGES qemu-system-x86_64:qemu-system-x86 zstd:zstd xz:xz-utils" ;;
	esac
}

# The cache's place of a kind's kernel.
vm_place() { # KIND
	case $1 in
	uml) echo "$VM_CACHE/uml-$VM_UML_SUITE" ;;
	tcg) echo "$VM_CACHE/qemu-$VM_QEMU_SUITE" ;;
	esac
}

# User mode's kernel is a program; it gets the C library of its own suite.
unpack_uml() { # DESTINATION FINAL-PLACE
	local loader
	unpack_debian "$VM_UML_SUITE" "$1" user-mode-linux libc6
	loader=$(cd "$1" && find . -name ld-linux-x86-64.so.2 -path '*x86_64-linux-gnu*' | head -1)
	[ -n "$loader" ] || die "libc6 of $VM_UML_SUITE: no ld-linux-x86-64.so.2 in it"
	loader=$2/${loader#./}
	patchelf --set-interpreter "$loader" --set-rpath "${loader%/*}" "$1/usr/bin/linux.uml"
	mkdir -p "$1/tree/lib"
	ln -s ../../usr/lib/uml/modules "$1/tree/lib/modules"
}

unpack_qemu() { # DESTINATION
	local image modules offset length
	unpack_debian "$VM_QEMU_SUITE" "$1" linux-image-amd64+
	image=$(find "$1/boot" -name 'vmlinuz-*' | head -1)
	modules=$(find "$1" -type d -path '*lib/modules' | head -1)
	if [ -z "$image" ] || [ -z "$modules" ]; then die "linux-image-amd64 of $VM_QEMU_SUITE: no kernel in it"; fi
	mkdir -p "$1/tree/lib"
	ln -s "../../${modules#"$1"/}" "$1/tree/lib/modules"
	# Entered without its decompressor, which would run emulated. Places of the setup header: boot protocol 2.08.
	number() { od -An -j "$1" -N "$2" -t "u$2" "$image" | tr -d ' '; }
	offset=$((($(number 0x1f1 1) + 1) * 512 + $(number 0x248 4)))
	length=$(($(number 0x24c 4) - 4))
	tail -c "+$((offset + 1))" "$image" | head -c "$length" | zstd -qdc >"$1/vmlinux" 2>/dev/null || true
	[ "$(head -c 4 "$1/vmlinux" | tail -c 3)" = ELF ] || die "$image: no kernel compressed by zstd in it"
}

# Modules in the order in which they are to be loaded, uncompressed.
vm_modules() { # TREE RELEASE DESTINATION
	local module file number=100
	for module in $VM_MODULES; do
		modprobe -d "$1" -S "$2" --show-depends "$module" 2>/dev/null || true # built in
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r file; do
		number=$((number + 1))
		case $file in
		*.xz) xz -dc "$file" >"$3/$number" ;;
		*.zst) zstd -qdc "$file" >"$3/$number" ;;
		*) cp "$file" "$3/$number" ;;
		esac
	done
}

vm_ramdisk() { # TREE RELEASE FILE
	local tree
	tree=$(mktemp -d)
	mkdir -p "$tree"/{bin,modules,proc,sys,dev,host,memory,root}
	cp "$(command -v busybox)" "$tree/bin/busybox"
	install -m 0755 "$VM_INIT" "$tree/init"
	vm_modules "$1" "$2" "$tree/modules"
	(cd "$tree" && find . | cpio -o -H newc --quiet) >"$3.new"
	mv "$3.new" "$3"
	rm -r "$tree"
}

# Makes the kernel of a kind and its RAM disk ready; sets VM_PLACE, VM_RELEASE, VM_RAMDISK. One at a time.
vm_kernel() { # KIND
	local new=$VM_CACHE/.new lock key
	vm_packages "$1"
	VM_PLACE=$(vm_place "$1")
	mkdir -p "$VM_CACHE"
	exec {lock}>"$VM_CACHE/lock"
	flock "$lock"
	if [ ! -d "$VM_PLACE" ]; then
		say "unpacking a kernel for VMs ($1)"
		rm -rf "$new"
		case $1 in
		uml) unpack_uml "$new" "$VM_PLACE" ;;
		tcg) unpack_qemu "$new" ;;
		esac
		depmod -b "$new/tree" "$(ls "$new/tree/lib/modules/")"
		mv -T "$new" "$VM_PLACE"
	fi
	VM_RELEASE=$(ls "$VM_PLACE/tree/lib/modules/")
	key=$(cat "$VM_INIT" <(echo "$VM_MODULES") | sha256sum)
	VM_RAMDISK=$VM_PLACE/ramdisk-${key:0:12}
	[ -e "$VM_RAMDISK" ] || vm_ramdisk "$VM_PLACE/tree" "$VM_RELEASE" "$VM_RAMDISK"
	flock -u "$lock"
	exec {lock}>&-
}

# The program of a user mode VM, into VM_COMMAND. Descriptor 3 takes what the command prints, 4 what the kernel does.
vm_uml() {
	# shellcheck disable=SC2054 # commas of the options' own
	VM_COMMAND=("$VM_PLACE/usr/bin/linux.uml" "mem=${memory}M" seccomp=on "initrd=$VM_RAMDISK" "uml_dir=$run"
		umid=vm con=null con0=null,fd:4 con1=null,fd:3 ssl=null "vmrun=$run" quiet panic=-1 cgroup_no_v1=all)
	[ -z "$tap" ] || VM_COMMAND+=("vec0:transport=tap,ifname=$tap,depth=128,gro=1")
}

# The same of an emulated one. virtiofsd serves the host's files: 9p takes twice as long for an exec.
vm_tcg() {
	local share number=0
	/usr/lib/qemu/virtiofsd --socket-path="$run/files" -o source=/,cache=always,no_writeback,sandbox=chroot \
		--rlimit-nofile=0 2>"$run/files.log" &
	helpers+=($!)
	WAIT_LOG=$run/files.log wait_for 10 "the server of the host's files" test -S "$run/files"
	# shellcheck disable=SC2054
	VM_COMMAND=(qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot
		-machine q35,memory-backend=memory -accel "tcg,thread=multi,tb-size=512" -cpu max,la57=off
		-smp 2 -m "$memory" -object "memory-backend-memfd,id=memory,size=${memory}M,share=on"
		-chardev "socket,id=files,path=$run/files" -device vhost-user-fs-pci,chardev=files,tag=host
		-fsdev "local,id=run,path=$run,security_model=passthrough,multidevs=remap"
		-device virtio-9p-pci,fsdev=run,mount_tag=run -device virtio-rng-pci
		-chardev stdio,id=out,signal=off -device virtio-serial-pci -device virtconsole,chardev=out
		-serial "file:$run/console"
		-kernel "$VM_PLACE/vmlinux" -initrd "$VM_RAMDISK"
		-append "console=ttyS0 quiet panic=-1 cgroup_no_v1=all mitigations=off tsc=reliable nokaslr random.trust_cpu=on")
	for share in "${shares[@]}"; do
		VM_COMMAND+=(-fsdev "local,id=share$number,path=$share,security_model=passthrough,multidevs=remap"
			-device "virtio-9p-pci,fsdev=share$number,mount_tag=share$number")
		number=$((number + 1))
	done
	[ -z "$tap" ] || VM_COMMAND+=(-netdev "tap,id=net,ifname=$tap,script=no,downscript=no"
		-device "virtio-net-pci,netdev=net,romfile=")
}

vm_tap() { # NAME BRIDGE
	ip tuntap add dev "$1" mode tap
	ip link set "$1" master "$2" up
}

# vm_run COMMAND...: boots a VM, runs COMMAND as root in it and leaves with its status; 125 when the VM broke. What it
# prints, errors as well, goes to standard output.
vm_run() {
	local code
	run=$(mktemp -d "$VM_CACHE/run.XXXXXX")
	trap vm_end EXIT
	trap 'exit 143' TERM INT
	[ -z "$bridge" ] || tap=mvm${run##*.}
	{
		printf 'export PATH=%q HOME=/root LANG=C.UTF-8 MORPH_VM=%q\ncd %q\n' "$PATH" "$kind" "$PWD"
		printf '%q ' "$@"
		echo
	} >"$run/command"
	[ ${#shares[@]} -eq 0 ] || printf '%s\n' "${shares[@]}" >"$run/shares"
	touch "$run/shares" "$run/code"
	echo "$VM_PLACE/tree/lib/modules/$VM_RELEASE" >"$run/modules"
	echo "$name" >"$run/name"
	echo "$PWD" >"$run/directory"
	echo "$first" >"$run/first"
	date +%s >"$run/date"
	echo "${bridge:+$address $gateway}" >"$run/network"
	[ -z "$tap" ] || vm_tap "$tap" "$bridge"
	"vm_$kind"
	case $kind in
	uml) setsid timeout -k 5 "$limit" "${VM_COMMAND[@]}" </dev/null 3>&1 4>"$run/console" >"$run/out" 2>&1 & ;;
	*) setsid timeout -k 5 "$limit" "${VM_COMMAND[@]}" </dev/null 2>"$run/out" & ;;
	esac
	helpers+=($!)
	wait $! || true
	code=$(cat "$run/code")
	if [ -z "$code" ]; then
		tail -n 20 "$run/console" "$run/out" >&2 || true
		say "error: the VM ended without a status, or was ended after $limit s"
		exit 125
	fi
	exit "$code"
}

vm_end() {
	local helper
	for helper in "${helpers[@]}"; do kill -- "-$helper" 2>/dev/null || kill "$helper" 2>/dev/null || true; done
	[ -z "$tap" ] || ip link delete "$tap" 2>/dev/null || true
	rm -rf "$run"
}
