"""What the acceptance tests share: a place to work in, runs of the program, seeded images.

Environment: LIFEBOAT (the program), LIFEBOAT_TEST_SEEDS (how often randomised tests are repeated),
LIFEBOAT_TEST_QUICK (fewer), LIFEBOAT_TEST_SEED (the first seed, to repeat a failure), TMPDIR.
"""
import atexit
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

# A script's background jobs ignore SIGINT, those of nohup SIGHUP, and so would all that they start. A
# handler that does nothing is the same here, and not inherited: programs under test begin as from a terminal.
for _ignored in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_ignored) == signal.SIG_IGN:
        signal.signal(_ignored, lambda *_: None)

PROGRAM = os.environ.get("LIFEBOAT") or shutil.which("lifeboat") or "lifeboat"
QUICK = bool(os.environ.get("LIFEBOAT_TEST_QUICK"))
SEEDS = max(1, int(os.environ.get("LIFEBOAT_TEST_SEEDS", "8")))
FIRST_SEED = int(os.environ.get("LIFEBOAT_TEST_SEED", "1"))
IS_ROOT = os.geteuid() == 0
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

TESTS = []
saying = threading.Lock()


class Failure(Exception):
    pass


def test(function):
    """Registers a test; its name is the function's."""
    TESTS.append(function)
    return function


def check(condition, why):
    if not condition:
        raise Failure(why)


def equal(actual, expected, what):
    check(actual == expected, f"{what}: {actual!r} instead of {expected!r}")


def seeds(count=None):
    """Seeds to go through; a failure tells which one it was."""
    for seed in range(FIRST_SEED, FIRST_SEED + (count or SEEDS)):
        Lab.seed = seed
        yield seed
    Lab.seed = None


def main(*phases):
    """Runs the tests that the command line names, or all.

    Without phases one after another. A phase is a list of lanes, which are lists of tests: lanes of one
    phase run beside each other, for tests that wait more than they work.
    """
    wanted, failed = sys.argv[1:], []
    for lanes in phases or ([TESTS],):
        lanes = [[function for function in lane if not wanted or function.__name__ in wanted]
                 for lane in lanes]
        if len(lanes) == 1:
            run_tests(lanes[0], failed, Lab.close_all)
            continue
        threads = [threading.Thread(target=run_tests, args=(lane, failed)) for lane in lanes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        Lab.close_all()
    sys.exit(1 if failed else 0)


def say(line):
    """Prints a line at once and in one piece, whoever prints meanwhile."""
    with saying:
        print(line, flush=True)


def run_tests(functions, failed, after=lambda: None):
    for function in functions:
        name = f"{os.path.basename(sys.argv[0]).removesuffix('.py')}/{function.__name__}"
        Lab.seed = None
        begun = time.monotonic()
        try:
            function()
            say(f"ok {name} # {time.monotonic() - begun:.1f} s")
        except Exception as error:
            failed.append(name)
            Lab.failures.append(name)
            seed = f" (LIFEBOAT_TEST_SEED={Lab.seed})" if Lab.seed is not None else ""
            if not isinstance(error, Failure):
                traceback.print_exc(limit=-3)
            elif os.environ.get("LIFEBOAT_TEST_TRACE"):
                traceback.print_exc(limit=-3)
            why = str(error).replace("\n", " ")[:600] or repr(error)
            say(f"not ok {name} - {why}{seed}")
        after()


class Result:
    """What a run left: exit code, the one JSON object, what it wrote to standard error."""

    def __init__(self, arguments, code, out, err, rss):
        self.arguments, self.code, self.out, self.err, self.rss = arguments, code, out, err, rss
        self.json = None
        for text in (out, err):
            lines = [line for line in text.splitlines() if line.startswith(b"{")]
            if lines and self.json is None:
                try:
                    self.json = json.loads(lines[-1])
                except ValueError:
                    pass

    @property
    def error(self):
        return (self.json or {}).get("error") or {}

    def told(self):
        """Everything that the error says."""
        return json.dumps(self.error) + self.err.decode(errors="replace")

    def expect(self, *codes):
        check(
            self.code in codes,
            f"{' '.join(self.arguments)}: exit {self.code}, not {codes}: "
            f"{self.out[-300:]!r} {self.err[-400:]!r}")
        if self.code not in (0, 3, 20, 130):
            check(self.error.get("exit_code") == self.code,
                  f"no JSON error with exit code {self.code}: {self.out[-300:]!r}")
        return self


class Lab:
    """A directory with a repository, its keys, a host's state and cache, and images."""

    seed = None
    every = []
    failures = []

    def __init__(self, chunk_size=None, password=None, init=True, parent=None):
        self.root = tempfile.mkdtemp(prefix="lifeboat-test-", dir=parent)
        Lab.every.append(self)
        self.cleanups = []
        self.repo = self.path("repo")
        self.state, self.cache = self.path("state"), self.path("cache")
        self.recovery, self.key = self.path("recovery.key"), self.path("host.key")
        self.password = None
        if init:
            arguments = ["init", "--recovery-key-file", self.recovery]
            if chunk_size:
                arguments += ["--chunk-size", str(chunk_size)]
            if password:
                self.password = self.write("password", password.encode() + b"\n")
                os.chmod(self.password, 0o600)
                arguments += ["--password-file", self.password]
            else:
                arguments += ["--new-key-file", self.key]
            self.run(*arguments).expect(0)

    @classmethod
    def close_all(cls):
        for lab in cls.every:
            lab.close()
        cls.every.clear()

    def close(self):
        for cleanup in reversed(self.cleanups):
            cleanup()
        self.cleanups.clear()
        if os.environ.get("LIFEBOAT_TEST_KEEP"):
            print(f"# kept {self.root}", file=sys.stderr)
        else:
            shutil.rmtree(self.root, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.root, name)

    def write(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)
        return self.path(name)

    @property
    def secret(self):
        return ["--password-file", self.password] if self.password else ["--key-file", self.key]

    def environment(self, extra=None):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LIFEBOAT")}
        environment.update(LIFEBOAT_STATE_DIR=self.state, LIFEBOAT_CACHE_DIR=self.cache)
        environment.update(extra or {})
        return environment

    def command(self, *arguments, json_output=True, needs_repository=True):
        command = [PROGRAM, *map(str, arguments)]
        if needs_repository:
            command += ["--repo", self.repo]
        return command + ["--json"] if json_output else command

    def start(self, *arguments, env=None, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.DEVNULL)
        options.setdefault("stderr", subprocess.DEVNULL)
        return subprocess.Popen(self.command(*arguments), env=self.environment(env), **options)

    def run(self, *arguments, env=None, input=None, stdout=None, prefix=(), timeout=300,
            needs_repository=True):
        """Runs the program to its end; `stdout` may be a file to write to."""
        command = [*prefix, *self.command(*arguments, needs_repository=needs_repository)]
        err_path = self.path(f".stderr-{random.getrandbits(64):x}")
        out_path = err_path.replace("stderr", "stdout")
        with open(err_path, "wb") as err, open(out_path, "wb") as out:
            process = subprocess.Popen(
                command, env=self.environment(env), stderr=err,
                stdout=stdout or out, stdin=subprocess.PIPE if input is not None else
                subprocess.DEVNULL)
            if input is not None:
                try:
                    process.stdin.write(input)
                    process.stdin.close()
                except BrokenPipeError:
                    pass
            code, rss = wait(process, timeout)
        result = Result(
            command[1:], code, open(out_path, "rb").read(), open(err_path, "rb").read(), rss)
        os.unlink(err_path)
        os.unlink(out_path)
        check(code is not None, f"{' '.join(command[1:])} hangs")
        check(code >= 0, f"{' '.join(command[1:])} died of signal {-code}: {result.err[-500:]!r}")
        return result

    def backup(self, *volumes, machine="m", options=(), **run):
        return self.run("backup", "--machine", machine, *volumes, *options, *self.secret, **run)

    def restore(self, point, target, *options, secret=None, **run):
        secret = ["--recovery-key-file", self.recovery] if secret is None else secret
        return self.run("restore", point, target, *options, *secret, **run)

    def verify(self, *options, **run):
        return self.run("verify", *options, **run)

    def verify_data(self):
        return self.verify("--read-data", "--recovery-key-file", self.recovery, *self.secret)

    def points(self):
        return self.run("points", *self.secret).expect(0).json["points"]

    def restored_digest(self, point, *options, recovery=None):
        """SHA-256 of a volume as it is restored, or `None` with the result of the failure."""
        target = self.path(f"restored-{random.getrandbits(64):x}")
        secret = ["--recovery-key-file", recovery] if recovery else None
        result = self.restore(point, target, "--no-verify", *options, secret=secret)
        found = digest(target) if result.code == 0 else None
        for path in (target, target + ".lifeboat-partial"):
            if os.path.exists(path):
                os.unlink(path)
        return found, result

    def expect_restores(self, points):
        """Every listed point restores to what `points` says; all of those are listed."""
        listed = {point["id"] for point in self.points()}
        for point, expected in points.items():
            check(point in listed, f"point {point[:12]} is not listed any more")
            found, result = self.restored_digest(point)
            check(result.code == 0, f"point {point[:12]} does not restore: {result.told()[:400]}")
            equal(found, expected, f"restored bytes of point {point[:12]}")

    def clean_caches(self):
        shutil.rmtree(self.cache, ignore_errors=True)

    def objects(self, prefix=""):
        """Names of stored objects and their sizes."""
        found = {}
        for folder, _, names in os.walk(self.repo):
            for name in names:
                path = os.path.join(folder, name)
                relative = os.path.relpath(path, self.repo)
                if relative.startswith(prefix):
                    found[relative] = os.path.getsize(path)
        return found

    def stored_bytes(self, prefix="packs/"):
        return sum(self.objects(prefix).values())


def wait(process, timeout):
    """Waits for a process; its exit code (`None` when it had to be killed) and peak memory."""
    deadline = time.monotonic() + timeout
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, usage.ru_maxrss * 1024
        if time.monotonic() > deadline:
            process.kill()
            os.wait4(process.pid, 0)
            process.returncode = -9
            return None, 0
        time.sleep(0.002)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(data):
    return hashlib.sha256(data).hexdigest()


WORDS = [b"%d lifeboat oar rudder mast keel anchor tide %x\n" % (i, i * 2654435761)
         for i in range(4096)]


def content(random_source, length, kind=None):
    """Bytes that compress badly, well, or are zero."""
    kind = kind or random_source.choice(["noise", "noise", "text", "zero"])
    if kind == "noise":
        return random_source.randbytes(length)
    if kind == "zero":
        return bytes(length)
    pieces, total = [], 0
    while total < length:
        pieces.append(random_source.choice(WORDS))
        total += len(pieces[-1])
    return b"".join(pieces)[:length]


def make_image(path, size, seed, piece=256 * KIB, noise=0.7, holes=0.1):
    """A reproducible image: noise, repeated noise, text, zeros and holes."""
    source = random.Random(f"image {seed}")
    texts = [content(source, piece, "text") for _ in range(4)]
    earlier = []
    with open(path, "wb") as file:
        file.truncate(size)
        offset = 0
        while offset < size:
            length = min(piece, size - offset)
            choice = source.random()
            if choice < noise:
                data = source.randbytes(length)
                if len(earlier) < 4:
                    earlier.append(data)
            elif choice < noise + holes:
                data = None
            elif choice < noise + holes + 0.05:
                data = bytes(length)
            elif choice < noise + holes + 0.1 and earlier:
                data = source.choice(earlier)[:length]
            else:
                data = source.choice(texts)[:length]
            if data is not None:
                file.seek(offset)
                file.write(data)
            offset += length
    return path


def change_image(path, seed, count=40, longest=200 * KIB):
    """Writes in place: scattered, unaligned, some of them zeros."""
    source = random.Random(f"changes {seed}")
    size = os.path.getsize(path)
    changes = []
    with open(path, "r+b") as file:
        for _ in range(count):
            length = min(size, source.choice([1, 512, 4096, source.randrange(1, longest)]))
            offset = source.randrange(0, size - length + 1)
            file.seek(offset)
            file.write(content(source, length))
            changes.append((offset, length))
    return changes


def loop_device(lab, size, name="loop.img"):
    """A block device of `size` bytes; it goes with the lab."""
    path = lab.path(name)
    with open(path, "wb") as file:
        file.truncate(size)
    return attach_loop(lab, path)


def attach_loop(lab, path, *options):
    run = subprocess.run(
        ["losetup", "--find", "--show", *options, path], capture_output=True, text=True)
    check(run.returncode == 0, f"losetup: {run.stderr}")
    device = run.stdout.strip()
    lab.cleanups.append(
        lambda: subprocess.run(["losetup", "--detach", device], capture_output=True))
    return device


def mount_tmpfs(lab, name, size):
    path = lab.path(name)
    os.makedirs(path, exist_ok=True)
    run = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], capture_output=True,
        text=True)
    check(run.returncode == 0, f"mount: {run.stderr}")
    lab.cleanups.append(lambda: subprocess.run(["umount", "--lazy", path], capture_output=True))
    return path


atexit.register(Lab.close_all)
