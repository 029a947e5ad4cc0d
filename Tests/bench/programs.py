"""The programs that are measured."""
import json
import os
import shutil
import subprocess

from .measuring import measure, tree_size, warm

class Tool:
    """One backup program and one repository of it at a time."""

    name = ""

    def __init__(self, work, options):
        self.folder = os.path.join(work, self.name)
        self.repository = os.path.join(self.folder, "repository")
        self.options = options
        base = {key: value for key, value in os.environ.items()
                if not key.startswith(("RESTIC_", "BORG_", "LIFEBOAT_"))}
        self.env = dict(base, **self.settings())

    def fresh(self, **settings):
        """A new, empty repository with empty caches."""
        self.remove()
        os.makedirs(self.folder)
        self.initialise(**settings)

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def stored(self):
        return tree_size(self.repository)

    def backup(self, image, name, **settings):
        """Backs an image up; the result also says by how much the repository grew."""
        warm(image)
        os.sync()  # what earlier commands wrote should not burden this one
        before = self.stored()
        result = self.run_backup(image, name, **settings)
        result["stored"] = self.stored() - before
        return result

    def dump(self, name):
        os.sync()
        return measure(self.dump_command(name), self.env, stdout="/dev/null")

    def dump_to_file(self, name, target):
        os.sync()
        return measure(self.dump_command(name), self.env, stdout=target, then_sync=target)


class Restic(Tool):
    name = "restic"

    def settings(self):
        return dict(RESTIC_PASSWORD="bench", RESTIC_REPOSITORY=self.repository,
                    RESTIC_CACHE_DIR=os.path.join(self.folder, "cache"))

    def version(self):
        return subprocess.check_output(["restic", "version"], text=True).split()[1]

    def initialise(self, **_):
        measure(["restic", "init", "--quiet"], self.env)

    def run_backup(self, image, name):
        # The tag finds the snapshot again; a stable file name finds the parent.
        return measure(
            ["restic", "backup", "--quiet", "--host", "bench", "--tag", name, "--stdin",
             "--stdin-filename", "disk"], self.env, stdin=image)

    def dump_command(self, name):
        return ["restic", "dump", "--quiet", "--tag", name, "latest", "/disk"]


class Borg(Tool):
    name = "borg"

    def settings(self):
        return dict(BORG_PASSPHRASE="bench", BORG_REPO=self.repository,
                    BORG_BASE_DIR=os.path.join(self.folder, "base"),
                    BORG_RELOCATED_REPO_ACCESS_IS_OK="yes")

    def version(self):
        return subprocess.check_output(["borg", "--version"], text=True).split()[-1]

    def initialise(self, **_):
        measure(["borg", "init", "-e", "repokey"], self.env)

    def run_backup(self, image, name):
        return measure(
            ["borg", "create", "--chunker-params", "default", "-C", "zstd,3", "--stdin-name",
             "disk", f"::{name}", "-"], self.env, stdin=image)

    def dump_command(self, name):
        return ["borg", "extract", "--stdout", f"::{name}", "disk"]


class Lifeboat(Tool):
    name = "lifeboat"

    def __init__(self, work, options):
        super().__init__(work, options)
        self.program = options.lifeboat
        self.password = os.path.join(work, "lifeboat-password")
        self.key = os.path.join(self.folder, "recovery.key")
        self.points = {}
        with open(self.password, "w") as file:
            file.write("bench\n")
        os.chmod(self.password, 0o600)

    def settings(self):
        return dict(LIFEBOAT_STATE_DIR=os.path.join(self.folder, "state"),
                    LIFEBOAT_CACHE_DIR=os.path.join(self.folder, "cache"))

    def version(self):
        try:
            return subprocess.check_output(
                [self.program, "--version"], text=True, stderr=subprocess.DEVNULL).split()[-1]
        except (subprocess.CalledProcessError, IndexError):
            return "unknown"

    def common(self):
        return ["--repo", self.repository, "--password-file", self.password]

    def initialise(self, chunk_size=None):
        self.points = {}
        command = [self.program, "init", *self.common(), "--recovery-key-file", self.key]
        measure(command + (["--chunk-size", chunk_size] if chunk_size else []), self.env)

    def run_backup(self, image, name, fingerprints=True):
        command = [self.program, "backup", *self.common(), "--machine", "bench", "--json",
                   f"disk={image}"]
        result = measure(command + ([] if fingerprints else ["--no-fingerprints"]), self.env)
        result["report"] = report = json.loads(result["output"])
        self.points[name] = report["point"]
        return result

    def restore_command(self, name, target):
        return [self.program, "restore", self.points[name], target, "--volume", "disk",
                "--repo", self.repository, "--recovery-key-file", self.key]

    def dump_command(self, name):
        return self.restore_command(name, "-") + ["--quiet"]

    def restore(self, name, target, *flags):
        os.sync()
        result = measure(self.restore_command(name, target) + ["--json", *flags], self.env,
                         then_sync=target)
        result["report"] = report = json.loads(result["output"])
        # One volume is restored, and its figures are those of the run.
        for volume in report.get("volumes", []):
            report.update({name: value for name, value in volume.items()
                           if isinstance(value, (int, float))})
        return result


TOOLS = {"lifeboat": Lifeboat, "restic": Restic, "borg": Borg}
PACKAGES = {"restic": "restic", "borg": "borgbackup"}
