"""Ends what a test process started, however that process itself ended.

A test may be killed at any moment, and servers run in process groups of their own. The guardian is one
more process: it is told over a pipe which groups and folders there are, and when the pipe closes it
ends and removes those that are left.
"""
import atexit
import os
import shutil
import signal
import subprocess
import sys
import threading

_lock = threading.Lock()
_process = None


def _tell(line):
    global _process
    with _lock:
        if _process is None:
            _process = subprocess.Popen(
                [sys.executable, os.path.abspath(__file__)], stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        _process.stdin.write(line.encode() + b"\n")
        _process.stdin.flush()


# Registered here and not with the first server: what tests register afterwards runs before it.
@atexit.register
def _close():
    if _process is not None:
        _process.stdin.close()
        _process.wait(30)


def watch_group(group):
    _tell(f"group {group}")


def forget_group(group):
    _tell(f"no-group {group}")


def watch_folder(path):
    _tell(f"folder {path}")


def forget_folder(path):
    _tell(f"no-folder {path}")


def main():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    left = {"group": set(), "folder": set()}
    for line in sys.stdin:
        kind, _, value = line.rstrip("\n").partition(" ")
        if kind.startswith("no-"):
            left[kind[3:]].discard(value)
        else:
            left[kind].add(value)
    for group in left["group"]:
        try:
            os.killpg(int(group), signal.SIGKILL)
        except ProcessLookupError:
            pass
    for folder in left["folder"]:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
