"""The cases on one Ceph RADOS gateway of this machine, which shares its processors."""
import glob
import os
import shutil

from servers.ceph import Ceph
from servers.clients import S3Client
from servers.delay import DelayFront
from servers.server import start_all, stop_all

from .measuring import GIB, ROOT, fail, measure, say, tree_size, warm
from .programs import Lifeboat, Restic

DELAY = 50  # milliseconds for each request


def rclone_program():
    """rclone of Debian is too old for some of this; scripts/test has a newer one."""
    own = os.path.join(ROOT, ".build", "python", "bin", "rclone")
    return own if os.access(own, os.X_OK) else shutil.which("rclone")


class Gateway:
    """The servers of these cases, and buckets in them."""

    def __init__(self):
        self.ceph = Ceph(size=60 * GIB)
        start_all(self.ceph)
        self.delay = DelayFront(self.ceph.port, DELAY)
        start_all(self.delay)
        self.client = S3Client(self.ceph.url, self.ceph.access_key, self.ceph.secret_key)
        self.count = 0

    @property
    def variables(self):
        return self.ceph.s3_environment()

    def bucket(self, name):
        self.count += 1
        name = f"{name}-{self.count}"
        self.client.create_bucket(name)
        return name

    def stop(self):
        stop_all(self.delay, self.ceph)


class RemoteRestic(Restic):
    def __init__(self, work, options, gateway):
        self.gateway, self.location = gateway, gateway.bucket("restic")
        super().__init__(work, options)

    def settings(self):
        return dict(super().settings(), **self.gateway.variables,
                    RESTIC_REPOSITORY=f"s3:{self.gateway.ceph.url}/{self.location}")

    def stored(self):
        return 0

    def forget_caches(self):
        shutil.rmtree(os.path.join(self.folder, "cache"), ignore_errors=True)


class RemoteLifeboat(Lifeboat):
    def __init__(self, work, options, gateway):
        self.gateway, self.location = gateway, gateway.bucket("lifeboat")
        super().__init__(work, options)
        self.reach(gateway.ceph.url)

    def settings(self):
        return dict(super().settings(), **self.gateway.variables)

    def reach(self, url):
        """By which of the gateway's addresses it is reached from here on."""
        self.repository = f"s3:{url}/{self.location}"

    def stored(self):
        return 0

    def forget_caches(self):
        shutil.rmtree(os.path.join(self.folder, "cache"), ignore_errors=True)


class StoreCases:
    """Part of the bench: what needs the gateway."""

    def stores(self):
        gateway = Gateway()
        try:
            if self.wants("store-backup") or self.wants("store-restore") or self.wants("store-delay"):
                self.store_disk(gateway)
            if self.wants("store-upload"):
                self.store_upload(gateway)
        finally:
            gateway.stop()

    def store_disk(self, gateway):
        image = self.workload.days()[0]
        size = os.path.getsize(image)
        kinds = [RemoteLifeboat] * bool(self.lifeboat) + [RemoteRestic] * (
            "restic" in self.options.tools)
        for run in range(self.options.runs):
            for kind in kinds if run % 2 == 0 else reversed(kinds):
                say(f"\nrun {run + 1}, {kind.name} on the gateway")
                tool = kind(self.work, self.options, gateway)
                tool.fresh()
                self.table("store-backup", size).add(tool.name, tool.backup(image, "day-0"))
                if self.wants("store-restore"):
                    tool.forget_caches()
                    self.table("store-restore", size).add(tool.name, tool.dump("day-0"))
                if self.options.check and run == 0:
                    self.check(tool, image, "day-0")
                if self.wants("store-delay") and kind is RemoteLifeboat:
                    self.store_delay(tool, gateway, size)
                tool.remove()
        for case in ("store-backup", "store-restore"):
            if case in self.tables:
                self.tables[case].compare("lifeboat", "restic")

    def store_delay(self, tool, gateway, size):
        """The same restore on a way that is short, and on one where each request waits."""
        table = self.table("store-delay", size)
        for name, url in (("lifeboat, short way", gateway.delay.short_url),
                          (f"lifeboat, {DELAY} ms each", gateway.delay.url)):
            tool.reach(url)
            tool.forget_caches()
            table.add(name, tool.dump("day-0"))
        tool.reach(gateway.ceph.url)
        short, long = (table.median(name, "wall") for name in table.rows)
        table.notes = [f"{short / long:.0%} of the speed on the short way"]

    def store_upload(self, gateway):
        """Ready packs of a local repository into a bucket: a replica beside `rclone copy`."""
        rclone = rclone_program()
        if not self.lifeboat or not rclone:
            fail("the case store-upload needs lifeboat and rclone (--cases leaves it out)")
        image = self.workload.days()[0]
        tool = self.lifeboat
        tool.fresh()
        tool.backup(image, "day-0")
        packs = os.path.join(tool.repository, "packs")
        table = self.table("store-upload", tree_size(tool.repository))
        env = dict(tool.env, **gateway.variables)
        remote = (f":s3,provider=Ceph,env_auth=true,region=us-east-1,force_path_style=true,"
                  f"endpoint='{gateway.ceph.url}':")

        def replica(run):
            bucket = gateway.bucket("replica")
            measure([tool.program, "replica", "add", f"bench{run}",
                     f"s3:{gateway.ceph.url}/{bucket}", "--repo", tool.repository], env)
            return [tool.program, "replica", "sync", f"bench{run}", "--repo", tool.repository]

        def copy(_):
            bucket = gateway.bucket("copy")
            return [rclone, "copy", "--config", "", "--s3-no-check-bucket", *self.rclone_settings,
                    tool.repository, remote + bucket]

        programs = [("lifeboat", replica), ("rclone", copy)]
        for run in range(self.options.runs):
            for name, command in programs if run % 2 == 0 else reversed(programs):
                words = command(run)
                for path in glob.glob(os.path.join(packs, "**"), recursive=True):
                    if os.path.isfile(path):
                        warm(path)
                os.sync()
                table.add(name, measure(words, env))
        table.compare("lifeboat", "rclone")
        tool.remove()

    # As rclone comes, but for the transfers: each pack is one request, as it is for lifeboat.
    rclone_settings = ["--s3-upload-cutoff", "200M"]
