"""Several runs at once on one repository, from one host and from two."""
import os
import random
import shutil

from harness import *


def together(runs, timeout=300):
    codes = [wait(process, timeout)[0] for process in runs]
    check(None not in codes, "a run hangs")
    return codes


@test
def backups_of_several_machines_at_once():
    for seed in seeds(max(2, SEEDS // 10)):
        lab = Lab()
        images = [make_image(lab.path(f"disk{n}"), 40 * MIB, f"{seed} {n % 3}") for n in range(4)]
        points = {}
        for step in range(2):
            runs = [lab.start("backup", "--machine", f"m{n}", f"disk={image}", *lab.secret)
                    for n, image in enumerate(images)]
            equal(together(runs), [0] * 4, "exit codes")
            for point in lab.points():
                number = int(point["machine"][1:])
                points.setdefault(point["id"], digest(images[number]))
            equal(len(points), 4 * (step + 1), "points")
            for number, image in enumerate(images):
                change_image(image, f"{seed} {step} {number}")
        lab.expect_restores(points)
        check(lab.verify_data().code == 0, "verify")
        left = [n for f, _, names in os.walk(lab.state) for n in names if n.endswith(".journal")]
        equal(left, [], "journals left over")
        Lab.close_all()


@test
def two_hosts_at_once():
    lab = Lab()
    other = Lab(init=False)
    other.repo, other.key, other.recovery = lab.repo, lab.key, lab.recovery
    points = {}
    for step in range(3):
        runs, images = [], []
        for number, host in enumerate((lab, other)):
            image = make_image(host.path(f"disk{step}"), 24 * MIB, f"{step} {number % 1}")
            images.append(image)
            runs.append(host.start("backup", "--machine", f"h{number}", f"disk={image}",
                                   *host.secret))
        equal(together(runs), [0, 0], "exit codes")
        for point in lab.points():
            points.setdefault(point["id"], digest(images[int(point["machine"][1:])]))
    equal(len(points), 6, "points")
    lab.expect_restores(points)
    check(lab.verify_data().code == 0, "verify of one host")
    check(other.verify_data().code == 0, "verify of the other host")


@test
def a_cloned_host_is_noticed():
    """Two hosts with one state directory's content: whoever comes second does not overwrite."""
    lab = Lab()
    image = make_image(lab.path("disk"), 8 * MIB, 1)
    points = {lab.backup(f"disk={image}").expect(0).json["point"]: digest(image)}
    clone = Lab(init=False)
    clone.repo, clone.key, clone.recovery = lab.repo, lab.key, lab.recovery
    shutil.copytree(lab.state, clone.state)
    for host in (lab, clone, lab, clone):
        change_image(image, random.Random(len(points)).random())
        result = host.backup(f"disk={image}")
        check(result.code in (0, 3, 21), f"a clone: {result.code} {result.told()[:200]}")
        if result.code != 21:
            points[result.json["point"]] = digest(image)
    lab.expect_restores(points)
    check(len(points) >= 3, "the host itself is locked out")


@test
def reading_while_writing():
    lab = Lab()
    image = make_image(lab.path("disk"), 64 * MIB, 1)
    first = lab.backup(f"disk={image}").expect(0).json["point"]
    expected = digest(image)
    change_image(image, 1, count=400)
    for _ in range(3):
        run = lab.start("backup", "--machine", "m", f"disk={image}", "--no-fingerprints",
                        *lab.secret)
        check(lab.verify(*lab.secret).code == 0, "verify while a backup runs")
        found, result = lab.restored_digest(first)
        equal(found, expected, f"a restore while a backup runs: {result.told()[:200]}")
        equal(together([run]), [0], "exit codes")
    equal(len(lab.points()), 4, "points")


@test
def the_same_machine_twice_at_once():
    lab = Lab()
    image = make_image(lab.path("disk"), 40 * MIB, 1)
    runs = [lab.start("backup", "--machine", "m", f"disk={image}", *lab.secret) for _ in range(3)]
    equal(together(runs), [0, 0, 0], "exit codes")
    lab.expect_restores({p["id"]: digest(image) for p in lab.points()})
    equal(len(lab.points()), 3, "points")
    result = lab.backup(f"disk={image}").expect(0)
    equal(result.json["volumes"][0]["bytes_new"], 0, "new bytes")


main()
