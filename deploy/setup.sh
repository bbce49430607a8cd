#!/usr/bin/env bash
# Installs what building needs and this machine lacks, with the argument `test`
# also what the tests need, with `lint` what `make lint` needs, with `appliance`
# what `make appliance` needs. Debian 12 and 13.
set -euo pipefail

missing=()
need() { # command package
	command -v "$1" >/dev/null 2>&1 || missing+=("$2")
}
need gcc gcc
need g++ g++
need make make
need ld binutils
need musl-gcc musl-tools
need curl curl
need python3 python3
need ldconfig libc-bin
need npm npm
if [ "${1:-}" = test ]; then
	need bats bats
	need clang clang
	compgen -G '/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-x86_64.a' >/dev/null ||
		missing+=(libclang-rt-dev)
	need promtool prometheus
	need jq jq # tests/reference.py
	need chromium chromium; need chromedriver chromium-driver # tests/page.py
	need strace strace
	need systemd-analyze systemd
	need mandoc mandoc
	need zsh zsh
	need lintian lintian
	need dpkg-deb dpkg
	# tests/svm, tests/vmx
	need qemu-system-x86_64 qemu-system-x86
	need bochs-bin bochs
	need bochs-bin bochs-term # the smallest of its displays: it wants one
	[ -e /usr/share/bochs/BIOS-bochs-latest ] || missing+=(bochsbios)
	[ -e /usr/share/vgabios/vgabios.bin ] || missing+=(vgabios)
	[ -e /usr/lib/ISOLINUX/isolinux.bin ] || missing+=(isolinux)
	[ -e /usr/lib/syslinux/modules/bios/ldlinux.c32 ] || missing+=(syslinux-common)
	need xorriso xorriso
	need busybox busybox-static
	PATH=$PATH:/usr/sbin need mke2fs e2fsprogs
	# sdk/build.sh, tests/sdk.py
	need mypy mypy
	[ -e /usr/lib/python3/dist-packages/build ] || missing+=(python3-build)
	[ -e /usr/lib/python3/dist-packages/setuptools ] || missing+=(python3-setuptools)
	[ -e /usr/lib/python3/dist-packages/wheel ] || missing+=(python3-wheel)
	compgen -G '/usr/lib/python3.*/ensurepip' >/dev/null || missing+=(python3-venv)
	# tests/fleet.py
	PATH=$PATH:/usr/sbin need haproxy haproxy
	PATH=$PATH:/usr/sbin need nginx nginx
	PATH=$PATH:/usr/sbin need sshd openssh-server
	need ssh openssh-client
	PATH=$PATH:/usr/sbin need ip iproute2
fi
# appliance/build.sh, and ovmf its test
if [ "${1:-}" = appliance ]; then
	need busybox busybox-static
	PATH=$PATH:/usr/sbin need modinfo kmod
	need mksquashfs squashfs-tools
	PATH=$PATH:/usr/sbin need mkfs.vfat dosfstools
	need mcopy mtools
	need syslinux syslinux
	[ -e /usr/lib/syslinux/mbr/mbr.bin ] || missing+=(syslinux-common)
	[ -e /usr/lib/systemd/boot/efi/systemd-bootx64.efi ] || missing+=(systemd-boot-efi)
	[ -e /usr/share/OVMF/OVMF_CODE.fd ] || missing+=(ovmf)
fi
if [ "${1:-}" = lint ]; then
	need clang-tidy clang-tidy
	need clang-format clang-format
	need cppcheck cppcheck
fi
[ -e /usr/include/linux/kvm.h ] || missing+=(linux-libc-dev)
[ -e /usr/include/stdlib.h ] || missing+=(libc6-dev)
[ "${#missing[@]}" -eq 0 ] && exit 0

sudo=
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null 2>&1 || {
		echo "zeroboot: setup: run as root or install sudo: missing ${missing[*]}" >&2
		exit 1
	}
	sudo=sudo
fi
# Of servers that tests use none is to be started by its package: invoke-rc.d(8).
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	trap '$sudo rm -f $policy' EXIT
	printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
	$sudo chmod 755 $policy
fi
$sudo apt-get update
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y --no-install-recommends "${missing[@]}"
