"""What a restore refuses, and what it writes where it may."""
import os
import random
import subprocess

from harness import *


def prepared(size=24 * MIB):
    lab = Lab()
    image = make_image(lab.path("disk"), size, 1)
    return lab, image, lab.backup(f"disk={image}").expect(0).json["point"]


@test
def an_existing_file_is_not_overwritten():
    lab, image, point = prepared()
    for data in (b"", b"something"):
        target = lab.write("target", data)
        result = lab.restore(point, target).expect(14)
        check(target in result.told(), result.told())
        equal(open(target, "rb").read(), data, "what was there")
    # A link to nowhere, a link to a file, a directory, a socket.
    os.symlink(lab.path("nowhere"), lab.path("dangling"))
    result = lab.restore(point, lab.path("dangling"))
    check(result.code in (0, 14, 21), f"a dangling link: {result.code} {result.told()}")
    if result.code == 0:
        equal(digest(lab.path("dangling")), digest(image), "what a dangling link leads to")
    os.symlink(target, lab.path("link"))
    lab.restore(point, lab.path("link")).expect(14)
    equal(open(target, "rb").read(), b"something", "what a link leads to")
    os.mkfifo(lab.path("fifo"))
    lab.restore(point, lab.path("fifo"), timeout=30).expect(21)
    lab.restore(point, lab.path("fifo"), "--in-place", timeout=30).expect(21)
    lab.restore(point, "/dev/null").expect(21)
    lab.restore(point, lab.path("no/such/folder")).expect(13)
    # Into a directory that exists: a file with the volume's name.
    os.mkdir(lab.path("folder"))
    lab.restore(point, lab.path("folder")).expect(0)
    equal(digest(lab.path("folder/disk")), digest(image), "restored into a folder")
    lab.restore(point, lab.path("folder")).expect(14)


@test
def a_device_that_is_not_empty_or_too_small():
    if not IS_ROOT:
        return
    lab, image, point = prepared()
    small = loop_device(lab, 23 * MIB, "small.img")
    before = digest(small)
    for options in ([], ["--in-place"]):
        result = lab.restore(point, small, *options).expect(21)
        check(small in result.told() and str(24 * MIB) in result.told(), result.told())
    equal(digest(small), before, "the small device")
    device = loop_device(lab, 32 * MIB, "device.img")
    with open(device, "r+b") as file:
        file.seek(1080)
        file.write(b"\x53\xef")
    lab.restore(point, device).expect(21)
    with open(device, "r+b") as file:
        file.seek(1080)
        file.write(bytes(2))
        file.seek(32 * MIB - 512)
        file.write(b"GPT")
    lab.restore(point, device).expect(21)
    tail = random.Random(1).randbytes(8 * MIB)
    with open(device, "r+b") as file:
        file.seek(24 * MIB)
        file.write(tail)
    lab.restore(point, device, "--in-place").expect(0)
    with open(device, "rb") as file:
        equal(digest_of(file.read(24 * MIB)), digest(image), "the restored device")
        equal(digest_of(file.read()), digest_of(tail), "what lies behind the volume")
    empty = loop_device(lab, 24 * MIB, "empty.img")
    lab.restore(point, empty).expect(0)
    equal(digest(empty), digest(image), "the restored device")
    # Dirty where zeros belong, but for the ends.
    dirty = loop_device(lab, 24 * MIB, "dirty.img")
    with open(dirty, "r+b") as file:
        file.seek(2 * MIB)
        file.write(random.Random(2).randbytes(20 * MIB))
    lab.restore(point, dirty).expect(0)
    equal(digest(dirty), digest(image), "the restored device")


@test
def a_device_in_use():
    if not IS_ROOT:
        return
    lab, image, point = prepared()
    device = loop_device(lab, 64 * MIB)
    run = subprocess.run(["mkfs.ext4", "-q", device], capture_output=True)
    if run.returncode != 0:
        return
    os.mkdir(lab.path("mnt"))
    if subprocess.run(["mount", device, lab.path("mnt")], capture_output=True).returncode != 0:
        return
    lab.cleanups.append(lambda: subprocess.run(["umount", lab.path("mnt")], capture_output=True))
    for options in ([], ["--in-place"]):
        result = lab.restore(point, device, *options).expect(21)
        check(device in result.told(), result.told())
    subprocess.run(["mount", "-o", "remount,ro", lab.path("mnt")], capture_output=True)
    result = lab.restore(point, device, "--in-place").expect(21)
    # As a source, a mounted file system is no consistent one, and that is said.
    subprocess.run(["mount", "-o", "remount,rw", lab.path("mnt")], capture_output=True)
    result = lab.backup(f"disk={device}").expect(0, 3).json
    equal(result["consistency"], "none", "consistency of a mounted device")
    check(result["volumes"][0]["warnings"], "no warning of a mounted device")


@test
def several_volumes():
    lab = Lab()
    images = [make_image(lab.path(name), 3 * MIB, name) for name in ("a", "b", "c")]
    point = lab.backup(*images).expect(0).json["point"]
    with open(lab.path("stdout"), "wb") as out:
        result = lab.restore(point, "-", stdout=out).expect(2)
        check("--volume" in result.told(), result.told())
    equal(os.path.getsize(lab.path("stdout")), 0, "bytes written to standard output")
    with open(lab.path("stdout"), "wb") as out:
        lab.restore(point, "-", "--volume", "b", stdout=out).expect(0)
    equal(digest(lab.path("stdout")), digest(images[1]), "the chosen volume")
    lab.restore(point, lab.path("x"), "--volume", "nothing").expect(13)
    lab.restore(point, lab.path("out")).expect(0)
    for image in images:
        equal(digest(lab.path(f"out/{os.path.basename(image)}")), digest(image), "a volume")
    lab.restore(point, images[0]).expect(14)
    os.unlink(lab.path("out/b"))
    lab.restore(point, lab.path("out")).expect(14)
    check(not os.path.exists(lab.path("out/b")), "a part was restored before the refusal")
    lab.restore(point, lab.path("two"), "--volume", "a", "--volume", "c").expect(0)
    equal(sorted(os.listdir(lab.path("two"))), ["a", "c"], "volumes")
    lab.restore("latest", lab.path("latest-out")).expect(0)
    lab.backup(images[0], machine="other").expect(0)
    result = lab.restore("latest", lab.path("other-out")).expect(21)
    check("other" in result.told() and "--machine" in result.told(), result.told())
    lab.restore("latest", lab.path("other-out"), "--machine", "other").expect(0)
    lab.restore("ffff", lab.path("y")).expect(13)
    lab.restore("", lab.path("y")).expect(2, 13)
    lab.restore(point[:3], lab.path("y")).expect(13, 21)
    lab.restore(point[:10].upper(), lab.path("upper"), "--volume", "a").expect(0)


@test
def in_place_writes_only_what_differs():
    lab, image, point = prepared()
    target = lab.path("target")
    lab.restore(point, target).expect(0)
    result = lab.restore(point, target, "--in-place").expect(0).json["volumes"][0]
    equal(result["bytes_written"], 0, "bytes written onto what is the same")
    equal(result["bytes_fetched"], 0, "bytes fetched for what is the same")
    for seed in seeds(max(3, SEEDS // 4)):
        changes = change_image(target, seed, count=10, longest=100)
        chunks = {c for offset, length in changes
                  for c in range(offset // (64 * KIB), (offset + length - 1) // (64 * KIB) + 1)}
        result = lab.restore(point, target, "--in-place").expect(0).json["volumes"][0]
        equal(digest(target), digest(image), "the target")
        check(result["bytes_written"] <= len(chunks) * 64 * KIB,
              f"{result['bytes_written']} bytes written for {len(chunks)} chunks")
        check(result["bytes_matching"] + result["bytes_written"] == 24 * MIB, f"{result}")
    for size in (0, 1, 10 * MIB + 5, 40 * MIB):
        with open(target, "r+b") as file:
            file.truncate(size)
            if size > 24 * MIB:
                file.seek(30 * MIB)
                file.write(b"beyond")
        lab.restore(point, target, "--in-place").expect(0)
        equal(digest(target), digest(image), f"a target that had {size} bytes")
    # --in-place onto nothing makes a new file.
    lab.restore(point, lab.path("new"), "--in-place").expect(0)
    equal(digest(lab.path("new")), digest(image), "a new file")


@test
def what_was_written_is_verified():
    """A target that loses what is written to it is found out."""
    lab, image, point = prepared()
    result = lab.restore(point, lab.path("t")).expect(0).json["volumes"][0]
    equal(result["bytes_verified"], 24 * MIB, "bytes verified")
    result = lab.restore(point, lab.path("u"), "--no-verify").expect(0).json["volumes"][0]
    equal(result["bytes_verified"], 0, "bytes verified with --no-verify")


main()
