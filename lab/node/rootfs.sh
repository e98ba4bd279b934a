#!/bin/bash
# Makes the root file system of a node from packages: rootfs.sh SUITE TARBALL
# usr-is-merged, with the hook, keeps usrmerge out, and with it the whole of perl.
set -euo pipefail
packages=usr-is-merged,systemd,systemd-sysv,dbus,containerd,runc,containernetworking-plugins
packages+=,iptables,nftables,iproute2,conntrack,ethtool,socat,mount,util-linux,procps,kmod
packages+=,ca-certificates,hostname,busybox-static
exec nice mmdebstrap --variant=minbase --include="$packages" \
  --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
  --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  "$1" "$2"
