"""What all servers have: a temporary folder, free ports, processes, a deadline for getting ready."""
import http.client
import os
import random
import shutil
import socket
import sys
import tempfile
import threading

from . import guardian
from .process import Process

# Debian's servers belong to Debian's Python, not to that of a virtual environment; -I keeps the
# environment out of it.
SYSTEM_PYTHON = ["/usr/bin/python3", "-I"]

_ports = set()
_ports_lock = threading.Lock()


def free_port():
    """A port that nobody listens on, below those that the kernel gives to clients."""
    source = random.SystemRandom()
    while True:
        port = source.randrange(12_000, 32_000)
        with _ports_lock:
            if port in _ports:
                continue
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
            _ports.add(port)
            return port


class Server:
    """A server of one or more processes. Subclasses have `launch`, `ready` and `environment`."""

    name = "server"
    start_deadline = 90

    def __init__(self):
        self.folder = None
        self.processes = []
        # Set once the server answers; others may wait for it.
        self.is_up = threading.Event()
        self.has_failed = False

    # What subclasses say.

    def launch(self):
        """Prepares the data and starts the processes."""
        raise NotImplementedError

    def ready(self):
        """Waits, within `start_deadline`, until requests are answered."""

    def environment(self):
        """The variables by which clients find the server."""
        return {}

    # What they all do.

    def start(self):
        self.folder = tempfile.mkdtemp(prefix=f"lifeboat-{self.name}-")
        guardian.watch_folder(self.folder)
        os.makedirs(self.path("log"))
        try:
            self.launch()
            self.ready()
            self.is_up.set()
        except BaseException:
            self.has_failed = True
            self.show_logs()
            self.stop()
            raise
        return self

    def stop(self):
        for process in reversed(self.processes):
            process.stop(self.grace(process))
        self.processes.clear()
        if self.folder and os.environ.get("LIFEBOAT_TEST_KEEP"):
            print(f"# kept {self.folder}", file=sys.stderr)
            guardian.forget_folder(self.folder)
        elif self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
            guardian.forget_folder(self.folder)
        self.folder = None

    def grace(self, process):
        """Seconds that a process may take to end by itself."""
        return 5

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, text, mode=0o600):
        with open(self.path(name), "w", opener=lambda p, f: os.open(p, f, mode)) as file:
            file.write(text)
        return self.path(name)

    def process(self, name, command, environment=None):
        """Makes and starts a process of this server."""
        process = Process(name, command, self.path("log", f"{name}.log"), environment)
        self.processes.append(process.start())
        return process

    def show_logs(self):
        """Writes the ends of all logs to standard error."""
        folder = self.path("log") if self.folder else None
        for name in sorted(os.listdir(folder)) if folder else []:
            lines = Process(name, [], os.path.join(folder, name)).last_lines(6)
            if lines:
                print(f"# {self.name}: {name}", *(f"#   {line[:300]}" for line in lines), sep="\n",
                      file=sys.stderr)


def answers(port, path="/", below=500):
    """Whether a server on this port answers a request without an error of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < below
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def start_all(*servers):
    """Starts several servers at once; when one fails, all are stopped and its error is raised."""
    errors = []

    def start(server):
        try:
            server.start()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=start, args=(server,)) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        stop_all(*servers)
        raise errors[0]
    return servers


def stop_all(*servers):
    threads = [threading.Thread(target=server.stop) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
