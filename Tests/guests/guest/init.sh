#!/bin/busybox sh
# The first program, from the initial RAM disk: loads the drivers that /modules/order names, and goes on
# with the root file system.
B=/bin/busybox
$B mount -t proc proc /proc
$B mount -t sysfs sysfs /sys
$B mount -t devtmpfs devtmpfs /dev
for module in $($B cat /modules/order); do $B insmod "/modules/$module.ko"; done
tries=0
until root=$($B findfs LABEL=guest-root 2>/dev/null); do
    tries=$((tries + 1))
    [ $tries -gt 300 ] && { echo GUEST-NO-ROOT; exec $B sh; }
    $B usleep 20000
done
$B mount -t ext4 -o noatime "$root" /new || { echo GUEST-ROOT-MOUNT-FAILED; exec $B sh; }
for folder in dev proc sys; do $B mount -o move "/$folder" "/new/$folder"; done
exec $B switch_root /new /sbin/init
