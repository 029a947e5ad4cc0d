"""Volumes of all sizes and shapes, and sources that fail or change while they are read."""
import os
import random
import shutil
import subprocess
import time

from harness import *

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/uio.h>
#include <sys/types.h>
static int hit(int fd, off_t offset, size_t count) {
    const char *path = getenv("SHIM_PATH"), *at = getenv("SHIM_OFFSET");
    if (!path || !at) return 0;
    char link[64], found[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, found, sizeof found - 1);
    if (n < 0) return 0;
    found[n] = 0;
    off_t bad = atoll(at);
    return strcmp(found, path) == 0 && offset <= bad && bad < offset + (off_t)count;
}
ssize_t pread(int fd, void *buffer, size_t count, off_t offset) {
    static ssize_t (*real)(int, void *, size_t, off_t);
    if (!real) real = dlsym(RTLD_NEXT, "pread");
    if (hit(fd, offset, count)) { errno = EIO; return -1; }
    return real(fd, buffer, count, offset);
}
ssize_t pread64(int fd, void *buffer, size_t count, off_t offset) {
    return pread(fd, buffer, count, offset);
}
static size_t total(const struct iovec *v, int n) {
    size_t sum = 0;
    for (int i = 0; i < n; i++) sum += v[i].iov_len;
    return sum;
}
ssize_t preadv2(int fd, const struct iovec *v, int n, off_t offset, int flags) {
    static ssize_t (*real)(int, const struct iovec *, int, off_t, int);
    if (!real) real = dlsym(RTLD_NEXT, "preadv2");
    if (hit(fd, offset, total(v, n))) { errno = EIO; return -1; }
    return real(fd, v, n, offset, flags);
}
ssize_t preadv64v2(int fd, const struct iovec *v, int n, off_t offset, int flags) {
    return preadv2(fd, v, n, offset, flags);
}
"""


def shim(lab):
    """A library that makes reads of one byte of a file fail; `None` without a compiler."""
    compiler = shutil.which("gcc") or shutil.which("clang") or shutil.which("cc")
    if compiler is None:
        return None
    source, library = lab.write("shim.c", SHIM.encode()), lab.path("shim.so")
    run = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"],
        capture_output=True, text=True)
    check(run.returncode == 0, run.stderr)
    return library


@test
def a_read_error_is_told_with_volume_and_range():
    lab = Lab()
    library = shim(lab)
    if library is None:
        return
    image = make_image(lab.path("disk"), 24 * MIB, 1, holes=0)
    first = lab.backup(f"disk={image}").expect(0).json["point"]
    points = {first: digest(image)}
    source = random.Random(1)
    for bad in (0, 24 * MIB - 1, source.randrange(24 * MIB)):
        for options in ([], ["--no-fingerprints"], ["--threads", "1"]):
            result = lab.backup(
                f"disk={image}", options=options,
                env={"LD_PRELOAD": library, "SHIM_PATH": image, "SHIM_OFFSET": str(bad)})
            check(result.code == 23, f"byte {bad} unreadable: {result.code} {result.told()[:300]}")
            told = result.told()
            check(image in told, f"the source is not named: {told[:300]}")
            numbers = [int(n) for n in "".join(c if c.isdigit() else " " for c in
                                               result.error["message"]).split()]
            check(any(abs(n - bad) <= 4 * MIB for n in numbers),
                  f"no range near byte {bad}: {result.error['message']}")
    equal(len(lab.points()), 1, "points")
    lab.expect_restores(points)
    points[lab.backup(f"disk={image}").expect(0).json["point"]] = digest(image)
    lab.expect_restores(points)


@test
def a_source_that_shrinks_or_grows():
    for seed in seeds(max(2, SEEDS // 7)):
        source = random.Random(f"resize {seed}")
        lab = Lab()
        image = make_image(lab.path("disk"), 96 * MIB, seed)
        first = lab.backup(f"disk={image}").expect(0).json["point"]
        kept = digest(image)
        shutil.rmtree(os.path.join(lab.state))
        process = lab.start("backup", "--machine", "n", f"disk={image}", *lab.secret)
        time.sleep(source.uniform(0.01, 0.25))
        grows = seed % 2 == 0
        with open(image, "r+b") as file:
            file.truncate(source.randrange(96 * MIB, 128 * MIB) if grows
                          else source.randrange(64 * MIB))
        code, _ = wait(process, 100)
        check(code in (0, 3, 23), f"a source that {'grows' if grows else 'shrinks'}: {code}")
        if grows:
            check(code in (0, 3), f"a source that grows: {code}")
        found, _ = lab.restored_digest(first)
        equal(found, kept, "an older point")
        for point in lab.points():
            _, result = lab.restored_digest(point["id"])
            equal(result.code, 0, "a point made of a source that changed its size")
        Lab.close_all()


@test
def a_loop_device_that_is_detached():
    if not IS_ROOT:
        return
    lab = Lab()
    image = make_image(lab.path("disk"), 64 * MIB, 1)
    device = attach_loop(lab, image)
    result = lab.backup(f"disk={device}").expect(0)
    points = {result.json["point"]: digest(image)}
    lab.expect_restores(points)
    # Its file is cut off below it: reads beyond fail.
    with open(image, "r+b") as file:
        file.truncate(32 * MIB)
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("1")
    result = lab.backup(f"disk={device}", options=["--no-fingerprints"])
    check(result.code in (0, 3, 23), f"a device without its end: {result.code}")
    if result.code == 23:
        check(device in result.told(), result.told()[:300])
    subprocess.run(["losetup", "--detach", device], check=True)
    result = lab.backup(f"disk={device}")
    check(result.code in (11, 13, 21, 23), f"a detached device: {result.code} {result.told()}")
    check(device in result.told(), result.told()[:300])
    lab.expect_restores(points)


@test
def what_is_no_volume_is_refused():
    lab = Lab()
    for path, codes in ((lab.root, (21,)), (lab.path("nothing"), (13,)), ("/dev/null", (21,)),
                        ("/dev/zero", (21,))):
        result = lab.backup(f"v={path}").expect(*codes)
        check(path in result.told(), f"{path} is not named: {result.told()}")
    fifo = lab.path("fifo")
    os.mkfifo(fifo)
    lab.backup(f"v={fifo}", timeout=20).expect(21)
    image = make_image(lab.path("disk"), MIB, 1)
    if IS_ROOT and shutil.which("setpriv"):
        os.chmod(image, 0)
        for folder in (lab.root, lab.state, lab.cache, lab.repo):
            os.makedirs(folder, exist_ok=True)
        for folder, _, names in os.walk(lab.root):
            os.chmod(folder, 0o777)
            for name in names:
                if name != "disk":
                    os.chmod(os.path.join(folder, name), 0o666)
        result = lab.backup(
            f"v={image}",
            prefix=["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"])
        check(result.code in (23, 25), f"an unreadable file: {result.code} {result.told()[:300]}")
        check(image in result.told(), result.told()[:300])
    for names in (["a=x", "a=y"], ["=x"], ["../v=x"], ["v/w=x"], [f"{'n' * 256}={image}"]):
        volumes = [n.replace("=x", f"={image}").replace("=y", f"={image}") for n in names]
        lab.backup(*volumes).expect(2)
    lab.backup().expect(2)
    equal(lab.points(), [], "points")


def sizes(chunk):
    return [0, 1, 511, chunk - 1, chunk, chunk + 1, 31 * chunk, 32 * chunk - 1, 32 * chunk,
            32 * chunk + 1, 1024 * chunk, 1025 * chunk, 1025 * chunk + 7]


@test
def volumes_of_all_sizes():
    """Also as standard input, to standard output, and as several volumes of one point."""
    chunk = 16 * KIB
    lab = Lab(chunk_size=chunk)
    volumes = []
    for size in sizes(chunk):
        path = make_image(lab.path(f"v{size}"), size, size, piece=5 * KIB)
        volumes.append(path)
    result = lab.backup(*volumes).expect(0)
    point = result.json["point"]
    lab.restore(point, lab.path("out")).expect(0)
    for path in volumes:
        name = os.path.basename(path)
        equal(digest(lab.path(f"out/{name}")), digest(path), f"restored {name}")
        equal(os.path.getsize(lab.path(f"out/{name}")), os.path.getsize(path), "size")
    again = lab.backup(*volumes).expect(0)
    equal(sum(v["bytes_new"] for v in again.json["volumes"]), 0, "new bytes of what is unchanged")
    for path in volumes:
        data = open(path, "rb").read()
        streamed = lab.backup("in=-", machine="stream", input=data).expect(0).json
        equal(streamed["volumes"][0]["size"], len(data), "size of a stream")
        equal(streamed["volumes"][0]["bytes_new"], 0, "new bytes of a stream that is known")
        with open(lab.path("stdout"), "wb") as out:
            lab.restore(streamed["point"], "-", stdout=out).expect(0)
        equal(digest(lab.path("stdout")), digest(path), f"stream of {len(data)} bytes")
    for kind in ("zeros", "hole"):
        path = lab.path(kind)
        with open(path, "wb") as file:
            file.truncate(5 * MIB + 3)
            if kind == "zeros":
                file.write(bytes(5 * MIB + 3))
        result = lab.backup(path).expect(0).json
        equal(result["volumes"][0]["bytes_new"], 0, "new bytes of nothing but zeros")
        lab.expect_restores({result["point"]: digest(path)})
    check(lab.verify_data().code == 0, "verify")


@test
def volumes_that_are_resized_back_and_forth():
    """Across levels of the block map, with parents, with and without fingerprints."""
    chunk = 16 * KIB
    for seed in seeds(max(3, SEEDS // 4)):
        source = random.Random(f"sizes {seed}")
        lab = Lab(chunk_size=chunk)
        image = make_image(lab.path("disk"), source.choice(sizes(chunk)), seed, piece=9 * KIB)
        points = {}
        for step in range(8):
            size = source.choice(sizes(chunk) + [source.randrange(1, 1100 * chunk)])
            with open(image, "r+b") as file:
                file.truncate(size)
            if size:
                change_image(image, f"{seed} {step}", count=source.randrange(6))
            options = source.choice([[], ["--no-fingerprints"]])
            if source.random() < 0.3:
                data = open(image, "rb").read()
                result = lab.backup("disk=-", input=data, options=options)
            else:
                result = lab.backup(f"disk={image}", options=options)
            result.expect(0)
            points[result.json["point"]] = digest(image)
        lab.expect_restores(points)
        check(lab.verify_data().code == 0, "verify")
        ids = list(points)
        for _ in range(3):
            lab.run("diff", *source.sample(ids, 2), *lab.secret).expect(0)
        target = lab.path("target")
        lab.restore(ids[0], target).expect(0)
        for point in source.sample(ids, 3):
            lab.restore(point, target, "--in-place").expect(0)
            equal(digest(target), points[point], "a target restored in place to another size")
        Lab.close_all()


@test
def all_chunk_sizes():
    for power in range(14, 23):
        chunk = 1 << power
        lab = Lab(chunk_size=chunk)
        image = make_image(lab.path("disk"), 9 * MIB + 12345, power, piece=100 * KIB)
        points = {lab.backup(f"disk={image}").expect(0).json["point"]: digest(image)}
        change_image(image, power)
        points[lab.backup(f"disk={image}").expect(0).json["point"]] = digest(image)
        lab.expect_restores(points)
        check(lab.verify_data().code == 0, f"verify with chunks of {chunk}")
        Lab.close_all()
    for wrong in ("8KiB", "8MiB", "65537", "0"):
        lab = Lab(init=False)
        lab.run("init", "--chunk-size", wrong, "--recovery-key-file", lab.recovery,
                "--new-key-file", lab.key).expect(2, 21)
        check(not os.path.exists(lab.recovery), "a key was left")


@test
def sparse_targets_stay_sparse():
    lab = Lab()
    image = lab.path("disk")
    with open(image, "wb") as file:
        file.truncate(256 * MIB)
        file.seek(100 * MIB)
        file.write(random.Random(1).randbytes(MIB))
        file.write(bytes(10 * MIB))
    result = lab.backup(f"disk={image}").expect(0).json
    check(result["volumes"][0]["bytes_read"] <= 12 * MIB, "holes were read")
    target = lab.path("target")
    lab.restore(result["point"], target).expect(0)
    equal(digest(target), digest(image), "restored bytes")
    check(os.stat(target).st_blocks * 512 <= 3 * MIB, "the target is not sparse")
    # Data where zeros belong is punched out.
    with open(target, "r+b") as file:
        file.seek(40 * MIB)
        file.write(random.Random(2).randbytes(8 * MIB))
    lab.restore(result["point"], target, "--in-place").expect(0)
    equal(digest(target), digest(image), "restored bytes")
    check(os.stat(target).st_blocks * 512 <= 3 * MIB, "the target is not sparse any more")


@test
def standard_output_that_is_closed_ends_the_restore():
    lab = Lab()
    image = make_image(lab.path("disk"), 48 * MIB, 1)
    point = lab.backup(f"disk={image}").expect(0).json["point"]
    process = lab.start(
        "restore", point, "-", "--recovery-key-file", lab.recovery, stdout=subprocess.PIPE)
    process.stdout.read(1000)
    process.stdout.close()
    code, _ = wait(process, 60)
    check(code is not None and code != 0, f"exit code {code}")


main()
