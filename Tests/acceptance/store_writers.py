"""Four writers and one keeper on one repository in Ceph, with faults all the time.

LIFEBOAT_TEST_MINUTES: how long it runs (2 by default, less with LIFEBOAT_TEST_QUICK).
"""
import random
import threading
import time

from object_stores import *

MINUTES = float(os.environ.get("LIFEBOAT_TEST_MINUTES", "0.5" if QUICK else "2"))
LIMIT = 150

CEPH, = run_servers(Ceph())


class Worker(threading.Thread):
    """Does steps until the end; an exception of a step is kept."""

    def __init__(self, host, name, seed, end):
        super().__init__()
        self.host, self.title, self.end = host, name, end
        self.source = random.Random(f"{seed} {name}")
        self.codes, self.failure = [], None

    def run(self):
        try:
            while time.monotonic() < self.end:
                self.step()
        except Exception as error:
            self.failure = error

    def note(self, what, result):
        self.codes.append(result.code)
        # 20: a bit that was changed on its way cannot be told from damage over plain HTTP.
        check(result.code in (0, 11, 20, 21),
              f"{self.title}: {what}: exit {result.code}: {result.told()[:400]}")
        return result.code == 0


class Writer(Worker):
    """One machine that is changed and backed up."""

    def __init__(self, lab, number, seed, end):
        super().__init__(lab.member("writer", f"writer{number}"), f"m{number}", seed, end)
        self.image = make_image(self.host.path("disk"), 4 * MIB, f"{seed} {number % 2}")
        # Points that were told, and contents that a point may hold.
        self.done, self.digests = {}, set()

    def step(self):
        change_image(self.image, self.source.random(), count=10)
        content = digest(self.image)
        self.digests.add(content)
        result = self.host.backup(f"disk={self.image}", machine=self.title, timeout=LIMIT)
        if self.note("backup", result):
            self.done[result.json["point"]] = content


class Keeper(Worker):
    """Forgets and prunes."""

    def step(self):
        arguments = ["prune"]
        if self.source.random() < 0.4:
            arguments = ["forget", "--keep-last", str(self.source.randint(2, 4))]
        self.note(arguments[0], self.host.run(*arguments, *self.host.secret, timeout=LIMIT))


@test
def four_writers_and_a_keeper_under_faults():
    for seed in seeds(1):
        proxy = FaultProxy(CEPH.port).start()
        SERVERS.append(proxy)
        lab = StoreLab(s3_place(CEPH, proxy.url))
        end = time.monotonic() + 60 * MINUTES
        writers = [Writer(lab, number, seed, end) for number in range(4)]
        keeper = Keeper(lab.member("keeper", "keeper"), "keeper", seed, end)
        proxy.schedule(seed, 25, usual_faults(random.Random(seed)))
        for thread in [*writers, keeper]:
            thread.start()
        for thread in [*writers, keeper]:
            thread.join()
        for thread in [*writers, keeper]:
            if thread.failure:
                raise thread.failure
        faults = proxy.decisions.faults
        proxy.clear()
        # Everybody comes back once in peace.
        for writer in writers:
            before = len(writer.done)
            writer.step()
            equal(len(writer.done), before + 1, f"backups of {writer.title} in peace")
        keeper.host.run("prune", *keeper.host.secret).expect(0)
        backups = sum(len(writer.done) for writer in writers)
        unanswered = sum(code in (11, 20) for thread in [*writers, keeper] for code in thread.codes)
        print(f"# {backups} backups, {len(keeper.codes)} steps of the keeper, {unanswered} runs "
              f"given up, {faults} faults: {proxy.counts}", flush=True)
        check(backups >= 8 and faults > 10, "too little happened")
        newest, listed = {}, lab.points()
        for point in listed:
            writer = writers[int(point["machine"][1:])]
            found, result = lab.restored_digest(point["id"])
            check(result.code == 0, f"point {point['id'][:12]}: {result.told()[:400]}")
            check(found in writer.digests, f"point {point['id'][:12]} holds something else")
            if point["id"] in writer.done:
                equal(found, writer.done[point["id"]], f"point {point['id'][:12]}")
            newest[point["machine"]] = point["id"]
        for writer in writers:
            equal(newest.get(writer.title), list(writer.done)[-1],
                  f"newest point of {writer.title}")
        lab.verify_data().expect(0)


main()
