#!/bin/bash
# Makes the image of a node: build.sh IMAGE KUBERNETES ETCD COREDNS PAUSE
# In the current folder: rootfs.tar, and the programs kube, etcd, coredns, pause. PYTHON runs
# lab.archive.
set -euo pipefail
image=$1 kubernetes=$2 etcd=$3 coredns=$4 pause=$5
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$PWD/assembly root=$PWD/assembly/root registry=registry.k8s.io
rm -rf "$work"
mkdir -p "$root" "$work/images"

echo "unpacking the root file system"
tar -C "$root" -xf rootfs.tar --exclude='./dev/*'
(
  cd "$root"
  rm -rf var/cache/apt/* var/lib/apt/lists/* usr/share/{doc,man,locale} var/log/*
  rm -f usr/bin/containerd-shim usr/bin/containerd-shim-runc-v1
)

echo "collecting kube-proxy's tools with their libraries"
proxy=$work/proxy
libraries=usr/lib/x86_64-linux-gnu
mkdir -p "$proxy"/{usr/bin,usr/sbin,usr/lib,usr/lib64,usr/local/bin,etc,tmp,run}
for folder in bin sbin lib lib64; do ln -s "usr/$folder" "$proxy/$folder"; done
# The extensions of xtables are loaded at run time, so their libraries are needed as well.
mapfile -t parts < <(cd "$root" && printf '%s\n' usr/sbin/nft usr/sbin/xtables-nft-multi \
  usr/sbin/conntrack $libraries/xtables/*.so)
for part in "${parts[@]}"; do install -D "$root/$part" "$proxy/$part"; done
for part in "${parts[@]}"; do
  { chroot "$root" ldd "/$part" 2>/dev/null || true; } | grep -o '/[^ ]*\.so[^ ]*' || true
done | sort -u | while read -r library; do
  [[ -e $proxy$library ]] || install -D "$(realpath "$root$library")" "$proxy$library"
done
for name in iptables{,-save,-restore} ip6tables{,-save,-restore}; do
  ln -s xtables-nft-multi "$proxy/usr/sbin/$name"
done
cp "$root"/etc/{protocols,services} "$proxy/etc/" 2>/dev/null || true
cp -L "$root/usr/bin/busybox" "$proxy/usr/bin/"
for name in sh sleep ip cmp mv cat mkdir test; do ln -s busybox "$proxy/usr/bin/$name"; done
cp kube "$proxy/usr/local/bin/"
for name in kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubectl; do
  ln -s kube "$proxy/usr/local/bin/$name"
done
chroot "$proxy" /usr/sbin/iptables --version

echo "making the images of the control plane"
archive() { "$PYTHON" -m lab.archive "$work/images/$1.tar" "${@:2}"; }
names=$registry/kube-apiserver:$kubernetes,$registry/kube-controller-manager:$kubernetes
names+=,$registry/kube-scheduler:$kubernetes,$registry/kube-proxy:$kubernetes,localhost/node-net:1
archive kube "$names" '[]' "$proxy=/"
archive etcd "$registry/etcd:$etcd" '[]' "$PWD/etcd=/usr/local/bin/etcd"
archive coredns "$registry/coredns/coredns:$coredns" '["/coredns"]' "$PWD/coredns=/coredns"
archive pause "$registry/pause:$pause" '["/pause"]' "$PWD/pause=/pause"

echo "importing them into a store of their own"
# Not unpacked: an overlay cannot lie on Docker's overlay; the node does it at its first start.
store=$work/containerd
mkdir -p "$store" "$work/run"
cat >"$work/containerd.toml" <<EOT
version = 2
root = "$store"
state = "$work/run"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "$work/run/c.sock"
[ttrpc]
address = "$work/run/c.ttrpc"
EOT
containerd -c "$work/containerd.toml" >"$work/containerd.log" 2>&1 &
daemon=$!
trap 'kill $daemon 2>/dev/null || true' EXIT
talk() { ctr --address "$work/run/c.sock" --namespace k8s.io "$@"; }
for _ in {1..100}; do
  talk version >/dev/null 2>&1 && break
  sleep 0.1
done
for one in "$work"/images/*.tar; do talk images import --all-platforms --no-unpack "$one"; done
# Pinned: the kubelet's collector of unused images leaves them alone.
talk images ls -q | while read -r name; do
  talk images label "$name" io.cri-containerd.pinned=pinned >/dev/null
done
kill $daemon
wait $daemon || true
trap - EXIT

echo "assembling"
cd "$root"
mkdir -p var/lib/containerd var/lib/kubelet etc/kubernetes/manifests opt/cni/bin kind
cp -a "$store/." var/lib/containerd/
cp -r --preserve=mode "$here/files/." .
echo "$kubernetes" >kind/version
install "$here/entrypoint" usr/local/bin/entrypoint
install "$work/../kube" usr/bin/kube
for name in kubelet kubectl kubeadm; do ln -s kube "usr/bin/$name"; done
for name in bridge host-local loopback portmap; do mv "usr/lib/cni/$name" opt/cni/bin/; done
rm -rf usr/lib/cni etc/cni/net.d/* etc/systemd/system/*.wants

echo "leaving of systemd what a node needs"
units=usr/lib/systemd/system
(
  cd $units
  rm -f {multi-user,graphical,timers,local-fs}.target.wants/* \
    {sockets,basic}.target.wants/*{udev,initctl}* \
    sysinit.target.wants/{systemd-tmpfiles-setup.service,systemd-sysctl*,systemd-modules-load*} \
    sysinit.target.wants/{systemd-binfmt*,systemd-firstboot*,systemd-machine-id-commit*} \
    sysinit.target.wants/{sys-kernel-*,proc-sys-fs-binfmt*,dev-hugepages*}
)
system=etc/systemd/system
mkdir -p $system/multi-user.target.wants
ln -s /lib/systemd/system/containerd.service $system/multi-user.target.wants/
ln -s /etc/systemd/system/kubelet.service $system/multi-user.target.wants/
ln -sf /lib/systemd/system/multi-user.target $system/default.target
for unit in systemd-{logind,binfmt,remount-fs,sysctl,udevd}.service getty.target \
  console-getty.service {apt-daily,apt-daily-upgrade,dpkg-db-backup,e2scrub_all,fstrim}.timer; do
  ln -sf /dev/null "$system/$unit"
done
printf '[Journal]\nReadKMsg=no\nStorage=volatile\nRuntimeMaxUse=64M\n' >etc/systemd/journald.conf
[[ -e sbin/init ]] || ln -s /lib/systemd/systemd sbin/init
rm -f etc/machine-id etc/hostname etc/resolv.conf
touch etc/machine-id

echo "importing the image"
tar -C "$root" --numeric-owner -cf - . | docker import - "$image-root" >/dev/null
# An image from `docker import` has no stop signal, without which kind waits for nothing.
mkdir "$work/context"
cat >"$work/context/Dockerfile" <<EOT
FROM $image-root
ENV container=docker PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
STOPSIGNAL SIGRTMIN+3
ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]
EOT
DOCKER_BUILDKIT=0 docker build --quiet --tag "$image" "$work/context"
docker rmi "$image-root" >/dev/null
rm -rf "$work"
