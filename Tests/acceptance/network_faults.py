"""Everything that networks and servers do wrong, in every operation and at random moments.

Whatever happens: an operation succeeds, or it fails in time and with an error that says that the store
does not answer; repeated without faults it succeeds; and no restored byte is ever wrong.

LIFEBOAT_TEST_SEEDS: with 20 random faults have one seed, with 200 ten.
"""
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from fault_trials import *

# How many hosts work at once at each store in `every_fault_in_every_operation_on_…`, and how many faults
# they meet in one run; requests to Swift cost more.
WORKERS = {"s3": 2, "swift": 3}
TOGETHER = {"s3": 3, "swift": 5} if SEEDS <= 20 else {"s3": 1, "swift": 1}


def random_faults(kind, one_in):
    totals = {}
    for seed in seeds(1 if QUICK else max(1, SEEDS // 20)):
        trial, begun = Trial(kind, seed), time.monotonic()
        source = random.Random(f"order {seed}")
        # What makes a client wait is rarer than the rest.
        faults = [fault for fault in usual_faults(source)
                  if not fault.mode.startswith(("black", "stall")) or source.random() < 0.4]
        for step, operation in enumerate(
                ["backup", "restore", "sync", "verify", "backup", "forget", "prune", "sync"]):
            getattr(trial, operation)(
                lambda number=f"{seed} {step}": trial.proxy.schedule(number, one_in, faults))
        trial.end()
        for mode, number in trial.proxy.counts.items():
            totals[mode] = totals.get(mode, 0) + number
        say(f"# {kind}, seed {seed}: {trial.done} done at once, {trial.failed} repeated, "
            f"{time.monotonic() - begun:.0f} s")
        trial.proxy.stop()
    say(f"# {kind}: {totals}")
    check(sum(totals.get(mode, 0) for mode in MODES) > 10, f"few faults: {totals}")


@test
def random_faults_on_ceph():
    random_faults("s3", 10)


@test
def random_faults_on_swift():
    random_faults("swift", 10)


def every_fault(kind):
    """A few kinds of faults in turn, each once in each operation."""
    [seed] = seeds(1)
    source = random.Random(f"kinds {kind} {seed}")
    kinds = kinds_of_faults(source)
    size = TOGETHER[kind]
    kinds = [kinds[start:start + size] for start in range(0, len(kinds), size)]

    def work(number):
        trial = Trial(kind, f"{kind} {seed} {number}")
        source = random.Random(f"places {kind} {seed} {number}")
        for group in kinds[number::WORKERS[kind]]:
            begun, names = time.monotonic(), ", ".join(name for name, _ in group)
            for operation in Trial.OPERATIONS:
                deciders = []
                for _, examples in group:
                    fault = source.choice(examples)
                    # Few bodies are sent.
                    skip = 0 if fault.mode.endswith("_up") else source.randrange(0, 8)
                    deciders.append(OnceThatFits(trial.proxy, fault, skip))
                before = trial.proxy.counts
                try:
                    getattr(trial, operation)(lambda: trial.proxy.use(deciders))
                except Exception as error:
                    raise Failure(f"{names}: {error}") from error
                for name, examples in group:
                    mode = examples[0].mode
                    check(trial.proxy.counts.get(mode, 0) > before.get(mode, 0)
                          or not can_happen(mode, operation),
                          f"{name} never happened to {operation}")
            say(f"# {kind}: {names}: {time.monotonic() - begun:.1f} s")
        trial.end()
        say(f"# {kind}: {trial.done} done at once, {trial.failed} repeated, {trial.proxy.counts}")
        trial.proxy.stop()

    with ThreadPoolExecutor(WORKERS[kind]) as pool:
        list(pool.map(work, range(WORKERS[kind])))


@test
def every_fault_in_every_operation_on_ceph():
    every_fault("s3")


@test
def every_fault_in_every_operation_on_swift():
    every_fault("swift")


@test
def a_store_that_stays_away():
    """Nobody listens, or nobody answers, for longer than any patience: a clear error in time."""
    for kind in ("s3", "swift"):
        proxy, place = proxied(kind)
        lab, keeper, image, points = prepared(place, 1, 2 * MIB)
        change_image(image, 1)
        for name, begin, end in (
                ("closed", proxy.close_port, proxy.open_port),
                ("silent", lambda: proxy.add("black_hole"), proxy.clear),
                ("failing", lambda: proxy.add("http", code=503, retry_after=1), proxy.clear)):
            begin()
            # One repetition is enough to see that there is one.
            result = timed(name, lambda: lab.backup(
                f"disk={image}", timeout=LIMIT, env={**HASTY, "LIFEBOAT_RETRIES": "2"}))
            end()
            equal(result.code, 11, f"{kind}, {name}: exit code ({result.told()[:300]})")
            check(result.error.get("advice"), f"{kind}, {name}: no advice")
        points[lab.backup(f"disk={image}").expect(0).json["point"]] = digest(image)
        lab.expect_restores(points)


@test
def interruptions_of_a_silent_store():
    """SIGINT ends a run that waits for an answer, long before its patience does."""
    proxy, place = proxied("s3")
    lab, keeper, image, points = prepared(place, 1, 2 * MIB)
    change_image(image, 1)
    proxy.add("black_hole", skip=2)
    process = lab.start("backup", "--machine", "m", f"disk={image}", *lab.secret,
                        env={"LIFEBOAT_STALL_TIMEOUT": "86400", "LIFEBOAT_REQUEST_TIMEOUT": "86400"})
    wait_for(lambda: proxy.counts.get("black_hole"), "a request that is not answered")
    process.send_signal(signal.SIGINT)
    code, _ = wait(process, LIMIT)
    check(code in (130, 11), f"exit code {code}")
    proxy.clear()
    lab.backup(f"disk={image}").expect(0)
    lab.expect_restores(points)


def wait_for(condition, what):
    end = time.monotonic() + LIMIT
    while not condition():
        check(time.monotonic() < end, f"{what}: never")
        time.sleep(0.02)


def backup_while(lab, image, proxy, begin, pause, end):
    """A backup during which something happens: after its first body has been sent.

    `begin`, then `pause` seconds, then `end`; with no `pause` only after the backup.
    """
    seen = threading.Event()

    class Watch:
        def choose(self, line, length, _):
            if line.startswith("PUT ") and "/packs/" in line:
                seen.set()

    proxy.use([Watch()])
    runs = []
    thread = threading.Thread(target=lambda: runs.append(lab.backup(
        f"disk={image}", timeout=LIMIT, env={**HASTY, "LIFEBOAT_RETRIES": "10"})))
    thread.start()
    try:
        check(seen.wait(LIMIT), "the backup stored nothing")
        begin()
        if pause:
            time.sleep(pause)
        else:
            thread.join()
    finally:
        end()
    thread.join()
    proxy.clear()
    check(runs, "the backup hung")
    return runs[0]


@test
def an_osd_that_pauses_and_one_that_is_killed():
    proxy, place = proxied("s3")
    lab, keeper, image, points = prepared(place, 1, 16 * MIB)
    for name, begin, end in (("paused", CEPH.osd.pause, CEPH.osd.resume),
                             ("killed", CEPH.kill_osd, CEPH.start_osd)):
        change_image(image, name, count=100)
        result = backup_while(lab, image, proxy, begin, 2.5, end)
        if not acceptable(f"backup, OSD {name}", result):
            result = lab.backup(f"disk={image}").expect(0)
        points[result.json["point"]] = digest(image)
        lab.clean_caches()
        lab.expect_restores(points)
    lab.verify_data().expect(0)


@test
def a_quota_that_is_used_up():
    lab, keeper, image, points = prepared(s3_place(CEPH), 1, 4 * MIB)
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
    proxy, place = proxied("swift")
    lab, keeper, image, points = prepared(place, 1, 8 * MIB)
    make_image(image, 8 * MIB, 2)
    before = set(place.names(lab.prefix))
    result = backup_while(
        lab, image, proxy, lambda: SWIFT.stop_backend("container"), 0,
        lambda: SWIFT.start_backend("container"))
    if acceptable("backup without listings", result):
        points[result.json["point"]] = digest(image)
    # Now there are listings again, but old ones.
    change_image(image, 2)
    late = lab.backup(f"disk={image}", timeout=LIMIT)
    if acceptable("backup with old listings", late):
        points[late.json["point"]] = digest(image)
    for arguments in (["prune", "--max-unused", "0"], ["forget", "--keep-last", "10"]):
        result = keeper.run(*arguments, *keeper.secret, timeout=LIMIT)
        check(result.code in (0, 3, 11, 21), f"{arguments[0]}: {result.code} {result.told()[:300]}")
    listed = set(place.names(lab.prefix))
    SWIFT.update_listings()
    check(set(place.names(lab.prefix)) - listed - before, "no listing was late")
    lab.clean_caches()
    lab.expect_restores(points)
    change_image(image, 3)
    points[lab.backup(f"disk={image}").expect(0).json["point"]] = digest(image)
    lab.expect_restores(points)
    lab.verify_data().expect(0)


@test
def backends_of_swift_that_are_away():
    lab, keeper, image, points = prepared(swift_place(SWIFT), 1, 2 * MIB)
    for kind in ("object", "account", "container"):
        change_image(image, kind)
        SWIFT.stop_backend(kind)
        try:
            result = lab.backup(
                f"disk={image}", timeout=LIMIT, env={**HASTY, "LIFEBOAT_RETRIES": "3"})
            acceptable(f"backup without the {kind} server", result)
        finally:
            SWIFT.start_backend(kind)
        if result.code != 0:
            result = lab.backup(f"disk={image}").expect(0)
        points[result.json["point"]] = digest(image)
    lab.expect_restores(points)


main(
    [[every_fault_in_every_operation_on_ceph], [every_fault_in_every_operation_on_swift],
     [random_faults_on_ceph, a_store_that_stays_away],
     [random_faults_on_swift, interruptions_of_a_silent_store]],
    # What concerns a whole server, with only one user of each.
    [[an_osd_that_pauses_and_one_that_is_killed, a_quota_that_is_used_up],
     [listings_that_are_late, backends_of_swift_that_are_away]])
