"""Every golden repository restores to what it held, with this Lifeboat and with the reader."""
import json
import os
import pathlib
import shutil
import subprocess
import sys

from harness import Lab, check, digest, equal, main, test

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
READER = ROOT / "formats" / "reader" / "lifeboat_reader.py"
FOLDERS = sorted(path for path in ROOT.glob("fixtures/v*/*") if path.is_dir())


def copied(folder):
    """A copy of a golden repository: the original is never opened."""
    lab = Lab(init=False)
    shutil.copytree(folder / "repository", lab.repo)
    shutil.copy(folder / "recovery.key", lab.recovery)
    lab.password = lab.write("password", (folder / "password").read_bytes())
    os.chmod(lab.password, 0o600)
    os.chmod(lab.recovery, 0o600)
    return lab, json.loads((folder / "expected.json").read_text())


def read_with_lifeboat(folder):
    lab, expected = copied(folder)
    listed = {point["id"]: point for point in lab.points()}
    equal(set(listed), set(expected), "points")
    for point, volumes in expected.items():
        equal({it["name"] for it in listed[point]["volumes"]}, set(volumes), "volumes")
        for volume, wanted in volumes.items():
            found, result = lab.restored_digest(point, "--volume", volume)
            check(result.code == 0, f"{volume} of {point[:12]}: {result.told()[:300]}")
            equal(found, wanted, f"bytes of {volume} of {point[:12]}")
    problems = lab.verify_data().expect(0).json["problems"]
    equal(problems, [], "problems")
    # A repository of an older version is still one to write to.
    image = lab.write("image", b"new" * 100_000)
    added = lab.backup(f"new={image}", machine="new").expect(0, 20).json["point"]
    equal(lab.restored_digest(added)[0], digest(image), "a new point")
    lab.run("index", "rebuild", *lab.secret).expect(0)
    for point, volumes in expected.items():
        for volume, wanted in volumes.items():
            found, _ = lab.restored_digest(point, "--volume", volume)
            equal(found, wanted, f"{volume} of {point[:12]} after a rebuilt index")


def read_with_reader(folder):
    lab, expected = copied(folder)
    for point, volumes in expected.items():
        for volume, wanted in volumes.items():
            target = lab.path("volume")
            done = subprocess.run(
                [sys.executable, READER, "restore", lab.repo, point, volume, target,
                 "--recovery-key-file", lab.recovery], capture_output=True, text=True)
            equal(done.returncode, 0, f"{volume} of {point[:12]}: {done.stderr[-300:]}")
            equal(digest(target), wanted, f"bytes of {volume} of {point[:12]}")
            os.unlink(target)


@test
def there_are_golden_repositories():
    check(len(FOLDERS) >= 9, f"only {len(FOLDERS)} golden repositories")


def register(read, folder, suffix):
    def run():
        read(folder)
    run.__name__ = f"{folder.parent.name}-{folder.name}{suffix}"
    test(run)


for golden in FOLDERS:
    register(read_with_lifeboat, golden, "")
    if READER.exists():
        register(read_with_reader, golden, "-by-the-reader")

if __name__ == "__main__":
    main()
