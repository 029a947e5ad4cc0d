"""A small Linux guest made of Debian's packages: kernel, initial RAM disk, a disk that boots, disks of data.

Nothing is installed; what was built is kept in `.build/guests`, by a digest of all that it was built from.
"""
import fcntl
import hashlib
import os
import shutil
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from servers.process import run  # noqa: E402

FOLDER = os.path.dirname(os.path.abspath(__file__))
RECIPE = os.path.join(FOLDER, "guest")
CACHE = os.environ.get("LIFEBOAT_TEST_GUESTS") or os.path.join(
    os.path.dirname(os.path.dirname(FOLDER)), ".build", "guests")
MIB = 1 << 20

# In the order in which they have to be loaded.
MODULES = ["virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci",
           "virtio_blk", "failover", "net_failover", "virtio_net", "virtio_console"]
LATER_MODULES = ["libcrc32c", "xfs", "button", "evdev"]

KERNEL_ARGUMENTS = ("console=ttyS0 quiet mitigations=off nokaslr no_timer_check tsc=reliable panic=-1 "
                    "net.ifnames=0")

# Where the recipe's files go in the guest.
PLACES = {
    "inittab": "etc/inittab", "start": "etc/guest/start", "end": "etc/guest/end",
    "agent": "etc/guest/agent", "application": "etc/guest/application",
    "freeze": "etc/guest/freeze", "address": "etc/guest/address",
    "freeze-application": "etc/qemu/fsfreeze-hook.d/10-application", "shutdown": "sbin/shutdown",
    "status.cgi": "srv/cgi-bin/status", "shell.cgi": "srv/cgi-bin/shell"}

# extlinux cannot read extents, and stumbles over these others.
BOOT_FEATURES = "^64bit,^metadata_csum,^extent,^flex_bg,^huge_file,^uninit_bg"
PARTITION_START = 1 * MIB

EXTLINUX_CONFIGURATION = f"""SERIAL 0 115200
DEFAULT guest
TIMEOUT 1
LABEL guest
  KERNEL /boot/vmlinuz
  INITRD /boot/initrd
  APPEND {KERNEL_ARGUMENTS}
"""


class Images:
    """Paths of what was built: `kernel`, `initrd`, `root` (it boots by itself), `data`, `data_xfs`."""

    def __init__(self, folder):
        self.folder = folder
        self.kernel = os.path.join(folder, "vmlinux")
        self.initrd = os.path.join(folder, "initrd")
        self.root = os.path.join(folder, "root.qcow2")
        self.data = os.path.join(folder, "data.qcow2")
        self.data_xfs = os.path.join(folder, "data-xfs.qcow2")


def build():
    """The images, built where that has not been done yet; several processes may ask at once."""
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        packages = fetch_packages()
        folder = os.path.join(CACHE, digest_of_inputs(packages))
        if not os.path.exists(folder):
            # In a mount namespace of its own, mounts end with the process whatever happens.
            partial = tempfile.mkdtemp(prefix="partial-", dir=CACHE)
            try:
                run(["unshare", "--mount", "--propagation", "private", "--", "/usr/bin/python3", "-I",
                     os.path.abspath(__file__), partial, *packages], deadline=300)
                os.rename(os.path.join(partial, "images"), folder)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        return Images(folder)


def fetch_packages():
    """Downloads the kernel and the agent, once."""
    folder = os.path.join(CACHE, "packages")
    os.makedirs(folder, exist_ok=True)

    def present():
        names = sorted(name for name in os.listdir(folder) if name.endswith(".deb"))
        found = [[name for name in names if name.startswith(prefix)]
                 for prefix in ("linux-image-", "qemu-guest-agent_")]
        return [os.path.join(folder, each[-1]) for each in found] if all(found) else None

    if not present():
        depends = run(["apt-cache", "depends", "linux-image-cloud-amd64"]).decode()
        kernel = next(line.split()[-1] for line in depends.splitlines() if "linux-image-" in line
                      and "Depends:" in line)
        command = ["apt-get", "download", "-qq", kernel, "qemu-guest-agent"]
        # The lists may be old; fetching them helps then.
        if subprocess.run(command, cwd=folder, capture_output=True).returncode:
            run(["apt-get", "-qq", "update"], deadline=300)
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
    return present()


def digest_of_inputs(packages):
    digest = hashlib.sha256()
    files = [os.path.abspath(__file__), "/bin/busybox", "/usr/bin/sqlite3", *packages]
    files += [os.path.join(RECIPE, name) for name in sorted(os.listdir(RECIPE))]
    for path in files:
        with open(path, "rb") as file:
            digest.update(os.path.basename(path).encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


# What follows runs in a process of its own.


class Builder:
    def __init__(self, folder, kernel_package, agent_package):
        self.folder = folder
        self.kernel_package, self.agent_package = kernel_package, agent_package
        self.images = Images(self.path("images"))
        os.makedirs(self.images.folder)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def build(self):
        for package, name in ((self.kernel_package, "kernel"), (self.agent_package, "agent")):
            run(["dpkg-deb", "-x", package, self.path(name)])
        boot = self.path("kernel", "boot")
        self.compressed_kernel = next(
            os.path.join(boot, name) for name in os.listdir(boot) if name.startswith("vmlinuz"))
        self.modules = {
            name.removesuffix(".ko"): os.path.join(place, name)
            for place, _, names in os.walk(self.path("kernel", "lib", "modules")) for name in names
            if name.endswith(".ko")}
        self.uncompress_kernel()
        self.make_initrd()
        root = self.make_root_tree()
        data = self.make_data_tree()
        self.make_boot_disk(root)
        raw = self.blank("data.raw", 256 * MIB)
        run(["mke2fs", "-q", "-t", "ext4", "-L", "guest-data", "-E", "root_owner=0:0", "-d", data, raw])
        self.convert(raw, self.images.data)
        raw = self.blank("xfs.raw", 320 * MIB)
        run(["mkfs.xfs", "-q", "-L", "guest-data", raw])
        with Mounted(raw, self.path("xfs")) as mounted:
            run(["cp", "-a", data + "/.", mounted])
        self.convert(raw, self.images.data_xfs)

    def uncompress_kernel(self):
        """An uncompressed kernel starts seconds earlier where the processor is emulated."""
        with open(self.compressed_kernel, "rb") as file:
            packed = file.read()
        start = packed.index(bytes.fromhex("02214c18"))
        # Something follows the kernel, which the decompressor complains about.
        result = subprocess.run(["lz4", "-dc"], input=packed[start:], capture_output=True)
        if result.stdout[:4] != b"\x7fELF":
            raise RuntimeError("the kernel is not compressed by LZ4 as expected")
        with open(self.images.kernel, "wb") as file:
            file.write(result.stdout)

    def make_initrd(self):
        tree = self.path("initrd")
        for name in ("bin", "dev", "proc", "sys", "new", "modules"):
            os.makedirs(os.path.join(tree, name))
        shutil.copy("/bin/busybox", os.path.join(tree, "bin"))
        present = [name for name in MODULES if name in self.modules]
        for name in present:
            shutil.copy(self.modules[name], os.path.join(tree, "modules"))
        write(os.path.join(tree, "modules", "order"), "\n".join(present) + "\n")
        shutil.copy(os.path.join(RECIPE, "init.sh"), os.path.join(tree, "init"))
        names = [os.path.relpath(os.path.join(place, name), tree)
                 for place, folders, files in os.walk(tree) for name in folders + files]
        archive = subprocess.run(
            ["cpio", "--create", "--format=newc", "--quiet"], cwd=tree, capture_output=True, check=True,
            input="\n".join([".", *sorted(names)]).encode())
        with open(self.images.initrd, "wb") as file:
            file.write(archive.stdout)

    def make_root_tree(self):
        tree = self.path("root")
        for name in ("bin", "sbin", "usr/sbin", "etc/qemu", "etc/guest", "dev", "proc", "sys", "tmp",
                     "run", "var/log", "data", "root", "lib64", "lib/guest", "boot/extlinux",
                     "lib/x86_64-linux-gnu", "etc/acpi/PWRF", "srv"):
            os.makedirs(os.path.join(tree, name))
        os.symlink("../run", os.path.join(tree, "var", "run"))
        os.symlink("/data/public", os.path.join(tree, "srv", "public"))
        shutil.copy("/bin/busybox", os.path.join(tree, "bin"))
        applets = run(["/bin/busybox", "--list"]).decode().split()
        for name in applets:
            if name not in ("busybox", "shutdown"):
                os.symlink("/bin/busybox", os.path.join(tree, "bin", name))
        os.symlink("/bin/busybox", os.path.join(tree, "sbin", "init"))
        agent = self.path("agent")
        shutil.copy(os.path.join(agent, "etc/qemu/fsfreeze-hook"), os.path.join(tree, "etc/qemu"))
        for program, place in ((os.path.join(agent, "usr/sbin/qemu-ga"), "usr/sbin"),
                               ("/usr/bin/sqlite3", "bin")):
            shutil.copy(program, os.path.join(tree, place))
            for library in libraries(program):
                shutil.copy(library, os.path.join(tree, "lib/x86_64-linux-gnu"))
        shutil.copy("/lib64/ld-linux-x86-64.so.2", os.path.join(tree, "lib64"))
        for name in LATER_MODULES:
            shutil.copy(self.modules[name], os.path.join(tree, "lib/guest"))
        for name, place in PLACES.items():
            os.makedirs(os.path.dirname(os.path.join(tree, place)), exist_ok=True)
            shutil.copy(os.path.join(RECIPE, name), os.path.join(tree, place))
        write(os.path.join(tree, "etc/acpi/PWRF/00000080"), "#!/bin/sh\npoweroff\n", 0o755)
        write(os.path.join(tree, "etc/hostname"), "guest\n")
        write(os.path.join(tree, "etc/passwd"), "root::0:0:root:/root:/bin/sh\n")
        write(os.path.join(tree, "etc/group"), "root:x:0:\n")
        write(os.path.join(tree, "etc/os-release"),
              'ID=guest\nNAME="Guest"\nPRETTY_NAME="Guest of the tests 1"\nVERSION_ID="1"\n')
        shutil.copy(self.compressed_kernel, os.path.join(tree, "boot/vmlinuz"))
        shutil.copy(self.images.initrd, os.path.join(tree, "boot/initrd"))
        write(os.path.join(tree, "boot/extlinux/extlinux.conf"), EXTLINUX_CONFIGURATION)
        return tree

    def make_data_tree(self):
        tree = self.path("data")
        public = os.path.join(tree, "public")
        os.makedirs(public)
        os.makedirs(os.path.join(tree, "application"))
        write(os.path.join(public, "index.html"), "data of the guest\n")
        # The same in every build, and it does not compress.
        pieces = (hashlib.sha256(str(number).encode()).digest() for number in range(8 * MIB // 32))
        with open(os.path.join(public, "noise"), "wb") as file:
            file.write(b"".join(pieces))
        sums = run(["sh", "-c", f"cd {public} && sha256sum *"]).decode()
        write(os.path.join(public, "SHA256SUMS"), sums)
        return tree

    def make_boot_disk(self, tree):
        """BIOS, extlinux, kernel and initial RAM disk: all on the disk, in its one partition."""
        size = 128 * MIB
        partition = self.blank("partition.raw", size - PARTITION_START)
        run(["mke2fs", "-q", "-t", "ext4", "-O", BOOT_FEATURES, "-L", "guest-root", "-E",
             "root_owner=0:0", "-d", tree, partition])
        with Mounted(partition, self.path("partition")) as mounted:
            run(["extlinux", "--install", os.path.join(mounted, "boot/extlinux")])
        disk = self.blank("root.raw", size)
        # Active, of type 0x83, addressed by sector numbers alone.
        entry = struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff",
                            PARTITION_START // 512, (size - PARTITION_START) // 512)
        with open(disk, "r+b") as file, open(boot_sector(), "rb") as code:
            file.write(code.read(440))
            file.seek(446)
            file.write(entry)
            file.seek(510)
            file.write(b"\x55\xaa")
        run(["dd", f"if={partition}", f"of={disk}", "bs=1M", f"seek={PARTITION_START // MIB}",
             "conv=notrunc,sparse", "status=none"])
        self.convert(disk, self.images.root)

    def blank(self, name, size):
        with open(self.path(name), "wb") as file:
            file.truncate(size)
        return self.path(name)

    def convert(self, raw, image):
        run(["qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", raw, image])


class Mounted:
    def __init__(self, image, place):
        self.image, self.place = image, place

    def __enter__(self):
        os.makedirs(self.place)
        run(["mount", "-o", "loop", self.image, self.place])
        return self.place

    def __exit__(self, *_):
        run(["umount", self.place])


def boot_sector():
    for path in ("/usr/lib/EXTLINUX/mbr.bin", "/usr/lib/syslinux/mbr/mbr.bin"):
        if os.path.exists(path):
            return path
    raise RuntimeError("extlinux has no boot sector here")


def libraries(program):
    lines = run(["ldd", program]).decode().splitlines()
    return [line.split("=>")[1].split()[0] for line in lines if "=> /" in line]


def write(path, text, mode=0o644):
    with open(path, "w", opener=lambda p, f: os.open(p, f, mode)) as file:
        file.write(text)


def main(folder, *packages):
    Builder(folder, *packages).build()


if __name__ == "__main__":
    main(*sys.argv[1:])
