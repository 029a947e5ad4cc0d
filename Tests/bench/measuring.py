"""Runs commands, and says what they took."""
import os
import subprocess
import sys
import tempfile
import time

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SEED = 20140526
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def fail(message):
    sys.exit(f"bench: {message}")


def say(message):
    print(message, flush=True)


class Result(dict):
    """What one measured command took."""


def measure(command, env, stdin=None, stdout=None, cwd=None, then_sync=None, ok=(0,)):
    """Runs a command to its end; wall, CPU and peak memory are wait4's for it and its children.

    `stdout` is a path, or None to have the output returned as text; `then_sync` is a
    file whose fsync counts into the time.
    """
    source = open(stdin, "rb") if stdin else subprocess.DEVNULL
    capture = stdout is None
    sink = tempfile.TemporaryFile() if capture else open(stdout, "wb")
    errors = tempfile.TemporaryFile()
    began = time.monotonic()
    child = subprocess.Popen(command, env=env, stdin=source, stdout=sink, stderr=errors, cwd=cwd)
    try:
        _, status, usage = os.wait4(child.pid, 0)
    except BaseException:
        child.kill()
        raise
    child.returncode = code = os.waitstatus_to_exitcode(status)
    if then_sync:
        with open(then_sync, "rb") as file:
            os.fsync(file.fileno())
    wall = time.monotonic() - began
    errors.seek(0)
    complaint = errors.read().decode(errors="replace")
    output = ""
    if capture:
        sink.seek(0)
        output = sink.read().decode(errors="replace")
    sink.close()
    errors.close()
    if stdin:
        source.close()
    if code not in ok:
        raise RuntimeError(
            f"{' '.join(map(str, command))} ended with {code}:\n{(complaint + output)[-2000:]}")
    return Result(wall=wall, cpu=usage.ru_utime + usage.ru_stime, rss=usage.ru_maxrss * KIB,
                  output=output)


def tree_size(path):
    """The sum of the sizes of the files below a folder."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            total += os.lstat(os.path.join(folder, name)).st_size
    return total


def data_extents(file):
    """The extents of a file that are not holes."""
    size, offset = os.fstat(file.fileno()).st_size, 0
    while offset < size:
        try:
            start = os.lseek(file.fileno(), offset, os.SEEK_DATA)
        except OSError:
            return
        end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
        yield start, end
        offset = end


def warm(path):
    """Reads a file, so that it is in the page cache as far as memory allows."""
    buffer = memoryview(bytearray(4 * MIB))
    with open(path, "rb", buffering=0) as file:
        for start, end in data_extents(file):
            file.seek(start)
            while start < end:
                count = file.readinto(buffer[:min(len(buffer), end - start)])
                if not count:
                    break
                start += count


def same_content(one, other):
    return subprocess.run(["cmp", "-s", one, other]).returncode == 0


def in_child(function, *arguments):
    """Runs a function in a forked process.

    A process starts with its parent's peak memory in its own account, so this
    program itself has to stay small.
    """
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            function(*arguments)
        except BaseException as error:  # the parent says what happened
            print(f"bench: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    if os.waitpid(pid, 0)[1] != 0:
        fail("could not make the workload")
