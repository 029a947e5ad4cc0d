"""Hosts whose operations meet faults of the network, and what of that is acceptable."""
import random
import time

from object_stores import *

# Longer than any run may take under the deadlines of these tests.
LIMIT = 150
# Waiting for what never comes is what takes the time, so runs that meet faults hardly wait; a busy
# machine may make them fail, which they may. Those in peace must succeed, and wait as users' runs do.
HASTY = {"LIFEBOAT_CONNECT_TIMEOUT": "1", "LIFEBOAT_STALL_TIMEOUT": "1",
         "LIFEBOAT_REQUEST_TIMEOUT": "3", "LIFEBOAT_RETRIES": "6"}
PATIENT = dict.fromkeys(HASTY, "")
# Answers instead of what was asked for: the status, and how long to wait, if it says so.
ANSWERS = [(500, None), (502, None), (503, None), (503, 1), (504, None), (429, 0)]

CEPH, SWIFT = run_servers(Ceph(), Swift())


def proxied(kind):
    """A proxy of faults and the place behind it."""
    server = CEPH if kind == "s3" else SWIFT
    proxy = FaultProxy(server.port).start()
    SERVERS.append(proxy)
    make = s3_place if kind == "s3" else swift_place
    return proxy, make(server, proxy.url)


def prepared(place, seed, size=6 * MIB):
    """A lab with one point that was made in peace, its keeper, and what the point holds."""
    lab = StoreLab(place, variables=PATIENT)
    keeper = lab.member("keeper", "keeper")
    image = make_image(lab.path("disk"), size, seed)
    points = {lab.backup(f"disk={image}").expect(0).json["point"]: digest(image)}
    return lab, keeper, image, points


def timed(name, function):
    begun = time.monotonic()
    result = function()
    taken = time.monotonic() - begun
    check(taken < LIMIT, f"{name} took {taken:.0f} s")
    return result


def acceptable(name, result, corrupted=False):
    """A run under faults: done, or a clear error that it can be tried again.

    `corrupted`: a bit of something was changed on its way, which over plain HTTP cannot be told from
    damage in the store.
    """
    if result.code == 0:
        return True
    check(result.code == 11 or result.code == 20 and corrupted,
          f"{name}: exit {result.code}: {result.told()[:500]}")
    if result.code == 11:
        check(result.error.get("message"), f"{name}: no message: {result.told()[:300]}")
    return False


class Trial:
    """Operations of one host and its keeper under faults; each is repeated in peace when it failed."""

    OPERATIONS = ["backup", "restore", "sync", "forget", "prune"]

    def __init__(self, kind, seed):
        self.kind, self.seed = kind, seed
        self.proxy, place = proxied(kind)
        self.lab, self.keeper, self.image, self.points = prepared(place, seed, 4 * MIB)
        # Another host, whose caches may go without a new look at what the store can do.
        self.reader = self.other_lab(place, self.lab.prefix)
        self.replica = self.other_lab(place, f"{self.lab.prefix}-replica")
        self.lab.run("replica", "add", "attic", self.replica.repo).expect(0)
        self.failed = self.done = 0

    def other_lab(self, place, prefix):
        lab = StoreLab(place, init=False, prefix=prefix, variables=PATIENT)
        lab.recovery, lab.key = self.lab.recovery, self.lab.key
        return lab

    def attempt(self, name, run, disturb):
        """Runs under faults, and once more in peace if that failed."""
        before = self.proxy.counts.get("corrupt_down", 0)
        disturb()
        result = timed(name, lambda: run(env=HASTY, timeout=LIMIT))
        self.proxy.clear()
        if acceptable(name, result, self.proxy.counts.get("corrupt_down", 0) > before):
            self.done += 1
            return result
        self.failed += 1
        result = timed(name, lambda: run(timeout=LIMIT))
        check(result.code == 0,
              f"{name} in peace: exit {result.code}: {result.told()[:400]}; faults before: "
              f"{list(self.proxy.decisions.history)[-10:]}")
        return result

    def backup(self, disturb):
        change_image(self.image, f"{self.seed} {self.done} {self.failed}", count=5)
        result = self.attempt(
            "backup", lambda **how: self.lab.backup(f"disk={self.image}", **how), disturb)
        self.points[result.json["point"]] = digest(self.image)

    def restore(self, disturb):
        point = random.Random(f"{self.seed} {self.done}").choice(list(self.points))
        target = self.reader.path("restored")

        def run(**how):
            for path in (target, target + ".lifeboat-partial"):
                if os.path.exists(path):
                    os.unlink(path)
            # Caches would keep the faults from what is to be read.
            self.reader.clean_caches()
            return self.reader.restore(point, target, **how)
        self.attempt("restore", run, disturb)
        equal(digest(target), self.points[point], "restored bytes")

    def sync(self, disturb):
        self.attempt("sync", lambda **how: self.lab.run("replica", "sync", **how), disturb)

    def verify(self, disturb):
        self.lab.clean_caches()
        self.attempt("verify", lambda **how: self.lab.verify(
            "--read-data", "--recovery-key-file", self.lab.recovery, *self.lab.secret, **how),
            disturb)

    def forget(self, disturb):
        self.attempt("forget", lambda **how: self.keeper.run(
            "forget", "--keep-last", "2", *self.keeper.secret, **how), disturb)
        self.points = dict(list(self.points.items())[-2:])

    def prune(self, disturb):
        self.attempt("prune", lambda **how: self.keeper.run(
            "prune", "--max-unused", "0", *self.keeper.secret, **how), disturb)

    def end(self):
        """Everything is as if there had been no faults, at the repository and at its replica."""
        self.proxy.clear()
        self.lab.run("replica", "sync").expect(0)
        for lab in (self.lab, self.replica):
            lab.clean_caches()
            equal({point["id"] for point in lab.points()}, set(self.points), "points")
            lab.expect_restores(self.points)
        self.lab.verify_data().expect(0)
        self.replica.verify("--keyless").expect(0)


class OnceThatFits:
    """One fault for the first request, after some, that it can happen to."""

    def __init__(self, proxy, fault, skip):
        self.proxy, self.fault, self.skip = proxy, fault, skip
        self.before, self.chosen = proxy.counts.get(fault.mode, 0), False

    def choose(self, line, length, _):
        # Only the body shows whether it is as long as the fault's place in it.
        once_more = (self.fault.mode.endswith(("_up", "_down"))
                     and self.proxy.counts.get(self.fault.mode, 0) == self.before)
        if self.chosen and not once_more or not self.fault.fits(line, length):
            return None
        if self.skip > 0:
            self.skip -= 1
            return None
        self.chosen = True
        return self.fault


def kinds_of_faults(source):
    """Every mode, and every answer, in any order: a name and examples of it."""
    kinds = [(mode, usual_faults(source, [mode])) for mode in MODES if mode != "http"]
    kinds += [(f"http {code} {wait}", [Fault("http", code=code, retry_after=wait)])
              for code, wait in ANSWERS]
    source.shuffle(kinds)
    return kinds


def can_happen(mode, operation):
    """A restore sends no bodies."""
    return not (mode.endswith("_up") and operation == "restore")
