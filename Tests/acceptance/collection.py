"""Many writers, keepers that forget and prune, and kills at random, on one directory.

LIFEBOAT_TEST_MINUTES: how long the large test runs (1 by default).
"""
import os
import random
import shutil
import signal
import threading
import time

from harness import *

MINUTES = float(os.environ.get("LIFEBOAT_TEST_MINUTES", "0.3" if QUICK else "1"))


def enrol(lab, role, name):
    """A host of its own, with the keys of a new member."""
    host = Lab(init=False)
    host.repo, host.recovery, host.key = lab.repo, lab.recovery, host.path(f"{name}.key")
    lab.run("key", "enrol", "--role", role, "--label", name, "--new-key-file", host.key,
            "--recovery-key-file", lab.recovery).expect(0)
    return host


def new_lab(**options):
    lab = Lab(init=False)
    lab.run("init", "--recovery-key-file", lab.recovery, "--new-key-file", lab.key,
            "--minimum-age", "0s").expect(0)
    return lab


def kill_at_random(process, source, longest):
    """Waits for a process, or kills it somewhere on its way; its exit code or `None`."""
    deadline = time.monotonic() + source.uniform(0.0, longest)
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return process.returncode
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return None if process.returncode == -signal.SIGKILL else process.returncode


class Host(threading.Thread):
    """One machine that is changed, backed up, and killed now and then."""

    def __init__(self, lab, number, seed, end):
        super().__init__()
        self.host, self.number, self.end = enrol(lab, "writer", f"writer{number}"), number, end
        self.source = random.Random(f"{seed} {number}")
        self.image = make_image(self.host.path("disk"), 6 * MIB, f"{seed} {number % 3}")
        # Everything that a point of this machine may hold.
        self.digests, self.done, self.codes, self.failure = set(), {}, [], None

    def run(self):
        try:
            while time.monotonic() < self.end:
                self.step(kills=True)
        except Exception as error:
            self.failure = error

    def step(self, kills):
        change_image(self.image, self.source.random())
        content = digest(self.image)
        self.digests.add(content)
        if kills and self.source.random() < 0.3:
            process = self.host.start("backup", "--machine", f"m{self.number}",
                                      f"disk={self.image}", *self.host.secret)
            self.codes.append(kill_at_random(process, self.source, 0.6))
            return
        result = self.host.backup(f"disk={self.image}", machine=f"m{self.number}")
        self.codes.append(result.code)
        check(result.code in (0, 21), f"backup: {result.code} {result.told()[:300]}")
        if result.code == 0:
            self.done[result.json["point"]] = content


class Keeper(threading.Thread):
    """Forgets and prunes, and is killed now and then."""

    def __init__(self, lab, number, seed, end):
        super().__init__()
        self.host, self.end = enrol(lab, "keeper", f"keeper{number}"), end
        self.source = random.Random(f"{seed} keeper {number}")
        self.codes, self.failure = [], None

    def run(self):
        try:
            while time.monotonic() < self.end:
                arguments = ["prune"]
                if self.source.random() < 0.4:
                    arguments = ["forget", "--keep-last", str(self.source.randint(2, 4))]
                if self.source.random() < 0.3:
                    process = self.host.start(*arguments, *self.host.secret)
                    self.codes.append(kill_at_random(process, self.source, 0.5))
                    continue
                result = self.host.run(*arguments, *self.host.secret)
                self.codes.append(result.code)
                check(result.code in (0, 21), f"{arguments[0]}: {result.told()[:300]}")
        except Exception as error:
            self.failure = error


def prune_until_quiet(host, *options):
    """Steps until one finds nothing to do; the last result."""
    steps = []
    for _ in range(8):
        result = host.run("prune", *options, *host.secret).expect(0)
        equal(result.json["waits_for"], [], "sessions that prune waits for")
        steps.append((result.json["condemned_objects"], result.json["deleted_objects"]))
        if steps[-1] == (0, 0):
            return result
    raise Failure(f"prune finds something to do for ever: (condemned, deleted) {steps}")


def fresh_bytes(lab, points):
    """What a new repository takes for the same points."""
    other = new_lab()
    for point in points:
        path = other.path("volume")
        lab.restore(point["id"], path, "--no-verify").expect(0)
        other.backup(f"disk={path}", machine=point["machine"]).expect(0)
        os.unlink(path)
    return other.stored_bytes()


@test
def eight_writers_two_keepers_and_kills():
    for seed in seeds(1):
        lab = new_lab()
        end = time.monotonic() + 60 * MINUTES
        writers = [Host(lab, number, seed, end) for number in range(8)]
        keepers = [Keeper(lab, number, seed, end) for number in range(2)]
        for thread in writers + keepers:
            thread.start()
        for thread in writers + keepers:
            thread.join()
        for thread in writers + keepers:
            if thread.failure:
                raise thread.failure
        # Everybody comes back once, and ends what was left open.
        for writer in writers:
            writer.step(kills=False)
        kills = sum(code is None for thread in writers + keepers for code in thread.codes)
        backups = sum(len(writer.done) for writer in writers)
        steps = sum(len(keeper.codes) for keeper in keepers)
        print(f"# {backups} backups, {steps} steps of keepers, {kills} kills", flush=True)
        check(kills > 3 and backups > 20, "too little happened")
        keeper = keepers[0].host
        prune_until_quiet(keeper)
        listed = lab.points()
        newest = {}
        for point in listed:
            writer = writers[int(point["machine"][1:])]
            found, result = lab.restored_digest(point["id"])
            check(result.code == 0, f"point {point['id'][:12]}: {result.told()[:400]}")
            check(found in writer.digests, f"point {point['id'][:12]} holds something else")
            if point["id"] in writer.done:
                equal(found, writer.done[point["id"]], f"point {point['id'][:12]}")
            newest[point["machine"]] = point["id"]
        for writer in writers:
            last = list(writer.done)[-1]
            equal(newest.get(f"m{writer.number}"), last, f"newest point of m{writer.number}")
        check(lab.verify_data().code == 0, "verify")
        prune_until_quiet(keeper, "--recovery-key-file", lab.recovery, "--max-unused", "0")
        left, needed = lab.stored_bytes(), fresh_bytes(lab, listed)
        print(f"# {left} bytes in packs, a fresh repository has {needed}", flush=True)
        check(left <= needed * 1.10 + 65536, f"{left} bytes, a fresh repository has {needed}")
        check(lab.verify_data().code == 0, "verify in the end")
        entries = len(lab.objects("log/"))
        check(entries < 400, f"{entries} log entries are left")
        Lab.close_all()


def prepared(seed):
    """A repository with points of which some are forgotten, and its keeper."""
    lab = new_lab()
    keeper = enrol(lab, "keeper", "keeper")
    image = make_image(lab.path("disk"), 4 * MIB, seed)
    points = {}
    for step in range(4):
        points[lab.backup(f"disk={image}").expect(0).json["point"]] = digest(image)
        change_image(image, f"{seed} {step}")
    return lab, keeper, points


def copy_of(lab, keeper):
    """Both hosts and the repository, to try something on."""
    twin, other = Lab(init=False), Lab(init=False)
    twin.recovery, twin.key, other.recovery, other.key = (
        lab.recovery, lab.key, lab.recovery, keeper.key)
    for old, new in ((lab.state, twin.state), (keeper.state, other.state), (lab.repo, twin.repo)):
        if os.path.exists(old):
            shutil.copytree(old, new)
    other.repo = twin.repo
    return twin, other


@test
def prune_and_forget_are_killed_anywhere():
    """kill -9 at moments spread over a whole run; then all kept points restore, and a later step
    finishes the work."""
    kills = 0
    for seed in seeds(max(2, SEEDS // 4)):
        source = random.Random(seed)
        lab, keeper, points = prepared(seed)
        kept = dict(list(points.items())[2:])
        for arguments in (["forget", "--keep-last", "2"], ["prune"],
                          ["prune", "--recovery-key-file", lab.recovery, "--max-unused", "0"]):
            begun = time.monotonic()
            twin, other = copy_of(lab, keeper)
            other.run(*arguments, *other.secret).expect(0)
            longest = time.monotonic() - begun
            for _ in range(4 if QUICK else 8):
                twin, other = copy_of(lab, keeper)
                process = other.start(*arguments, *other.secret)
                kills += kill_at_random(process, source, longest) is None
                twin.expect_restores(kept)
                if source.random() < 0.5:
                    image = twin.path("disk")
                    shutil.copy(lab.path("disk"), image)
                    result = twin.backup(f"disk={image}").expect(0)
                    kept_now = dict(kept)
                    kept_now[result.json["point"]] = digest(image)
                else:
                    kept_now = kept
                other.run("forget", "--keep-last", "2" if kept_now is kept else "3",
                          *other.secret).expect(0)
                prune_until_quiet(other)
                twin.expect_restores(kept_now)
                for folder in (twin, other):
                    folder.close()
            keeper.run(*arguments, *keeper.secret).expect(0)
        lab.expect_restores(kept)
        check(lab.verify_data().code == 0, "verify")
        Lab.close_all()
    print(f"# {kills} kills", flush=True)
    check(kills > 10, "too few runs were killed")


@test
def a_restore_goes_on_while_packs_move():
    lab, keeper, points = prepared(7)
    # Many small packs, so that pruning moves them.
    image = make_image(lab.path("other"), 2 * MIB, 3)
    for step in range(10):
        points[lab.backup(f"disk={image}", machine="o").expect(0).json["point"]] = digest(image)
        change_image(image, step)
    stop = threading.Event()
    failures = []

    def restore():
        try:
            while not stop.is_set():
                lab.expect_restores(dict(random.Random(1).sample(sorted(points.items()), 3)))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=restore) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(4):
        keeper.run("prune", "--recovery-key-file", lab.recovery, "--max-unused", "0",
                   *keeper.secret).expect(0)
        points[lab.backup(f"disk={image}", machine="o").expect(0).json["point"]] = digest(image)
        change_image(image, random.Random(2).random())
    stop.set()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    lab.expect_restores(points)


@test
def a_session_that_stays_open_holds_back_what_it_may_need():
    """A backup that is stopped in the middle: pruning waits for it, and its point is whole."""
    lab, keeper, points = prepared(11)
    image = lab.path("disk")
    read, write = os.pipe()
    with open(image, "rb") as file:
        data = file.read()
    process = lab.start("backup", "--machine", "m", "disk=-", *lab.secret, stdin=read)
    os.close(read)
    os.write(write, data[:64 * KIB])
    deadline = time.monotonic() + 60
    while not keeper.run("session", "list", *keeper.secret).expect(0).json["sessions"]:
        check(time.monotonic() < deadline, "the session is not listed")
        time.sleep(0.05)
    keeper.run("forget", "--keep-last", "1", *keeper.secret).expect(0)
    result = keeper.run("prune", *keeper.secret).expect(0)
    equal(len(result.json["waits_for"]), 1, "sessions that prune waits for")
    with os.fdopen(write, "wb") as file:
        file.write(data[64 * KIB:])
    equal(wait(process, 120)[0], 0, "exit code of the backup")
    prune_until_quiet(keeper)
    newest = lab.points()[-1]["id"]
    lab.expect_restores({newest: digest(image)})
    check(lab.verify_data().code == 0, "verify")


@test
def a_fenced_session_does_not_count():
    lab, keeper, points = prepared(12)
    read, write = os.pipe()
    process = lab.start("backup", "--machine", "m", "disk=-", *lab.secret, stdin=read)
    os.close(read)
    os.write(write, bytes(64 * KIB))
    deadline = time.monotonic() + 60
    while not (found := keeper.run("session", "list", *keeper.secret).expect(0).json["sessions"]):
        check(time.monotonic() < deadline, "the session is not listed")
        time.sleep(0.05)
    keeper.run("session", "fence", found[0]["session"], *keeper.secret).expect(0)
    prune_until_quiet(keeper)
    os.close(write)
    equal(wait(process, 120)[0], 21, "exit code of a fenced backup")
    equal({point["id"] for point in lab.points()}, set(points), "points")
    image = lab.path("disk")
    points[lab.backup(f"disk={image}").expect(0).json["point"]] = digest(image)
    prune_until_quiet(keeper)
    lab.expect_restores(points)


if __name__ == "__main__":
    main()
