#!/bin/sh
# systemd itself as process 1 of namespaces of its own: service_manager.sh DIRECTORY LIBRARY PYTHON
# DIRECTORY has units/ (all that there are), etc/ (becomes /etc/bearer-gateway) and program. LIBRARY has the package gateway.
# The network is that of the machine. Nothing that is mounted here is seen outside.
set -eu
directory=$1 library=$2 environment=$3

if [ "${INSIDE:-}" != yes ]; then
    # A cgroup of its own, which becomes the root of what it sees. Hybrid machines have the tree that systemd manages beside.
    for tree in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
        [ -e "$tree/cgroup.procs" ] || continue
        mkdir -p "$tree/bearer-gateway-test-$$"
        echo $$ >"$tree/bearer-gateway-test-$$/cgroup.procs"
    done
    INSIDE=yes exec unshare --cgroup --pid --mount --ipc --uts --fork --mount-proc --kill-child "$0" "$@"
fi

hybrid=no
[ ! -e /sys/fs/cgroup/systemd/cgroup.procs ] || hybrid=yes
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/systemd /run/lock
# What the machine has installed is not started here: no units but ours, no init scripts, nothing that generators find.
cp -a /etc /run/etc
rm -rf /run/etc/systemd /run/etc/init.d /run/etc/fstab
mkdir -p /run/etc/systemd/system /run/etc/bearer-gateway
mount --bind /run/etc /etc
mount --bind "$directory/etc" /etc/bearer-gateway
mount --bind "$directory/units" /usr/lib/systemd/system
mount -t tmpfs tmpfs /var/lib/systemd
mount -t tmpfs -o mode=755 tmpfs /opt
mkdir -p /opt/bearer-gateway/bin /opt/bearer-gateway/lib /opt/bearer-gateway/python
mount --bind "$library" /opt/bearer-gateway/lib
mount --bind "$environment" /opt/bearer-gateway/python
cp "$directory/program" /opt/bearer-gateway/bin/bearer-gateway

umount -R /sys/fs/cgroup
if [ $hybrid = yes ]; then
    mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
    mkdir /sys/fs/cgroup/systemd /sys/fs/cgroup/unified
    mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
    mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
else
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
# Credentials of a service are mounted by a process with namespaces of its own, and arrive in ours.
mount --make-rshared /
exec env -i container=test PATH="$PATH" /usr/lib/systemd/systemd --unit=multi-user.target --log-target=console --show-status=no
