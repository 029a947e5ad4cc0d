"""Disks made of this machine's files."""
import hashlib
import json
import os
import random
import re
import shutil
import subprocess

from .measuring import GIB, KIB, MIB, SEED, data_extents, fail, in_child, say

SOURCES = ["/usr", "/opt", "/var/lib"]
PLAIN_NAME = re.compile(r"[A-Za-z0-9._/+@:,=~-]+")


def list_files(sources, exclude):
    """(size on disk, path) of the regular files below the sources, sorted by path."""
    found = []
    seen = set()
    for source in sources:
        if not os.path.isdir(source):
            continue
        device = os.lstat(source).st_dev
        for folder, folders, names in os.walk(source):
            folders[:] = [
                name for name in folders
                if not os.path.join(folder, name).startswith(exclude)
                and os.lstat(os.path.join(folder, name)).st_dev == device]
            for name in names:
                path = os.path.join(folder, name)
                try:
                    status = os.lstat(path)
                except OSError:
                    continue
                if (status.st_mode & 0o170000 != 0o100000 or status.st_size > 2 * GIB
                        or status.st_ino in seen or not PLAIN_NAME.fullmatch(path)
                        or not os.access(path, os.R_OK)):
                    continue
                seen.add(status.st_ino)
                found.append((-(-status.st_size // 4096) * 4096, path))
    found.sort(key=lambda entry: entry[1])
    return found


def shuffled_by_folder(files, seed):
    """The files in a seeded order of their folders (three levels deep), so that a cut of
    the list is like the whole."""
    def key(entry):
        folder = "/".join(entry[1].split("/")[:5])
        return hashlib.sha256(f"{seed} {folder}".encode()).digest(), entry[1]
    return sorted(files, key=key)


def stage(files, tree):
    """Puts files below a folder: as hard links where possible, else as copies."""
    for _, path in files:
        target = tree + path
        os.makedirs(os.path.dirname(target), exist_ok=True)
        try:
            os.link(path, target)
        except OSError:
            shutil.copy2(path, target)


def take(files, budget):
    """The first files that fit into a budget, and the others; without the largest, which would
    make the cut a matter of chance."""
    files = [entry for entry in files if entry[0] <= budget / 16]
    total = count = 0
    for size, _ in files:
        if total + size + 4096 > budget:
            break
        total += size + 4096
        count += 1
    return files[:count], files[count:], total


def make_ext4(image, size, files, label, work):
    tree = os.path.join(work, f"tree-{label}")
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(tree)
    stage(files, tree)
    partial = image + ".part"
    with open(partial, "wb") as file:
        file.truncate(size)
    environment = dict(os.environ, E2FSPROGS_FAKE_TIME="1400000000")
    subprocess.run(
        ["mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-i", "8192", "-L", label,
         "-U", "b0a7b0a7-0000-4000-8000-000000000001",
         "-E", "hash_seed=b0a7b0a7-0000-4000-8000-000000000002,lazy_itable_init=1,nodiscard",
         "-d", tree, partial],
        check=True, env=environment)
    shutil.rmtree(tree)
    os.rename(partial, image)


def nonzero_blocks(image, count, block, generator, share=1.0):
    """Offsets of `count` distinct random blocks of a file that hold data, all of them within
    one random stretch that is `share` of the file's data."""
    with open(image, "rb", buffering=0) as file:
        extents = list(data_extents(file))
        total = sum(end - start for start, end in extents) // block
        stretch = max(1, int(total * share))
        first = generator.randrange(total - stretch + 1)
        chosen, tries = set(), 0
        while len(chosen) < count:
            tries += 1
            if tries > 100 * count:
                fail(f"{image} holds too little data for {count} changes")
            position = (first + generator.randrange(stretch)) * block
            for start, end in extents:
                if position < end - start:
                    offset = (start + position) // block * block
                    break
                position -= end - start
            file.seek(offset)
            content = file.read(block)
            if offset not in chosen and len(content) == block and content.count(0) < block:
                chosen.add(offset)
    return sorted(chosen)


def overwrite(image, offsets, block, generator, random_part):
    """Overwrites the end of each block, `random_part` bytes of it."""
    with open(image, "r+b", buffering=0) as file:
        for offset in offsets:
            file.seek(offset + block - random_part)
            file.write(generator.randbytes(random_part))


def sparse_copy(source, target):
    partial = target + ".part"
    subprocess.run(["cp", "--sparse=always", source, partial], check=True)
    os.rename(partial, target)


def debugfs(image, commands, work):
    script = os.path.join(work, "debugfs-commands")
    with open(script, "w") as file:
        file.writelines(command + "\n" for command in commands)
    subprocess.run(["debugfs", "-w", "-f", script, image], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.unlink(script)
    if subprocess.run(["e2fsck", "-fn", image], stdout=subprocess.DEVNULL,
                      stderr=subprocess.DEVNULL).returncode:
        fail(f"{image} is not a clean file system after the changes")


def build_days(work, size):
    """day-0.img and day-1.img: a disk of real files, 65 % full, and the same a day later:
    a tenth of the files removed, a tenth new, and 2,000 pages of 8 KiB changed in place within
    a twelfth of the data, as a database would."""
    files = shuffled_by_folder(list_files(SOURCES, work), SEED)
    day_0, rest, total = take(files, int(size * 0.65))
    # The reserve for day 1 comes out of day 0 where the machine has too few files.
    if sum(entry[0] for entry in rest) < total * 0.1:
        day_0, rest, total = take(files, int(sum(s + 4096 for s, _ in files) / 1.1))
        if total < size * 0.5:
            say(f"  this machine has only {total / 1e9:.1f} GB of files for the disk")
    new, _, new_total = take(rest, int(total * 0.1))
    image_0, image_1 = os.path.join(work, "day-0.img"), os.path.join(work, "day-1.img")
    make_ext4(image_0, size, day_0, "bench-day", work)

    changed = image_1 + ".changing"
    sparse_copy(image_0, changed)
    removed, _, removed_total = take(shuffled_by_folder(day_0, SEED + 1), int(total * 0.1))
    debugfs(
        changed,
        [f'rm "{path}"' for _, path in removed] + ["mkdir /day-1"]
        + [f'write "{path}" "/day-1/{number:06}"' for number, (_, path) in enumerate(new)], work)
    generator = random.Random(SEED)
    pages = nonzero_blocks(changed, min(2000, size // (6 * MIB)), 8 * KIB, generator, 1 / 12)
    overwrite(changed, pages, 8 * KIB, generator, 2 * KIB)
    os.rename(changed, image_1)
    description = dict(
        size=size, files=len(day_0), bytes=total, new_files=len(new), new_bytes=new_total,
        removed_files=len(removed), removed_bytes=removed_total, pages_changed=len(pages))
    with open(os.path.join(work, "day.json"), "w") as file:
        json.dump(description, file)


def build_small(work, name, size, fill):
    """NAME.img: a disk of real files, `fill` full."""
    files = shuffled_by_folder(list_files(SOURCES, work), SEED + 2)
    chosen, _, _ = take(files, int(size * fill))
    make_ext4(os.path.join(work, name + ".img"), size, chosen, name, work)


def build_scattered(work, size, writes):
    """scattered.img, and scattered-1.img with random 4 KiB writes to its data."""
    build_small(work, "scattered", size, 0.85)
    image, changed = os.path.join(work, "scattered.img"), os.path.join(work, "scattered-1.img")
    sparse_copy(image, changed + ".changing")
    generator = random.Random(SEED + 3)
    offsets = nonzero_blocks(image, writes, 4 * KIB, generator)
    overwrite(changed + ".changing", offsets, 4 * KIB, generator, 4 * KIB)
    os.rename(changed + ".changing", changed)
    with open(os.path.join(work, "scattered.json"), "w") as file:
        json.dump(offsets, file)


class Workload:
    """The images, made when a case first asks for them."""

    def __init__(self, work, options):
        self.work, self.options = work, options

    def path(self, name):
        return os.path.join(self.work, name)

    def ensure(self, names, build, *arguments):
        paths = [self.path(name) for name in names]
        if not all(os.path.exists(path) for path in paths):
            say(f"making {', '.join(names)}")
            in_child(build, self.work, *arguments)
        return paths

    def days(self):
        image_0, image_1 = self.ensure(
            ["day-0.img", "day-1.img", "day.json"], build_days, self.options.size)[:2]
        if os.path.getsize(image_0) != self.options.size:
            fail(f"{image_0} has another size than --size: remove it, or give that size")
        return image_0, image_1

    def describe(self):
        with open(self.path("day.json")) as file:
            return json.load(file)

    def scattered(self):
        size = min(4 * GIB, self.options.size)
        image, changed, offsets = self.ensure(
            ["scattered.img", "scattered-1.img", "scattered.json"], build_scattered, size,
            self.options.writes)
        with open(offsets) as file:
            return image, changed, json.load(file)

    def small(self):
        return self.ensure(["chain.img"], build_small, "chain", min(GIB, self.options.size), 0.8)[0]
