"""The first process of a host: mounts what the host has for itself, and waits for orphans to end.

Run in new namespaces (mounts, network, names, processes), with the host's folder and name.
"""
import glob
import os
import signal
import socket
import subprocess
import sys


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def main(folder, name):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for own, place in (("run", "/run/libvirt"), ("etc", "/etc/libvirt"), ("lib", "/var/lib/libvirt"),
                       ("log", "/var/log/libvirt"), ("cache", "/var/cache/libvirt"),
                       ("lifeboat", "/run/lifeboat")):
        os.makedirs(place, exist_ok=True)
        mount("--bind", os.path.join(folder, own), place)
    os.makedirs("/run/netns", exist_ok=True)
    mount("-t", "tmpfs", "tmpfs", "/run/netns")
    # What this shows of the network belongs to the namespace that it was mounted in.
    mount("-t", "sysfs", "sysfs", "/sys")
    # The daemon asks every emulator that is installed what it can do, for two seconds each.
    for emulator in glob.glob("/usr/bin/qemu-system-*"):
        if not emulator.endswith("-x86_64") and os.path.realpath(emulator) == emulator:
            mount("--bind", "/dev/null", emulator)
    socket.sethostname(name)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # Linux answers for any of its addresses on any of its interfaces, and does not look where packets
    # come from: a guest in a network of its own would reach the host's other addresses.
    for setting, value in (("ip_forward", 1), ("conf/all/arp_ignore", 1), ("conf/all/arp_announce", 2),
                           ("conf/all/rp_filter", 1)):
        with open(f"/proc/sys/net/ipv4/{setting}", "w") as file:
            file.write(str(value))
    with open(os.path.join(folder, "ready"), "w"):
        pass
    while True:
        try:
            os.wait()
        except ChildProcessError:
            signal.sigtimedwait([signal.SIGCHLD], 0.2)


if __name__ == "__main__":
    main(*sys.argv[1:])
