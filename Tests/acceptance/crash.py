"""kill -9 at random moments of backup and restore."""
import json
import os
import random
import signal
import subprocess
import sys
import time

from harness import *

SIZE = 96 * MIB
PACK = 34 * MIB


def kill_after(lab, delay, *arguments):
    """Runs and kills after `delay` seconds; whether it was still running."""
    process = lab.start(*arguments)
    time.sleep(delay)
    alive = process.poll() is None
    process.kill()
    process.wait()
    return alive


def kill_in_commit(lab, delay, *arguments):
    """Kills `delay` seconds after the run begins to commit."""
    process = lab.start(*arguments, "--progress", "json", stderr=subprocess.PIPE)
    for line in process.stderr:
        if line.startswith(b"{") and json.loads(line).get("stage") == "committing":
            break
    time.sleep(delay)
    alive = process.poll() is None
    process.kill()
    process.wait()
    process.stderr.close()
    return alive


def litter(lab):
    """Files that killed runs may leave: temporaries, journals, local runs, fingerprints."""
    found = []
    for top in (os.path.join(lab.repo, "tmp"), lab.state, lab.cache):
        for folder, _, names in os.walk(top):
            found += [os.path.join(folder, name) for name in names
                      if top.endswith("/tmp") or name.endswith((".tmp", ".journal", ".run"))
                      or ".new-" in name]
    return found


def age(lab, seconds=7200):
    """Makes temporaries old enough to be known as orphans."""
    then = time.time() - seconds
    for path in litter(lab):
        os.utime(path, (then, then))


class Series:
    """Backups of one image that are killed, and what must hold after each kill."""

    def __init__(self, seed):
        self.random = random.Random(f"crash {seed}")
        self.lab = Lab()
        self.image = make_image(self.lab.path("disk"), SIZE, seed, noise=0.85)
        self.known = {}
        self.kills = self.hits = self.since = 0
        self.arguments = ["backup", "--machine", "m", f"disk={self.image}", *self.lab.secret]

    def listed(self):
        """Every listed point is a known one, or one that a killed run just managed to commit."""
        current = digest(self.image)
        return {p["id"]: self.known.get(p["id"], current) for p in self.lab.points()}

    def kill(self, length):
        begun = self.random.random()
        if begun < 0.3:
            hit = kill_in_commit(self.lab, self.random.uniform(0, 0.02), *self.arguments)
        else:
            hit = kill_after(self.lab, self.random.uniform(0, length * 1.1), *self.arguments)
        self.kills += 1
        self.since += 1
        self.hits += hit

    def check_after_kill(self):
        points = self.listed()
        # All of them are restored when the series ends; here the new ones and one of the others.
        some = {p: d for p, d in points.items() if p not in self.known}
        if self.known:
            old = self.random.choice(sorted(self.known))
            some[old] = self.known[old]
        self.lab.expect_restores(some)
        check(set(self.known) <= set(points), "a point is not listed any more")
        result = self.lab.verify(*self.lab.secret)
        check(result.code == 0, f"verify after a kill: {result.out[-500:]}")
        self.known = points

    def complete(self, whole, before):
        """The next run completes, and stores at most what was missing and one pack a kill.

        A pack that was put, but not yet noted in the session's journal, is not taken over.
        """
        there = self.lab.stored_bytes() - before
        result = self.lab.backup(f"disk={self.image}").expect(0)
        growth = self.lab.stored_bytes() - before - there
        check(growth <= max(0, whole - there) + PACK * self.since,
              f"{there} of {whole} bytes were stored, and after {self.since} kills "
              f"{growth} more were")
        self.since = 0
        self.known[result.json["point"]] = digest(self.image)
        return result


@test
def backups_killed_anywhere():
    reference = Lab()
    image = make_image(reference.path("disk"), SIZE, 0, noise=0.85)
    begun = time.monotonic()
    reference.backup(f"disk={image}").expect(0)
    length = time.monotonic() - begun
    whole = int(reference.stored_bytes() * 1.1)
    kills = hits = 0
    for seed in seeds(max(2, SEEDS * 2 // 5)):
        series = Series(seed)
        for _ in range(series.random.randrange(1, 5)):
            series.kill(length)
            series.check_after_kill()
        series.complete(whole, 0)
        for _ in range(2):
            change_image(series.image, series.random.random(), count=120)
            before = series.lab.stored_bytes()
            for _ in range(series.random.randrange(1, 4)):
                series.kill(length / 2)
                series.check_after_kill()
            series.complete(24 * MIB, before)
        series.lab.expect_restores(series.known)
        result = series.lab.verify_data()
        check(result.code == 0, f"verify --read-data: {result.out[-500:]}")
        kills, hits = kills + series.kills, hits + series.hits
        series.lab.close()
    print(f"# {kills} kills, {hits} of a running program", file=sys.stderr)
    check(hits * 3 >= kills, f"only {hits} of {kills} kills hit a running program")


@test
def killed_runs_leave_no_growing_litter():
    lab = Lab()
    image = make_image(lab.path("disk"), SIZE, 1, noise=0.85)
    arguments = ["backup", "--machine", "m", f"disk={image}", *lab.secret]
    source = random.Random(1)
    for _ in range(12):
        kill_after(lab, source.uniform(0.02, 0.6), *arguments)
    age(lab)
    lab.backup(f"disk={image}").expect(0)
    lab.backup(f"disk={image}").expect(0)
    left = litter(lab)
    check(not left, f"{len(left)} files are left over: {left[:4]}")


@test
def a_killed_dry_run_and_a_dry_run_after_a_kill():
    lab = Lab()
    image = make_image(lab.path("disk"), SIZE, 2, noise=0.85)
    arguments = ["backup", "--machine", "m", f"disk={image}", *lab.secret]
    for _ in range(3):
        kill_after(lab, 0.3, *arguments)
    there = lab.stored_bytes()
    kill_after(lab, 0.1, *arguments, "--dry-run")
    lab.backup(f"disk={image}", options=["--dry-run"]).expect(0)
    equal(lab.stored_bytes(), there, "bytes stored after a dry run")
    result = lab.backup(f"disk={image}").expect(0)
    lab.expect_restores({result.json["point"]: digest(image)})


def interrupted(lab, delay, target, point, *options):
    return kill_after(
        lab, delay, "restore", point, target, *options, "--recovery-key-file", lab.recovery)


@test
def restores_killed_anywhere():
    lab = Lab()
    image = make_image(lab.path("disk"), SIZE, 3)
    old = lab.backup(f"disk={image}").expect(0).json["point"]
    old_digest = digest(image)
    change_image(image, 3, count=400)
    new = lab.backup(f"disk={image}").expect(0).json["point"]
    new_digest = digest(image)
    begun = time.monotonic()
    lab.restore(new, lab.path("reference")).expect(0)
    length = time.monotonic() - begun
    hits = 0
    for seed in seeds(max(2, SEEDS // 2)):
        source = random.Random(f"restore {seed}")
        # Into a new file: its name never leads to anything but the whole.
        target = lab.path(f"new-{seed}")
        for _ in range(source.randrange(1, 4)):
            resume = ["--resume"] if os.path.exists(target + ".lifeboat-partial") else []
            hits += interrupted(lab, source.uniform(0, length), target, new, *resume)
            if os.path.exists(target):
                equal(digest(target), new_digest, "a file that bears its final name")
                break
        if not os.path.exists(target):
            if os.path.exists(target + ".lifeboat-partial"):
                refused = lab.restore(new, target).expect(14, 21)
                check("--resume" in refused.told(), f"no advice to resume: {refused.told()}")
            lab.restore(new, target, "--resume").expect(0)
        equal(digest(target), new_digest, "a resumed restore")
        check(not os.path.exists(target + ".lifeboat-partial"), "the partial file is left over")
        # In place: from the new point's content back to the old one's.
        interrupted(lab, source.uniform(0, length / 2), target, old, "--in-place")
        lab.restore(old, target, source.choice(["--resume", "--in-place"]),
                    *([] if source.random() < 0.5 else ["--in-place"])).expect(0, 14)
        lab.restore(old, target, "--in-place").expect(0)
        equal(digest(target), old_digest, "a resumed restore in place")
        os.unlink(target)
    check(hits >= 1, "no kill hit a running restore")


@test
def a_restore_to_a_device_resumes():
    if not IS_ROOT:
        return
    lab = Lab()
    image = make_image(lab.path("disk"), SIZE, 4)
    point = lab.backup(f"disk={image}").expect(0).json["point"]
    hits = 0
    for seed in seeds(max(3, SEEDS // 3)):
        source = random.Random(f"device {seed}")
        device = loop_device(lab, SIZE, f"loop-{seed}.img")
        hit = interrupted(lab, source.uniform(0.05, 0.35), device, point)
        hits += hit
        result = lab.restore(point, device, "--resume")
        check(result.code == 0, f"--resume: {result.told()[:300]}")
        equal(digest(device), digest(image), "the device")
        lab.cleanups.pop()()


@test
def a_stale_journal_does_not_hide_what_is_missing():
    lab = Lab()
    image = make_image(lab.path("disk"), SIZE, 5)
    point = lab.backup(f"disk={image}").expect(0).json["point"]
    target = lab.path("target")
    # The first restore notes how far it came, and fails to get its name.
    process = lab.start("restore", point, target, "--recovery-key-file", lab.recovery)
    while process.poll() is None:
        if os.path.exists(target + ".lifeboat-partial"):
            open(target, "wb").close()
            break
        time.sleep(0.001)
    process.wait()
    os.unlink(target)
    if os.path.exists(target + ".lifeboat-partial"):
        os.unlink(target + ".lifeboat-partial")
    # The second begins anew and dies at once; what the first noted must not count for it.
    interrupted(lab, 0.06, target, point)
    result = lab.restore(point, target, "--resume", "--no-verify")
    if result.code == 0:
        equal(digest(target), digest(image), "a restore that was resumed without verification")


main()
