"""A host that runs guests: namespaces of its own, with its own libvirt. Several stand beside each other."""
import ctypes
import os
import shutil
import signal
import subprocess
import threading
import uuid

from servers.process import run, wait_until
from servers.server import SYSTEM_PYTHON, Server

from . import images
from .domain import Domain
from .networks import NETWORKS

FOLDER = os.path.dirname(os.path.abspath(__file__))
LIBC = ctypes.CDLL(None, use_errno=True)

QEMU_CONFIGURATION = """user = "{user}"
group = "{group}"
dynamic_ownership = {changes_owners}
remember_owner = 0
security_driver = "none"
cgroup_controllers = [ ]
namespaces = [ ]
seccomp_sandbox = 0
"""

DAEMON_CONFIGURATION = """unix_sock_group = "root"
unix_sock_rw_perms = "0700"
auth_unix_ro = "none"
auth_unix_rw = "none"
log_filters = "3:remote 4:event 3:util.json 3:rpc"
log_outputs = "2:file:{log}"
host_uuid = "{uuid}"
"""


class Host(Server):
    """One hypervisor. Everything that runs on it ends with it, and with the process that started it.

    `user` and `group` are whom QEMU runs as; where that is not root, libvirt gives disks to them and takes
    them back, as Debian's does.
    """

    start_deadline = 60
    numbers = iter(range(1, 1 << 30))

    def __init__(self, name=None, networks=("production",), user="root", group="root"):
        super().__init__()
        self.name = name or f"host{next(self.numbers)}"
        self.networks, self.user, self.group = networks, user, group
        self.domains = {}
        self.init = None

    # Life.

    def launch(self):
        self.images = images.build()
        for name in ("run", "etc/qemu/networks/autostart", "lib", "cache", "lifeboat", "disks"):
            os.makedirs(self.path(name))
        if self.user != "root":
            for name in (".", "disks"):
                os.chmod(self.path(name), 0o711)
        self.write("etc/qemu.conf", QEMU_CONFIGURATION.format(
            user=self.user, group=self.group, changes_owners=int(self.user != "root")))
        self.write("etc/libvirtd.conf", DAEMON_CONFIGURATION.format(
            log=self.path("log", "libvirtd.log"), uuid=uuid.uuid4()))
        # What the emulator can do takes seconds to find out; the daemon sees when it no longer holds.
        if os.path.isdir(self.known_capabilities):
            shutil.copytree(self.known_capabilities, self.path("cache", "qemu"))
        self.init = self.process("init", [
            "unshare", "--mount", "--net", "--uts", "--pid", "--fork", "--kill-child=SIGKILL",
            "--mount-proc", "--propagation", "private", "--", *SYSTEM_PYTHON,
            os.path.join(FOLDER, "host_init.py"), self.folder, self.name])
        wait_until(lambda: os.path.exists(self.path("ready")), 30, self.name, [self.init])
        self.run(["virtlogd", "--daemon", "--pid-file", "/run/libvirt/virtlogd.pid"])
        self.start_daemon()

    def ready(self):
        for name in self.networks:
            self.add_network(name)
        if not os.path.isdir(self.known_capabilities):
            partial = f"{self.known_capabilities}.{os.getpid()}.{self.name}"
            shutil.copytree(self.path("cache", "qemu"), partial)
            try:
                os.rename(partial, self.known_capabilities)
            except OSError:
                shutil.rmtree(partial)

    def stop(self):
        """Ends the host at once, as a power failure would: all its processes are killed."""
        if self.init:
            self.init.kill()
            self.init = None
        self.processes.clear()
        super().stop()

    def lose(self):
        """A power failure; what is on its disks stays until `stop`."""
        self.init.kill()

    @property
    def known_capabilities(self):
        return os.path.join(images.CACHE, "capabilities")

    # Commands on this host.

    def first_process(self):
        """The namespaces' first process, as others see it."""
        return children(self.init.popen.pid)[0]

    def prefix(self):
        """What stands before a command that is to run on this host, in the same working directory."""
        return [*SYSTEM_PYTHON, "-S", os.path.join(FOLDER, "enter.py"), str(self.first_process())]

    def quick_prefix(self):
        """The same for commands that nobody sends signals to."""
        return ["nsenter", "--target", str(self.first_process()), "--mount", "--net", "--uts", "--pid",
                "--"]

    def run(self, command, deadline=60, **options):
        """Runs a command on this host and returns what it printed."""
        return run([*self.quick_prefix(), *map(str, command)], deadline, **options)

    def attempt(self, command, deadline=60):
        """Runs a command that may fail; its exit code and all that it printed."""
        result = subprocess.run(
            [*self.quick_prefix(), *map(str, command)], capture_output=True, stdin=subprocess.DEVNULL,
            timeout=deadline)
        return result.returncode, (result.stdout + result.stderr).decode(errors="replace")

    def virsh(self, *arguments, deadline=60):
        return self.run(["virsh", "--quiet", "-c", "qemu:///system", *arguments], deadline).decode()

    def start_process(self, command, **options):
        """Starts a command on this host; `program_of` tells its own process."""
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen([*self.prefix(), *map(str, command)], **options)

    def program_of(self, popen):
        """The process of a command begun by `start_process`, whose parent only waits; or `None`."""
        return next(iter(children(popen.pid)), None)

    def kill_program(self, popen, number=signal.SIGKILL):
        """Sends a signal to the command itself; whether there was one."""
        process = self.program_of(popen)
        try:
            if process:
                os.kill(process, number)
        except ProcessLookupError:
            process = None
        return process is not None

    def read_pid(self, path):
        """A process's number on this host, from its file there."""
        return int(self.run(["cat", path]).decode().split()[0])

    # The daemon.

    @property
    def uri(self):
        """For clients outside of the host; on it, `qemu:///system` will do."""
        return f"qemu:///system?socket={self.path('run', 'libvirt-sock')}"

    def start_daemon(self, *options):
        self.run(["libvirtd", "--daemon", *options, "--config", "/etc/libvirt/libvirtd.conf", "--pid-file",
                  "/run/libvirt/libvirtd.pid"])
        wait_until(lambda: self.attempt(["virsh", "-c", "qemu:///system", "version"])[0] == 0,
                   self.start_deadline, f"libvirt on {self.name}", [self.init])

    def end_daemon(self, number=signal.SIGTERM):
        """Ends the daemon; guests run on."""
        process = self.read_pid("/run/libvirt/libvirtd.pid")
        self.run(["kill", f"-{int(number)}", process])
        wait_until(lambda: self.attempt(["test", "-d", f"/proc/{process}"])[0] != 0, 30,
                   f"the end of libvirt on {self.name}")

    def restart_daemon(self, number=signal.SIGTERM):
        self.end_daemon(number)
        self.start_daemon()

    def hold_daemon(self):
        self.run(["kill", "-STOP", self.read_pid("/run/libvirt/libvirtd.pid")])

    def release_daemon(self):
        self.run(["kill", "-CONT", self.read_pid("/run/libvirt/libvirtd.pid")])

    # Networks and guests.

    def add_network(self, name):
        self.virsh("net-define", self.write(f"network-{name}.xml", NETWORKS[name]))
        self.virsh("net-start", name)

    def domain(self, name="guest", **options):
        """A new guest with fresh disks; it is not started. See `Domain`."""
        self.domains[name] = Domain(self, name, **options).define()
        return self.domains[name]

    def adopt(self, name):
        """A guest that somebody else defined on this host."""
        self.domains[name] = Domain(self, name)
        return self.domains[name]

    def in_network(self, function):
        """Calls a function where this host's addresses are, and returns its result."""
        found = []

        def call():
            descriptor = os.open(f"/proc/{self.first_process()}/ns/net", os.O_RDONLY)
            try:
                # Of a thread, which ends with it.
                if LIBC.setns(descriptor, 0x40000000):
                    raise OSError(ctypes.get_errno(), "setns")
                found.append((function(), None))
            except Exception as error:
                found.append((None, error))
            finally:
                os.close(descriptor)

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        [(result, error)] = found
        if error:
            raise error
        return result


def children(process):
    try:
        with open(f"/proc/{process}/task/{process}/children") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []
