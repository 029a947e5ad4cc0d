"""Replicas: brought up to date while killed at random, healed from, promoted; and pulling."""
import os
import random
import pathlib
import shutil
import signal
import subprocess
import sys
import time

from harness import *

READER = (pathlib.Path(__file__).resolve().parent.parent.parent / "formats" / "reader"
          / "lifeboat_reader.py")


def new_lab():
    lab = Lab(init=False)
    lab.run("init", "--recovery-key-file", lab.recovery, "--new-key-file", lab.key,
            "--minimum-age", "0s").expect(0)
    lab.keeper = lab.path("keeper.key")
    lab.run("key", "enrol", "--role", "keeper", "--label", "keeper", "--new-key-file", lab.keeper,
            "--recovery-key-file", lab.recovery).expect(0)
    lab.replica = lab.path("replica")
    lab.contents = {}
    return lab


def at_replica(lab):
    """Somebody who has the recovery key and nothing else, at the replica."""
    other = Lab(init=False)
    other.repo, other.recovery, other.key = lab.replica, lab.recovery, lab.key
    return other


def expect_whole(lab, told=""):
    """Every point that the replica lists restores bit for bit; their ids."""
    other = at_replica(lab)
    if not os.path.exists(os.path.join(lab.replica, "config", "0000000001")):
        return set()
    result = other.run("points", "--recovery-key-file", other.recovery).expect(0)
    check(b"warning" not in result.err, f"{told}: the replica warns: {result.err[-400:]!r}")
    listed = {point["id"] for point in result.json["points"]}
    for point in listed:
        found, result = other.restored_digest(point)
        check(result.code == 0,
              f"{told}: point {point[:12]} of the replica does not restore: {result.told()[:400]}")
        equal(found, lab.contents[point], f"{told}: bytes of point {point[:12]} at the replica")
    other.close()
    Lab.every.remove(other)
    return listed


def back_up(lab, image, machine):
    result = lab.backup(f"disk={image}", machine=machine).expect(0)
    lab.contents[result.json["point"]] = digest(image)
    return result.json["point"]


def sync(lab, *options):
    return lab.run("replica", "sync", *options)


def kill_somewhere(process, source, longest):
    deadline = time.monotonic() + source.uniform(0.0, longest)
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.0005)
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait()


def stored(folder, *prefixes):
    found = {}
    for prefix in prefixes:
        for place, _, names in os.walk(os.path.join(folder, prefix)):
            for name in names:
                path = os.path.join(place, name)
                found[os.path.relpath(path, folder)] = os.path.getsize(path)
    return found


def by_the_second_reader(lab):
    """The points that the second reader finds at the replica, without any complaint."""
    run = subprocess.run(
        [sys.executable, str(READER), "points", lab.replica, "--recovery-key-file", lab.recovery],
        capture_output=True, text=True)
    check(run.returncode == 0, f"the second reader: {run.stderr[-400:]}")
    return {line.split()[0] for line in run.stdout.splitlines()}


@test
def killed_at_random_moments_it_is_always_whole():
    for seed in seeds(1 if QUICK else 3):
        source = random.Random(seed)
        lab = new_lab()
        images = [make_image(lab.path(f"disk{n}"), 3 * MIB, f"{seed} {n}") for n in range(2)]
        lab.run("replica", "add", "copy", lab.replica).expect(0)
        for step in range(8):
            number = source.randrange(2)
            change_image(images[number], f"{seed} {step}", count=10)
            back_up(lab, images[number], f"m{number}")
            if source.random() < 0.4:
                lab.run("forget", "--keep-last", source.randint(1, 3), "--key-file",
                        lab.keeper).expect(0)
            for _ in range(source.randint(0, 3)):
                process = lab.start("replica", "sync")
                # Collection at the source goes on meanwhile.
                if source.random() < 0.5:
                    pruning = lab.start("prune", "--key-file", lab.keeper)
                    kill_somewhere(pruning, source, 0.6)
                kill_somewhere(process, source, 0.4)
                expect_whole(lab, f"step {step}")
            if os.path.exists(os.path.join(lab.replica, "config", "0000000001")) and step % 3 == 0:
                equal(by_the_second_reader(lab), expect_whole(lab), "points by the second reader")
        lab.run("prune", "--key-file", lab.keeper).expect(0)
        result = sync(lab).expect(0)
        equal(result.json["replicas"][0]["complete"], True, "complete")
        listed = expect_whole(lab)
        equal(listed, {point["id"] for point in lab.points()}, "points at the replica")
        kinds = ("packs", "index", "points")
        check(set(stored(lab.replica, *kinds)) <= set(stored(lab.repo, *kinds)),
              "the replica has objects that the repository has deleted")
        result = sync(lab).expect(0)
        equal(result.json["replicas"][0]["objects_copied"], 0, "objects copied for nothing")


@test
def space_comes_back_and_deleted_objects_stay_away():
    lab = new_lab()
    image = make_image(lab.path("disk"), 8 * MIB, 1)
    lab.run("replica", "add", "copy", lab.replica).expect(0)
    for step in range(5):
        change_image(image, step, count=60)
        back_up(lab, image, "m")
    sync(lab).expect(0)
    before = stored(lab.replica, "packs")
    lab.run("forget", "--keep-last", "1", "--key-file", lab.keeper).expect(0)
    lab.run("prune", "--key-file", lab.keeper).expect(0)
    lab.run("prune", "--key-file", lab.keeper).expect(0)
    gone = set(before) - set(stored(lab.repo, "packs"))
    check(gone, "prune deleted nothing")
    # A dry run changes nothing.
    dry = sync(lab, "copy", "--dry-run").expect(0)
    equal(stored(lab.replica, "packs"), before, "packs after a dry run")
    check(dry.json["dry_run"], "a dry run says so")
    result = sync(lab).expect(0).json["replicas"][0]
    check(result["deleted_bytes"] > 0, "no space came back")
    after = stored(lab.replica, "packs")
    check(not gone & set(after), "condemned packs came back")
    equal(after, stored(lab.repo, "packs"), "packs")
    expect_whole(lab)


@test
def damage_is_not_spread_and_is_healed():
    lab = new_lab()
    image = make_image(lab.path("disk"), 8 * MIB, 2)
    first = back_up(lab, image, "m")
    lab.run("replica", "add", "copy", lab.replica).expect(0)
    sync(lab).expect(0)
    # A pack that the replica has: verify puts it back.
    pack = max(stored(lab.repo, "packs").items(), key=lambda item: item[1])[0]
    path = os.path.join(lab.repo, pack)
    right = digest(path)
    flip(path)
    result = lab.verify("--keyless").expect(20)
    check(any(p["object"] == pack for p in result.json["problems"]), "the damage is not told")
    result = lab.verify("--keyless", "--repair", "--replica", "copy").expect(0)
    equal([r["object"] for r in result.json["repaired"]], [pack], "repaired objects")
    equal(digest(path), right, "the pack that was put back")
    lab.verify_data().expect(0)
    equal(stored(lab.repo, "damaged"), {}, "markers after the repair")
    # One that it has not: not copied, and nothing new is shown.
    had = set(stored(lab.repo, "packs"))
    change_image(image, 3, count=60)
    back_up(lab, image, "m")
    pack = max((set(stored(lab.repo, "packs")) - had), key=lambda p: stored(lab.repo, "packs")[p])
    path = os.path.join(lab.repo, pack)
    shutil.copy(path, lab.path("whole"))
    flip(path)
    result = sync(lab).expect(20)
    check(any(p["object"] == pack for p in result.json["replicas"][0]["problems"]),
          "the damaged pack is not named")
    check(pack not in stored(lab.replica, "packs"), "damage was copied")
    equal(expect_whole(lab), {first}, "points at the replica")
    os.replace(lab.path("whole"), path)
    sync(lab).expect(0)
    equal(len(expect_whole(lab)), 2, "points at the replica")
    # A replica heals itself from the repository.
    flip(os.path.join(lab.replica, pack))
    other = at_replica(lab)
    other.verify("--keyless").expect(20)
    sync(lab).expect(0)
    other.verify("--keyless").expect(0)


def flip(path):
    os.chmod(path, 0o600)
    with open(path, "r+b") as file:
        file.seek(os.path.getsize(path) // 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))


@test
def nobody_writes_to_a_replica_until_it_is_promoted():
    lab = new_lab()
    image = make_image(lab.path("disk"), 4 * MIB, 4)
    back_up(lab, image, "m")
    lab.run("replica", "add", "copy", lab.replica).expect(0)
    lab.run("replica", "add", "copy", lab.path("elsewhere")).expect(14)
    lab.run("replica", "add", "own", lab.repo).expect(21)
    equal(lab.run("replica", "list").expect(0).json["replicas"][0]["synced"], None, "last sync")
    sync(lab).expect(0)
    change_image(image, 5)
    back_up(lab, image, "m")
    repository = lab.repo
    lab.repo = lab.replica
    # This host has seen more of the repository, and knows that this is its replica.
    result = lab.run("points", *lab.secret).expect(0)
    check(b"warning" not in result.err, f"the replica warns: {result.err!r}")
    lab.verify("--keyless").expect(0)
    lab.backup(f"disk={image}").expect(21)
    lab.run("prune", "--key-file", lab.keeper).expect(21)
    lab.repo = repository
    sync(lab).expect(0)
    shutil.rmtree(lab.repo)
    other = at_replica(lab)
    other.contents = lab.contents
    other.run("replica", "promote").expect(0)
    change_image(image, 6)
    back_up(other, image, "m")
    other.run("prune", "--key-file", lab.keeper).expect(0)
    equal(len(other.points()), 3, "points")
    other.verify_data().expect(0)


@test
def different_points_go_to_different_places():
    lab = new_lab()
    images = [make_image(lab.path(f"disk{n}"), 4 * MIB, n) for n in range(2)]
    points = [back_up(lab, images[n], f"m{n}") for n in range(2)]
    lab.run("replica", "add", "zero", lab.replica, "--machine", "m0").expect(0)
    sync(lab, "zero").expect(12)
    sync(lab, "zero", *lab.secret).expect(0)
    equal(expect_whole(lab), {points[0]}, "points at the replica")
    equal(by_the_second_reader(lab), {points[0]}, "points by the second reader")
    check(len(stored(lab.replica, "packs")) < len(stored(lab.repo, "packs")), "it has all packs")
    other = at_replica(lab)
    other.verify("--read-data", "--recovery-key-file", lab.recovery).expect(0)
    result = other.restore(points[1], other.path("x"))
    equal(result.code, 13, "restoring a point that is not there")
    check("replica" in result.told(), "the error does not say why")


@test
def points_are_pulled():
    old, new = new_lab(), Lab(chunk_size=64 * KIB)
    image = make_image(old.path("disk"), 8 * MIB, 9)
    for step in range(3):
        change_image(image, step, count=5)
        back_up(old, image, "web")
    arguments = ["pull", old.repo, "--from-recovery-key-file", old.recovery, *new.secret]
    first = new.run(*arguments, "latest").expect(0).json
    result = new.run(*arguments, "--all").expect(0).json
    equal([point["new"] for point in result["points"]], [True, True, False], "points that are new")
    for point in result["points"]:
        found, restored = new.restored_digest(point["id"])
        equal(restored.code, 0, "restore")
        equal(found, old.contents[point["origin"]], "a pulled point")
    check(new.stored_bytes() < old.stored_bytes() * 1.2 + MIB, "pulled points share nothing")
    new.run(*arguments[:2], "--all", "--from-recovery-key-file", new.recovery,
            *new.secret).expect(12)
    new.verify_data().expect(0)


if __name__ == "__main__":
    main()
