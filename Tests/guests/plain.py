"""A guest of QEMU alone, without libvirt: its monitor, its agent and its web server on sockets of ours."""
import http.client
import json
import shutil

from servers.process import wait_until
from servers.server import Server, free_port

from . import images
from .monitor import Monitor, Refused, ask_agent

KERNEL_ARGUMENTS = f"{images.KERNEL_ARGUMENTS} guest.eth0=10.0.2.15/24"


class Plain(Server):
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

    def answers(self):
        try:
            ask_agent(self.agent_socket, "guest-ping", deadline=2)
            return self.status()["number"] > 0
        except (OSError, ValueError, Refused, http.client.HTTPException):
            return False

    def monitor(self):
        return Monitor(self.monitor_socket)

    def ask_agent(self, command, deadline=30, **arguments):
        return ask_agent(self.agent_socket, command, deadline, **arguments)

    def request(self, method, path, body=None, deadline=15):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=deadline)
        try:
            connection.request(method, path, body)
            return connection.getresponse().read()
        finally:
            connection.close()

    def status(self):
        return json.loads(self.request("GET", "/cgi-bin/status", deadline=3))

    def call(self, script, deadline=60):
        """Runs a shell script in the guest and returns what it printed."""
        text, _, code = self.request("POST", "/cgi-bin/shell", script.encode(), deadline).decode(
            errors="replace").rpartition("\nexit ")
        if code.strip() != "0":
            raise RuntimeError(f"in the guest: {script[:80]}: {code.strip()}: {text[-400:]}")
        return text
