"""Peak memory, whatever the volume's size."""
import os
import random
import sys

from harness import *

SIZE = (512 if QUICK else 1536) * MIB
LIMIT = 256 * MIB


def big_image(path, size):
    """Half noise, half text, with some holes; cheap to make."""
    source = random.Random(1)
    with open(path, "wb") as file:
        for block in range(size // (16 * MIB)):
            if block % 16 == 7:
                file.seek(16 * MIB, os.SEEK_CUR)
            elif block % 2:
                text = content(source, MIB, "text")
                for number in range(16):
                    file.write(b"%08d" % (block * 16 + number) + text[8:])
            else:
                file.write(source.randbytes(16 * MIB))
        file.truncate(size)
    return path


def expect_memory(result, limit, what):
    result.expect(0)
    print(f"# {what}: {result.rss >> 20} MiB", file=sys.stderr)
    check(result.rss <= limit, f"{what} took {result.rss >> 20} MiB")


@test
def every_command_stays_within_its_limit():
    lab = Lab(password="p")
    image = big_image(lab.path("disk"), SIZE)
    first = lab.backup(f"disk={image}")
    expect_memory(first, LIMIT, "first backup")
    change_image(image, 1, count=4000)
    expect_memory(lab.backup(f"disk={image}"), LIMIT, "second backup")
    expect_memory(lab.backup(f"disk={image}", options=["--no-fingerprints"]), LIMIT,
                  "backup without fingerprints")
    wanted = digest(image)
    result = lab.restore("latest", lab.path("target"))
    expect_memory(result, LIMIT, "restore")
    equal(digest(lab.path("target")), wanted, "restored bytes")
    expect_memory(lab.restore(first.json["point"], lab.path("target"), "--in-place"), LIMIT,
                  "restore in place")
    with open(os.devnull, "wb") as out:
        expect_memory(lab.restore("latest", "-", stdout=out), LIMIT, "restore to standard output")
    os.unlink(lab.path("target"))
    expect_memory(lab.verify(*lab.secret), LIMIT, "verify")
    expect_memory(lab.verify_data(), LIMIT, "verify --read-data")
    expect_memory(lab.verify("--keyless"), LIMIT, "verify --keyless")
    expect_memory(lab.run("index", "rebuild", *lab.secret), LIMIT, "index rebuild")
    expect_memory(lab.run("points", *lab.secret), LIMIT, "points")


@test
def less_memory_when_asked_for():
    lab = Lab(chunk_size=16 * KIB)
    image = big_image(lab.path("disk"), 512 * MIB)
    for memory, limit in (("192MiB", 192), ("128MiB", 192)):
        result = lab.backup(f"disk={image}", machine=memory, options=["--memory", memory])
        expect_memory(result, limit * MIB, f"backup --memory {memory}")
    target = lab.path("target")
    result = lab.restore("latest", target, "--machine", "128MiB", "--memory", "128MiB")
    expect_memory(result, 192 * MIB, "restore --memory 128MiB")
    equal(digest(target), digest(image), "restored bytes")


main()
