"""Limits of links, also those that change while a command runs, and links that are suspended.

No verdict depends on speed: a limit is seen by what cannot have taken less, and its end by what could
not have come to an end.
"""
import signal
import time

from object_stores import *

# Under a limit of `CRAWL` what a backup here sends would take longer than `LIMIT`.
LIMIT = 120
CRAWL = "16KiB/s"
SIZE = 6 * MIB

[RCLONE] = run_servers(Rclone())


class LinkLab(StoreLab):
    """A repository behind a link that is described in a file."""

    def __init__(self, text="upload: none"):
        self.proxy = FaultProxy(RCLONE.port).start()
        SERVERS.append(self.proxy)
        super().__init__(s3_place(RCLONE, self.proxy.url), init=False)
        self.variables["LIFEBOAT_LINKS"] = self.path("links.yaml")
        self.describe("upload: none")
        self.init().expect(0)
        self.describe(text)
        self.image = make_image(self.path("disk"), SIZE, 1, noise=1.0, holes=0)
        self.points = {}

    def describe(self, text):
        self.write_whole("links.yaml", f"links:\n  office:\n    carries: 127.0.0.1:{self.proxy.port}\n"
                                       f"    {text}\n")

    def write_whole(self, name, text):
        with open(self.path("new"), "w") as file:
            file.write(text)
        os.replace(self.path("new"), self.path(name))

    def begin(self):
        """A backup that has begun to send what is in the image."""
        sending = threading.Event()

        class Watch:
            def choose(self, line, length, _):
                if line.startswith("PUT ") and "/packs/" in line:
                    sending.set()

        self.proxy.use([Watch()])
        with open(self.path("told"), "wb") as told:
            process = self.start("backup", "--machine", "m", f"disk={self.image}", *self.secret,
                                 stdout=told, stderr=told)
        check(sending.wait(LIMIT), "the backup sends nothing")
        equal(process.poll(), None, "exit code of a backup that should take long")
        return process

    def end(self, process):
        code, _ = wait(process, LIMIT)
        with open(self.path("told"), "rb") as file:
            told = file.read().decode(errors="replace")
        check(code is not None, f"the backup did not end: {told[-300:]}")
        return code, told

    def expect_whole(self):
        """The image as it is now is in the newest point."""
        points = self.run("points", *self.secret).expect(0).json["points"]
        found, result = self.restored_digest(points[-1]["id"], recovery=self.recovery)
        equal(found, digest(self.image), f"restored bytes ({result.told()[:300]})")
        self.verify("--keyless").expect(0)


@test
def limits_on_the_command_line():
    lab = LinkLab()
    begun = time.monotonic()
    point = lab.backup(f"disk={lab.image}", options=["--limit-upload", "2MiB/s"]).expect(0)
    # What was saved up before counts for a second at most.
    least = SIZE / (2 * MIB) - 1
    check(time.monotonic() - begun > least, f"sent within {time.monotonic() - begun:.1f} s")
    begun = time.monotonic()
    lab.restore(point.json["point"], lab.path("restored"), "--limit-download", "2MiB/s").expect(0)
    check(time.monotonic() - begun > least, f"received within {time.monotonic() - begun:.1f} s")
    equal(digest(lab.path("restored")), digest(lab.image), "restored bytes")
    lab.proxy.peers.clear()
    lab.run("points", "--source-address", "127.0.0.9", *lab.secret).expect(0)
    equal(lab.proxy.peers, {"127.0.0.9"}, "where connections came from")


@test
def a_directory_has_no_link():
    lab = Lab()
    image = make_image(lab.path("disk"), MIB, 1)
    lab.backup(f"disk={image}", options=["--limit-upload", "1MiB/s"]).expect(2)


@test
def a_window_ends_while_a_backup_runs():
    lab = LinkLab(f"windows: daily 00:00-24:00 {CRAWL}")
    process = lab.begin()
    # What is wrong changes nothing, and is told.
    lab.describe("windows: daily 25:00-26:00 none")
    process.send_signal(signal.SIGHUP)
    time.sleep(1.5)
    equal(process.poll(), None, "exit code under a window that still holds")
    lab.describe("windows: daily 00:00-24:00 none")
    process.send_signal(signal.SIGHUP)
    code, told = lab.end(process)
    equal(code, 0, f"exit code ({told[-300:]})")
    check("25:00" in told or "links.yaml" in told, f"no warning: {told[-300:]}")
    lab.expect_whole()


@test
def a_limit_is_lifted_by_command():
    lab = LinkLab(f"upload: {CRAWL}")
    process = lab.begin()
    told = lab.run("link", "limit", "office", "--upload", "none", needs_repository=False).expect(0)
    equal(told.json["links"][0]["upload"]["set"], True, "set by command")
    code, told = lab.end(process)
    equal(code, 0, f"exit code ({told[-300:]})")
    lab.run("link", "limit", "office", "--clear", needs_repository=False).expect(0)
    lab.expect_whole()


@test
def a_link_is_suspended_while_a_backup_runs():
    lab = LinkLab(f"upload: {CRAWL}")
    process = lab.begin()
    lab.run("suspend", "office", needs_repository=False).expect(0)
    # What is under way is still sent; that shall not take long.
    lab.describe("upload: none")
    code, told = lab.end(process)
    equal(code, 15, f"exit code of what ran ({told[-300:]})")
    requests = lab.proxy.counts["requests"]
    result = lab.backup(f"disk={lab.image}").expect(15)
    check("resume" in result.told(), f"no advice: {result.told()}")
    lab.run("points", *lab.secret).expect(15)
    equal(lab.proxy.counts["requests"], requests, "requests over a suspended link")
    lab.run("resume", "office", needs_repository=False).expect(0)
    lab.verify("--keyless").expect(0)
    lab.backup(f"disk={lab.image}").expect(0)
    lab.expect_whole()


main()
