"""No space left: for the repository, the host's own directories, the target of a restore."""
import os
import random
import shutil
import subprocess

from harness import *


def fill(folder, leave=0):
    """Takes all free space but `leave` bytes."""
    path = os.path.join(folder, "ballast")
    status = os.statvfs(folder)
    size = max(0, status.f_bavail * status.f_frsize - leave)
    with open(path, "wb") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError:
            while True:
                try:
                    file.write(bytes(65536))
                    file.flush()
                except OSError:
                    break
    return path


@test
def the_repository_is_full():
    if not IS_ROOT:
        return
    for seed in seeds(max(3, SEEDS // 3)):
        source = random.Random(f"full {seed}")
        lab = Lab(init=False)
        folder = mount_tmpfs(lab, "disk", 200 * MIB)
        lab.repo = os.path.join(folder, "repo")
        lab.run("init", "--recovery-key-file", lab.recovery, "--new-key-file", lab.key).expect(0)
        image = make_image(lab.path("image"), 48 * MIB, seed, noise=0.95)
        points = {}
        if seed % 3:
            points[lab.backup(f"i={image}").expect(0).json["point"]] = digest(image)
            change_image(image, seed, count=300)
        # Anything from no byte at all to nearly enough, pages as small objects need them too.
        left = source.choice([0, 4096, 8192, 12288, 65536, 200_000, 34 * MIB,
                              source.randrange(40 * MIB)])
        ballast = fill(folder, left)
        result = lab.backup(f"i={image}", machine="m" if seed % 2 else "other")
        check(result.code in (0, 22), f"{left} bytes left: {result.code} {result.told()[:300]}")
        if result.code == 0:
            points[result.json["point"]] = digest(image)
        lab.expect_restores(points)
        check(not os.listdir(os.path.join(lab.repo, "tmp"))
              if os.path.isdir(os.path.join(lab.repo, "tmp")) else True, "temporaries are left")
        verified = lab.verify("--read-data", "--recovery-key-file", lab.recovery, *lab.secret)
        check(verified.code == 0, f"verify on a full disk: {verified.out[-300:]}")
        before = lab.stored_bytes()
        os.unlink(ballast)
        result = lab.backup(f"i={image}").expect(0)
        points[result.json["point"]] = digest(image)
        check(lab.stored_bytes() - before <= 64 * MIB, "much was stored twice")
        lab.expect_restores(points)
        check(lab.verify_data().code == 0, "verify after space was made")
        Lab.close_all()


@test
def a_full_disk_under_init():
    if not IS_ROOT:
        return
    lab = Lab(init=False)
    folder = mount_tmpfs(lab, "disk", 4 * MIB)
    lab.repo = os.path.join(folder, "repo")
    ballast = fill(folder)
    lab.run("init", "--recovery-key-file", lab.recovery, "--new-key-file", lab.key).expect(22)
    check(not os.path.exists(lab.recovery), "a recovery key of nothing was left")
    os.unlink(ballast)
    lab.run("init", "--recovery-key-file", lab.recovery, "--new-key-file", lab.key).expect(0)
    image = make_image(lab.path("image"), MIB, 1)
    lab.expect_restores({lab.backup(image).expect(0).json["point"]: digest(image)})


@test
def state_and_cache_are_full():
    if not IS_ROOT:
        return
    for which in ("state", "cache"):
        for left in (0, 4096, 16384):
            lab = Lab(init=False)
            folder = mount_tmpfs(lab, "disk", 8 * MIB)
            setattr(lab, which, os.path.join(folder, which))
            lab.run(
                "init", "--recovery-key-file", lab.recovery, "--new-key-file", lab.key).expect(0)
            image = make_image(lab.path("image"), 24 * MIB, 1)
            first = lab.backup(f"i={image}").expect(0).json["point"]
            points = {first: digest(image)}
            change_image(image, left)
            ballast = fill(folder, left)
            result = lab.backup(f"i={image}")
            check(result.code in (0, 3, 22), f"{which} full: {result.code} {result.told()[:300]}")
            listed = {p["id"] for p in lab.points()}
            for point in listed - set(points):
                points[point] = digest(image)
            if result.code == 22:
                check(len(listed) == 1 or which == "state",
                      "a failed backup made a point")
            lab.expect_restores(points)
            os.unlink(ballast)
            result = lab.backup(f"i={image}").expect(0)
            points[result.json["point"]] = digest(image)
            lab.expect_restores(points)
            check(lab.verify_data().code == 0, f"verify after {which} was full")
            Lab.close_all()


@test
def the_target_of_a_restore_is_full():
    if not IS_ROOT:
        return
    lab = Lab()
    folder = mount_tmpfs(lab, "disk", 16 * MIB)
    image = make_image(lab.path("image"), 24 * MIB, 1, noise=0.95)
    point = lab.backup(f"i={image}").expect(0).json["point"]
    target = os.path.join(folder, "target")
    result = lab.restore(point, target).expect(22)
    check(target in result.told(), result.told())
    check(not os.path.exists(target), "an incomplete file bears the name")
    run = subprocess.run(["mount", "-o", "remount,size=64m", folder])
    equal(run.returncode, 0, "remount")
    lab.restore(point, target, "--resume").expect(0)
    equal(digest(target), digest(image), "the resumed restore")


main()
