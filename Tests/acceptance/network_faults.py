"""Everything that networks and servers do wrong, at random moments of every operation.

Whatever happens: an operation succeeds, or it fails in time and with an error that says that the store
does not answer; repeated without faults it succeeds; and no restored byte is ever wrong.
"""
import random
import threading
import time

from object_stores import *

# Longer than any run may take under the deadlines of these tests.
LIMIT = 150

CEPH, SWIFT = run_servers(Ceph(), Swift())


def proxied(kind, server):
    """A proxy of faults and the place behind it."""
    proxy = FaultProxy(server.port).start()
    SERVERS.append(proxy)
    make = s3_place if kind == "s3" else swift_place
    return proxy, make(server, proxy.url)


def prepared(place, seed, size=6 * MIB):
    """A lab with one point that was made in peace, its keeper, and what the point holds."""
    lab = StoreLab(place)
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
    check(result.code == 11 or result.code == 20 and corrupted, f"{name}: exit {result.code}: {result.told()[:500]}")
    if result.code == 11:
        check(result.error.get("message"), f"{name}: no message: {result.told()[:300]}")
    return False


class Trial:
    """Operations under faults; each is repeated in peace when it failed."""

    def __init__(self, proxy, place, seed):
        self.proxy, self.seed = proxy, seed
        self.lab, self.keeper, self.image, self.points = prepared(place, seed)
        self.failed = self.done = 0

    def attempt(self, name, function, disturb):
        before = self.proxy.counts.get("corrupt_down", 0)
        disturb()
        result = timed(name, function)
        self.proxy.clear()
        if acceptable(name, result, self.proxy.counts.get("corrupt_down", 0) > before):
            self.done += 1
            return result
        self.failed += 1
        result = timed(name, function)
        if result.code != 0:
            print(f"# {name} in peace printed {result.out[-3000:]!r}; faults before: "
                  f"{list(self.proxy.decisions.history)[-20:]}", file=sys.stderr, flush=True)
        check(result.code == 0, f"{name} in peace: exit {result.code}: {result.told()[:400]}")
        return result

    def backup(self, disturb):
        change_image(self.image, f"{self.seed} {len(self.points)}", count=10)
        result = self.attempt("backup", lambda: self.lab.backup(
            f"disk={self.image}", timeout=LIMIT), disturb)
        self.points[result.json["point"]] = digest(self.image)

    def restore(self, disturb):
        point = random.Random(f"{self.seed} {self.done}").choice(list(self.points))
        target = self.lab.path("restored")

        def run():
            for path in (target, target + ".lifeboat-partial"):
                if os.path.exists(path):
                    os.unlink(path)
            # Caches would keep the faults from what is to be read.
            self.lab.clean_caches()
            return self.lab.restore(point, target, timeout=LIMIT)
        self.attempt("restore", run, disturb)
        equal(digest(target), self.points[point], "restored bytes")

    def verify(self, disturb):
        self.lab.clean_caches()
        self.attempt("verify", lambda: self.lab.verify(
            "--read-data", "--recovery-key-file", self.lab.recovery, *self.lab.secret,
            timeout=LIMIT), disturb)

    def forget(self, disturb):
        result = self.attempt("forget", lambda: self.keeper.run(
            "forget", "--keep-last", "2", *self.keeper.secret, timeout=LIMIT), disturb)
        check(result.code == 0, "forget")
        listed = {point["id"] for point in self.lab.points()}
        newest = list(self.points)[-1]
        check(newest in listed, "the newest point was forgotten")
        self.points = {point: content for point, content in self.points.items() if point in listed}

    def prune(self, disturb):
        self.attempt("prune", lambda: self.keeper.run(
            "prune", "--max-unused", "0", *self.keeper.secret, timeout=LIMIT), disturb)

    def end(self):
        self.proxy.clear()
        self.lab.expect_restores(self.points)
        self.lab.verify_data().expect(0)


def random_faults(kind, server, count, one_in):
    totals = {}
    for seed in seeds(count):
        proxy, place = proxied(kind, server)
        trial = Trial(proxy, place, seed)
        source = random.Random(f"order {seed}")
        faults = usual_faults(source)
        for step in range(6):
            operation = [trial.backup, trial.restore, trial.verify, trial.backup, trial.forget,
                         trial.prune][step]
            number = f"{seed} {step}"
            operation(lambda number=number: proxy.schedule(number, one_in, faults))
        trial.end()
        for mode, number in proxy.counts.items():
            totals[mode] = totals.get(mode, 0) + number
        print(f"# seed {seed}: {trial.done} done at once, {trial.failed} repeated", flush=True)
        proxy.stop()
        Lab.close_all()
    print(f"# {totals}", flush=True)
    check(sum(totals.get(mode, 0) for mode in MODES) > 10 * count, f"few faults: {totals}")


@test
def random_faults_on_ceph():
    random_faults("s3", CEPH, 1 if QUICK else 3, 6)


@test
def random_faults_on_swift():
    random_faults("swift", SWIFT, 1, 8)


# What each fault is tried with; those that make a client wait cost the most time.
@test
def every_fault_in_every_operation():
    """Each kind of fault in turn, twice at a random place of each operation."""
    for seed in seeds(1):
        proxy, place = proxied("s3", CEPH)
        trial = Trial(proxy, place, seed)
        for mode in MODES:
            source = random.Random(f"{seed} {mode}")
            before = proxy.counts.get(mode, 0)
            for operation in (trial.backup, trial.restore, trial.verify, trial.prune):
                def disturb():
                    for fault in usual_faults(source, [mode])[:2]:
                        proxy.decisions.deciders.append(
                            OnceThatFits(fault, source.randrange(0, 6)))
                operation(disturb)
            check(proxy.counts.get(mode, 0) > before, f"{mode} never happened")
            trial.forget(lambda: None)
        trial.end()
        print(f"# {trial.done} done at once, {trial.failed} repeated, {proxy.counts}", flush=True)


class OnceThatFits:
    """One fault for the first request, after some, that it can happen to."""

    def __init__(self, fault, skip):
        self.fault, self.skip, self.left = fault, skip, 1

    def choose(self, line, length, _):
        if self.left == 0 or not self.fault.fits(line, length):
            return None
        if self.skip > 0:
            self.skip -= 1
            return None
        self.left = 0
        return self.fault


@test
def a_store_that_stays_away():
    """Nobody listens, or nobody answers, for longer than any patience: a clear error in time."""
    proxy, place = proxied("s3", CEPH)
    lab, keeper, image, points = prepared(place, 1)
    change_image(image, 1)
    for name, begin, end in (
            ("closed", proxy.close_port, proxy.open_port),
            ("silent", lambda: proxy.add("black_hole"), proxy.clear),
            ("failing", lambda: proxy.add("http", code=503, retry_after=1), proxy.clear)):
        begin()
        # One repetition is enough to see that there is one.
        result = timed(name, lambda: lab.backup(
            f"disk={image}", timeout=LIMIT, env={"LIFEBOAT_RETRIES": "2"}))
        end()
        equal(result.code, 11, f"{name}: exit code ({result.told()[:300]})")
        check(result.error.get("advice"), f"{name}: no advice")
    points[lab.backup(f"disk={image}").expect(0).json["point"]] = digest(image)
    lab.expect_restores(points)


@test
def interruptions_of_a_silent_store():
    """SIGINT ends a run at once, also one that waits for an answer."""
    import signal
    proxy, place = proxied("s3", CEPH)
    lab, keeper, image, points = prepared(place, 1)
    change_image(image, 1)
    proxy.add("black_hole", skip=2)
    process = lab.start("backup", "--machine", "m", f"disk={image}", *lab.secret)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    code, _ = wait(process, LIMIT)
    check(code in (130, 11), f"exit code {code}")
    check(time.monotonic() - begun < 60, "the run waited on")
    proxy.clear()
    lab.backup(f"disk={image}").expect(0)
    lab.expect_restores(points)


@test
def an_osd_that_pauses_and_one_that_is_killed():
    place = s3_place(CEPH)
    lab, keeper, image, points = prepared(place, 1, 16 * MIB)
    for name, begin, end in (("paused", CEPH.osd.pause, CEPH.osd.resume),
                             ("killed", CEPH.kill_osd, CEPH.start_osd)):
        change_image(image, name, count=100)
        runs = []
        thread = threading.Thread(target=lambda: runs.append(
            lab.backup(f"disk={image}", timeout=LIMIT)))
        thread.start()
        time.sleep(0.3)
        begin()
        try:
            time.sleep(5)
        finally:
            end()
        thread.join()
        check(runs, f"{name}: the backup hung")
        result = runs[0]
        if not acceptable(f"backup, OSD {name}", result):
            result = lab.backup(f"disk={image}").expect(0)
        points[result.json["point"]] = digest(image)
        lab.clean_caches()
        lab.expect_restores(points)
    lab.verify_data().expect(0)


@test
def a_quota_that_is_used_up():
    place = s3_place(CEPH)
    lab, keeper, image, points = prepared(place, 1, 4 * MIB)
    CEPH.set_quota(1 * MIB)
    try:
        make_image(image, 24 * MIB, 2, noise=1.0)
        result = lab.backup(f"disk={image}", timeout=LIMIT)
        equal(result.code, 22, f"exit code ({result.told()[:300]})")
        lab.expect_restores(points)
    finally:
        CEPH.set_quota(None)
    points[lab.backup(f"disk={image}").expect(0).json["point"]] = digest(image)
    lab.expect_restores(points)


@test
def listings_that_are_late():
    """Swift stores objects while its listings stand still, and lists them later."""
    lab, keeper, image, points = prepared(swift_place(SWIFT), 1)
    SWIFT.stop_backend("container")
    try:
        change_image(image, 1)
        result = lab.backup(f"disk={image}", timeout=LIMIT)
        acceptable("backup without listings", result)
        if result.code == 0:
            points[result.json["point"]] = digest(image)
    finally:
        SWIFT.start_backend("container")
    # Now there are listings again, but old ones.
    change_image(image, 2)
    result = lab.backup(f"disk={image}", timeout=LIMIT)
    if acceptable("backup with old listings", result):
        points[result.json["point"]] = digest(image)
    for arguments in (["prune", "--max-unused", "0"], ["forget", "--keep-last", "10"]):
        result = keeper.run(*arguments, *keeper.secret, timeout=LIMIT)
        check(result.code in (0, 3, 11, 21), f"{arguments[0]}: {result.code} {result.told()[:300]}")
    SWIFT.update_listings()
    lab.clean_caches()
    lab.expect_restores(points)
    change_image(image, 3)
    points[lab.backup(f"disk={image}").expect(0).json["point"]] = digest(image)
    lab.expect_restores(points)
    lab.verify_data().expect(0)


@test
def backends_of_swift_that_are_away():
    lab, keeper, image, points = prepared(swift_place(SWIFT), 1)
    for kind in ("object", "account"):
        change_image(image, kind)
        SWIFT.stop_backend(kind)
        try:
            result = lab.backup(f"disk={image}", timeout=LIMIT)
            acceptable(f"backup without the {kind} server", result)
        finally:
            SWIFT.start_backend(kind)
        if result.code != 0:
            result = lab.backup(f"disk={image}").expect(0)
        points[result.json["point"]] = digest(image)
        lab.expect_restores(points)


main()
