"""A guest of QEMU alone, without libvirt: its monitor, its agent and its web server on sockets of ours."""
import contextlib
import http.client
import json
import shutil

from servers.process import run, wait_until
from servers.server import Server, free_port

from . import images
from .inside import Inside
from .monitor import Monitor, Refused, ask_agent

KERNEL_ARGUMENTS = f"{images.KERNEL_ARGUMENTS} guest.eth0=10.0.2.15/24"


class Plain(Inside, Server):
    """`disks` are node names and files of qcow2, by default fresh copies as `root` and `data`."""

    name = "plain"

    def __init__(self, disks=None):
        super().__init__()
        self.disks = disks
        self.port = free_port()
        self.qemu = None

    def launch(self):
        built = images.build()
        if self.disks is None:
            self.disks = {"root": self.path("root.qcow2"), "data": self.path("data.qcow2")}
            shutil.copyfile(built.root, self.disks["root"])
            shutil.copyfile(built.data, self.disks["data"])
        self.launch_qemu(built)

    def launch_qemu(self, built):
        command = [
            "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-cpu", "max", "-m", "256",
            "-nodefaults", "-no-user-config", "-display", "none", "-kernel", built.kernel, "-initrd",
            built.initrd, "-append", KERNEL_ARGUMENTS, "-serial", f"file:{self.path('serial.log')}",
            "-device", "virtio-serial-pci", "-device",
            "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
            "-chardev", f"socket,id=agent,path={self.agent_socket},server=on,wait=off",
            "-chardev", f"socket,id=monitor,path={self.monitor_socket},server=on,wait=off",
            "-mon", "chardev=monitor,mode=control",
            "-netdev", f"user,id=network,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:80",
            "-device", "virtio-net-pci,netdev=network,romfile="]
        for node, path in self.disks.items():
            command += ["-blockdev", json.dumps({
                "driver": "qcow2", "node-name": node, "discard": "unmap",
                "file": {"driver": "file", "filename": path}}),
                "-device", f"virtio-blk-pci,drive={node},id={node}-device"]
        self.qemu = self.process("qemu", command)

    def ready(self):
        wait_until(self.answers, self.start_deadline, "the agent and the web server", [self.qemu])

    @property
    def agent_socket(self):
        return self.path("agent.sock")

    @property
    def monitor_socket(self):
        return self.path("monitor.sock")

    # Its life.

    def wait_ready(self):
        begun = self.number_now() or 0
        wait_until(lambda: self.answers() and self.number_now() > begun, self.start_deadline,
                   "records and the agent", [self.qemu])
        return self

    def kill(self):
        """kill -9 of QEMU."""
        self.qemu.kill()
        self.processes.remove(self.qemu)

    def start_again(self):
        """A new QEMU with the disks of one that has ended."""
        self.launch_qemu(images.build())
        self.ready()
        return self.wait_ready()

    @contextlib.contextmanager
    def paused(self):
        """While this lasts the guest stands still, and its disks' files hold all that it wrote."""
        self.ask_monitor("stop")
        try:
            yield self
        finally:
            self.ask_monitor("cont")

    # Ways into it.

    def agent_answers(self):
        try:
            ask_agent(self.agent_socket, "guest-ping", deadline=2)
            return True
        except (OSError, ValueError, Refused):
            return False

    def answers(self):
        return self.agent_answers() and (self.number_now() or 0) > 0

    def monitor(self):
        return Monitor(self.monitor_socket)

    def ask_monitor(self, command, **arguments):
        """One command to QEMU, whose socket has one client at a time."""
        monitor = self.monitor()
        try:
            return monitor.ask(command, **arguments)
        finally:
            monitor.close()

    def ask_agent(self, command, deadline=30, **arguments):
        return ask_agent(self.agent_socket, command, deadline, **arguments)

    def send(self, method, path, body=None, deadline=15):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=deadline)
        try:
            connection.request(method, path, body)
            return connection.getresponse().read()
        finally:
            connection.close()

    # Its disks, by the names that their devices have.

    def disk_files(self):
        return {f"{node}-device": path for node, path in self.disks.items()}

    def bitmaps(self, name):
        """Bitmaps of a disk by name."""
        for found in self.ask_monitor("query-named-block-nodes", flat=True):
            if found["node-name"] == name.removesuffix("-device"):
                return {bitmap["name"]: bitmap for bitmap in found.get("dirty-bitmaps", [])
                        if "name" in bitmap}
        raise KeyError(name)

    def read_disk(self, name, path):
        """A raw copy of a disk; exact while the guest is paused."""
        run(["qemu-img", "convert", "-U", "-O", "raw", self.disk_files()[name], path], deadline=120)
        return path
