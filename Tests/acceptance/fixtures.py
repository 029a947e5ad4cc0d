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


class Copy(Lab):
    """A copy of a golden repository: the original is never opened."""

    def __init__(self, folder):
        super().__init__(init=False)
        shutil.copytree(folder / "repository", self.repo)
        for file in folder.glob("*.key"):
            shutil.copy(file, self.path(file.name))
            os.chmod(self.path(file.name), 0o600)
        self.password = self.write("password", (folder / "password").read_bytes())
        os.chmod(self.password, 0o600)
        self.expected = json.loads((folder / "expected.json").read_text())
        damage = folder / "damage.json"
        self.damage = json.loads(damage.read_text()) if damage.exists() else None
        self.writers = [self.secret] + [
            ["--key-file", self.path(file.name)] for file in sorted(folder.glob("*.key"))
            if file.name != "recovery.key" and "replaced" not in file.name
            and file.name not in ("keeper.key", "revoked.key")]

    def keep(self, *arguments):
        """Runs the program as a keeper, on another host."""
        keeper = self.path("keeper.key")
        if not os.path.exists(keeper):
            self.run("key", "enrol", "--role", "keeper", "--new-key-file", keeper,
                     "--recovery-key-file", self.recovery).expect(0)
        return self.run(*arguments, "--key-file", keeper, env={
            "LIFEBOAT_STATE_DIR": self.path("keeper-state"),
            "LIFEBOAT_CACHE_DIR": self.path("keeper-cache")})

    def listed(self):
        result = self.run("points", "--recovery-key-file", self.recovery).expect(0)
        return {point["id"]: point for point in result.json["points"]}

    def expect_all(self, when):
        """Every volume that is expected restores to what it held; nothing else is listed."""
        equal(set(self.listed()), set(self.expected), f"points {when}")
        for point, volumes in self.expected.items():
            for volume, wanted in volumes.items():
                found, result = self.restored_digest(point, "--volume", volume)
                what = f"{volume} of {point[:12]} {when}"
                check(result.code == 0, f"{what}: {result.told()[:300]}")
                equal(found, wanted, f"bytes of {what}")

    def add_point(self):
        """A repository of an older version is still one to write to."""
        image = self.write("image", b"new" * 100_000)
        added = self.backup(f"new={image}", machine="new").expect(0, 20).json["point"]
        self.expected[added] = {"new": digest(image)}

    def expect_sound(self, when):
        equal(self.verify_data().expect(0).json["problems"], [], f"problems {when}")


def read_with_lifeboat(folder):
    lab = Copy(folder)
    for point, found in lab.listed().items():
        equal({it["name"] for it in found["volumes"]}, set(lab.expected[point]), "volumes")
    lab.expect_all("at first")
    lab.expect_sound("at first")
    lab.add_point()
    for name in lab.objects("index/"):
        os.unlink(os.path.join(lab.repo, name))
    lab.clean_caches()
    for secret in lab.writers:
        lab.run("index", "rebuild", *secret).expect(0, 20)
    lab.expect_all("after a rebuilt index")


def collect(folder):
    """Keepers go on with it: what waits or was interrupted is finished, and nothing is lost."""
    lab = Copy(folder)
    lab.add_point()
    if (folder / "keeper.key").exists():
        lab.keep("forget", oldest := min(
            (point for point in lab.listed().values() if not point["held"]),
            key=lambda point: point["time_ms"])["id"]).expect(0)
        del lab.expected[oldest]
    lab.keep("prune").expect(0)
    lab.expect_all("after the first pruning")
    sessions = lab.keep("session", "list").expect(0).json["sessions"]
    equal(len(sessions), 1 if folder.name == "half-collected" else 0, "sessions that are open")
    for session in sessions:
        lab.keep("session", "fence", session["session"]).expect(0)
    for _ in range(12):
        result = lab.keep("prune", "--recovery-key-file", lab.recovery, "--max-unused", "0")
        numbers = result.expect(0).json
        equal(numbers["waits_for"], [], "sessions that pruning waits for")
        if not numbers["condemned_objects"] + numbers["deleted_objects"]:
            break
    lab.expect_all("after all pruning")
    lab.expect_sound("after all pruning")
    info = lab.keep("repo", "info").expect(0).json
    equal((info["condemned_objects"], info["doomed_objects"]), (0, 0), "what is left to delete")
    equal(len(lab.objects("packs/")), info["packs"], "packs")
    equal(len(lab.objects("points/")), len(lab.expected), "bodies of points")


def tell_damage(folder):
    """All that is damaged is named; all that is not restores; keepers keep their hands off."""
    lab = Copy(folder)
    wanted = lab.damage["objects"]
    problems = lab.verify("--keyless").expect(20).json["problems"]
    equal(sorted(it["object"] for it in problems), wanted, "what verify --keyless names")
    lab = Copy(folder)
    lab.expect_all("in spite of damage")
    pack = next(name for name in wanted if name.startswith("packs/"))
    for point, volumes in lab.damage["volumes"].items():
        for volume in volumes:
            found, result = lab.restored_digest(point, "--volume", volume)
            equal(result.code, 20, f"{volume} of {point[:12]}")
            check(pack in result.told(), f"{pack} is not named: {result.told()[:300]}")
    for point in lab.damage["points"]:
        found, result = lab.restored_digest(point)
        check(result.code in (13, 20), f"{point[:12]}: {result.code} {result.told()[:300]}")
    before = lab.objects()
    result = lab.keep("prune").expect(20)
    entry = next(name for name in wanted if name.startswith("log/"))
    check(entry in result.told(), f"prune does not name {entry}: {result.told()[:300]}")
    equal(lab.objects(), before, "objects after a pruning that is refused")
    problems = lab.verify_data().expect(20).json["problems"]
    named = {it["object"] for it in problems if not it["object"].startswith("chunk ")}
    equal(sorted(named), wanted, "what verify --read-data names")
    lab.add_point()
    lab.expect_all("beside a new point")


def read_with_reader(folder):
    lab = Copy(folder)
    for point, volumes in lab.expected.items():
        for volume, wanted in volumes.items():
            for options in ((), ("--without-index",)):
                target = lab.path("volume")
                done = subprocess.run(
                    [sys.executable, READER, "restore", lab.repo, point, volume, target,
                     "--recovery-key-file", lab.recovery, *options],
                    capture_output=True, text=True)
                # It ends with 1 when it met any damage, also of what this volume does not need.
                equal(done.returncode, 1 if lab.damage else 0,
                      f"{volume} of {point[:12]} {options}: {done.stderr[-300:]}")
                equal(digest(target), wanted, f"bytes of {volume} of {point[:12]}")
                os.unlink(target)


@test
def a_half_collected_repository_is_one():
    lab = Copy(ROOT / "fixtures" / "v1" / "half-collected")
    info = lab.keep("repo", "info").expect(0).json
    check(info["condemned_objects"] and info["doomed_objects"] and info["sessions"], str(info))
    unnamed = len(lab.objects("packs/")) - info["packs"] - info["doomed_objects"]
    check(unnamed > 0, f"{unnamed} packs that nobody names")


@test
def replaced_recovery_keys_are_refused():
    lab = Copy(ROOT / "fixtures" / "v1" / "rotated")
    for number in (1, 2):
        key = lab.path(f"replaced-{number}.key")
        lab.run("points", "--recovery-key-file", key).expect(12)
        for point in list(lab.expected)[:2]:
            found, result = lab.restored_digest(point, recovery=key)
            equal(result.code, 12, f"restore with the replaced key {number}")


@test
def there_are_golden_repositories():
    check(len(FOLDERS) >= 14, f"only {len(FOLDERS)} golden repositories")


def register(read, folder, suffix):
    def run():
        read(folder)
    run.__name__ = f"{folder.parent.name}-{folder.name}{suffix}"
    test(run)


for golden in FOLDERS:
    if (golden / "damage.json").exists():
        register(tell_damage, golden, "")
    else:
        register(read_with_lifeboat, golden, "")
        register(collect, golden, "-collected-further")
    if READER.exists():
        register(read_with_reader, golden, "-by-the-reader")

if __name__ == "__main__":
    main()
