"""What the suites on object stores share: servers of their own, and labs whose repository is there."""
import atexit
import os
import sys
import threading

from harness import *

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from servers.ceph import Ceph  # noqa: E402
from servers.clients import S3Client, SwiftClient  # noqa: E402
from servers.fault_proxy import FaultProxy  # noqa: E402
from servers.faults import MODES, Fault, usual_faults  # noqa: E402
from servers.keystone import Keystone  # noqa: E402
from servers.rclone import Rclone  # noqa: E402
from servers.server import free_port, start_all, stop_all  # noqa: E402
from servers.swift import Swift  # noqa: E402
from servers.tls import TLSFront  # noqa: E402

LABORATORY = os.path.join(os.path.dirname(PROGRAM), "lifeboat-lab")
SERVERS = []

# Waiting for a silent store is what takes the time in these tests, so they wait less.
SHORT_DEADLINES = {
    "LIFEBOAT_CONNECT_TIMEOUT": "3", "LIFEBOAT_STALL_TIMEOUT": "3",
    "LIFEBOAT_REQUEST_TIMEOUT": "10"}


def run_servers(*servers):
    """Starts servers at once; they run until the suite ends."""
    SERVERS.extend(servers)
    return start_all(*servers)


@atexit.register
def end_servers():
    if SERVERS and Lab.failures:
        for server in SERVERS:
            if hasattr(server, "show_logs"):
                server.show_logs()
    stop_all(*reversed(SERVERS))
    SERVERS.clear()


class Place:
    """A store as a user names it: a location without its prefix, and variables."""

    def __init__(self, kind, base, variables, options="", container=None, client=None):
        self.kind, self.base, self.variables, self.options = kind, base, variables, options
        self.container, self.client = container, client

    def location(self, prefix):
        return f"{self.base}/{prefix}" + (f"?{self.options}" if self.options else "")

    def secrets(self):
        """Everything among the variables that nobody may see."""
        return [value for name, value in self.variables.items()
                if name in ("AWS_SECRET_ACCESS_KEY", "ST_KEY", "OS_PASSWORD",
                            "OS_APPLICATION_CREDENTIAL_SECRET")]

    def names(self, prefix):
        """Names below the prefix and sizes, as another client sees them."""
        return self.client().list(self.container, prefix + "/")


def s3_place(server, url=None, bucket="repositories", authority=None):
    """The S3 side of a server, at `url` if it is reached by way of something else."""
    def client():
        return S3Client(server.url, *list(server.s3_environment().values())[:2])
    return Place("s3", f"s3:{url or server.url}/{bucket}", server.s3_environment(),
                 f"ca={authority}" if authority else "", bucket, client)


def swift_place(server, url=None, container="repositories", authority=None):
    """The Swift side of a server, at `url` if it is reached by way of something else."""
    variables = server.swift_environment()

    def client():
        return SwiftClient(*variables.values())
    if url:
        authentication = variables["ST_AUTH"].removeprefix(server.url)
        storage = client().url.removeprefix(server.url)
        variables = {**variables, "ST_AUTH": url + authentication,
                     "OS_STORAGE_URL": url + storage}
    if authority:
        variables["OS_CACERT"] = authority
    original = server.swift_environment()
    return Place("swift", f"swift:{container}", variables, container=container,
                 client=lambda: SwiftClient(*original.values()))


class StoreLab(Lab):
    """A lab whose repository is in an object store; keeps all that its runs print."""

    numbers = iter(range(1, 1 << 30))
    numbers_lock = threading.Lock()

    def __init__(self, place, init=True, prefix=None, variables=None):
        super().__init__(init=False)
        with self.numbers_lock:
            number = next(self.numbers)
        self.place, self.prefix = place, prefix or f"lab-{os.getpid()}-{number}"
        self.repo = place.location(self.prefix)
        self.variables = {**place.variables, **SHORT_DEADLINES, **(variables or {})}
        self.printed = []
        if init:
            self.init().expect(0)

    def init(self, **options):
        return self.run("init", "--recovery-key-file", self.recovery, "--new-key-file", self.key,
                        "--minimum-age", "0s", **options)

    def environment(self, extra=None):
        kept = {name: value for name, value in super().environment().items()
                if not name.startswith(("AWS_", "OS_", "ST_")) and not name.lower().endswith("_proxy")}
        return {**kept, **self.variables, **(extra or {})}

    def run(self, *arguments, **options):
        result = super().run(*arguments, **options)
        self.printed.append(result.out + result.err)
        return result

    def objects(self, prefix=""):
        start = self.prefix + "/"
        found = {name.removeprefix(start): size
                 for name, size in self.place.names(self.prefix).items()}
        return {name: size for name, size in found.items() if name.startswith(prefix)}

    def member(self, role, name):
        """A host of its own, with the keys of a new member."""
        host = StoreLab(self.place, init=False, prefix=self.prefix, variables=self.variables)
        host.repo, host.recovery, host.key = self.repo, self.recovery, host.path(f"{name}.key")
        self.run("key", "enrol", "--role", role, "--label", name, "--new-key-file", host.key,
                 "--recovery-key-file", self.recovery).expect(0)
        return host

    def check_secrecy(self):
        """No secret of the store is in what was printed, remembered or stored on this host."""
        texts = list(self.printed)
        for top in (self.state, self.cache):
            for folder, _, names in os.walk(top):
                for name in names:
                    with open(os.path.join(folder, name), "rb") as file:
                        texts.append(file.read())
        for secret in self.place.secrets():
            for text in texts:
                check(secret.encode() not in text, "a secret of the store was written down")


class ProcessWatch(threading.Thread):
    """Looks at all command lines while something runs; `found` are those that hold a secret."""

    def __init__(self, secrets):
        super().__init__(daemon=True)
        self.secrets = [secret.encode() for secret in secrets]
        self.found, self.looked, self.ended = [], 0, threading.Event()

    def run(self):
        while not self.ended.wait(0.05):
            for process in os.listdir("/proc"):
                if not process.isdigit():
                    continue
                try:
                    with open(f"/proc/{process}/cmdline", "rb") as file:
                        line = file.read()
                except OSError:
                    continue
                # The gateway's own tool, with which the tests make users.
                if line.startswith(b"radosgw-admin"):
                    continue
                self.looked += PROGRAM.encode() in line
                if any(secret in line for secret in self.secrets):
                    self.found.append(line)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()
