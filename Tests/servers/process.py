"""One process of a server, in a process group of its own, with a log."""
import os
import signal
import subprocess
import time

from . import guardian


class Process:
    def __init__(self, name, command, log, environment=None):
        self.name, self.command, self.log, self.environment = name, command, log, environment
        self.popen = None

    def start(self):
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.environment, cwd="/", start_new_session=True)
        guardian.watch_group(self.popen.pid)
        return self

    @property
    def running(self):
        return self.popen is not None and self.popen.poll() is None

    def _signal(self, number):
        try:
            os.killpg(self.popen.pid, number)
        except ProcessLookupError:
            pass

    def stop(self, grace=10):
        """Asks the process to end, and after `grace` seconds ends its whole group."""
        if self.popen is None:
            return
        if self.running and grace > 0:
            self._signal(signal.SIGTERM)
            try:
                self.popen.wait(grace)
            except subprocess.TimeoutExpired:
                pass
        self._signal(signal.SIGKILL)
        self.popen.wait(30)
        guardian.forget_group(self.popen.pid)
        self.popen = None

    def kill(self):
        self.stop(grace=0)

    def pause(self):
        self._signal(signal.SIGSTOP)

    def resume(self):
        self._signal(signal.SIGCONT)

    def last_lines(self, count=15):
        try:
            with open(self.log, "rb") as log:
                log.seek(0, os.SEEK_END)
                log.seek(max(0, log.tell() - 20_000))
                return log.read().decode(errors="replace").splitlines()[-count:]
        except OSError:
            return []


def run(command, deadline=60, environment=None, input=None):
    """Runs a tool of a server to its end and returns what it printed; an error tells why."""
    result = subprocess.run(
        command, input=input, capture_output=True, env=environment, timeout=deadline, cwd="/",
        stdin=None if input is not None else subprocess.DEVNULL)
    if result.returncode != 0:
        raise RuntimeError(
            f"{' '.join(command[:4])}…: exit {result.returncode}: "
            f"{result.stderr.decode(errors='replace')[-800:]}")
    return result.stdout


def wait_until(condition, deadline, what, processes=()):
    """Waits until `condition()` is true; gives up at the deadline and when a process has ended."""
    end = time.monotonic() + deadline
    while not condition():
        for process in processes:
            if not process.running:
                raise RuntimeError(f"{what}: {process.name} ended")
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not within {deadline} s")
        time.sleep(0.05)
