"""Points of a guest that QEMU runs alone, without libvirt; see machines.py for how they are judged."""
import glob
import signal
import time

from machine_labs import *

from guests.monitor import Refused  # noqa: E402
from guests.plain import Plain  # noqa: E402

# What may be read and stored besides what a test lets the guest write: its log, its database, its journal.
USUAL = 12 * MIB
DISKS = ("root-device", "data-device")
HOOKS = ("--quiesce", "require", "--freeze-hooks")


class Here:
    """This host, in the place of one of namespaces."""

    @staticmethod
    def prefix():
        return []

    @staticmethod
    def start_process(command, **options):
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)

    @staticmethod
    def program_of(process):
        return process.pid

    @staticmethod
    def kill_program(process, number=signal.SIGKILL):
        os.kill(process.pid, number)


class PlainLab(MachineLab):
    """A lab of one guest, which all tests share; `agent=False` names none in the source."""

    guest = None

    def __init__(self):
        if PlainLab.guest is None:
            PlainLab.guest = Plain()
            run_hosts(PlainLab.guest)
        super().__init__(Here)
        guest = self.guest
        guest.turn_back()
        for name in DISKS:
            for bitmap in ours(guest.bitmaps(name)):
                guest.ask_monitor("block-dirty-bitmap-remove", node=name.removesuffix("-device"), name=bitmap)

    def protect_command(self, *domains, options=(), machine=None, agent=True):
        source = f"qemu:{self.guest.monitor_socket},name=guest"
        if agent:
            source += f",agent={self.guest.agent_socket}"
        return ["backup", source, "--scratch-directory", self.scratch, *options, *self.secret]

    def protect(self, options=(), agent=True):
        return self.run(*self.protect_command(options=options, agent=agent))

    def point_of(self, options=(), agent=True):
        report = self.protect(options, agent).expect(0).json
        self.expect_nothing_left()
        return report

    def exact_point(self, options=()):
        with self.guest.paused():
            report = self.protect(("--quiesce", "crash", *options)).expect(0).json
            self.expect_exact(report, self.guest)
        self.expect_nothing_left()
        return report

    def start_protecting(self, options=(), **start):
        return self.start(*self.protect_command(options=options), **start)

    def leftovers(self):
        """What QEMU has of Lifeboat's besides bitmaps."""
        ask = self.guest.ask_monitor
        found = [job["id"] for job in ask("query-jobs")]
        found += [export["id"] for export in ask("query-block-exports")]
        found += ours(node["node-name"] for node in ask("query-named-block-nodes", flat=True))
        try:
            ask("nbd-server-stop")
            found.append("the NBD server")
        except Refused:
            pass
        return found

    def expect_nothing_left(self):
        """After a run: no more than the next run's base."""
        equal(self.leftovers(), [], "leftovers in QEMU")
        equal(os.listdir(self.scratch), [], "scratch directory")
        for name in DISKS:
            bitmaps = self.guest.bitmaps(name)
            check(len(ours(bitmaps)) <= 1, f"bitmaps of {name}: {list(bitmaps)}")
            for bitmap in ours(bitmaps):
                equal(glob.glob(f"/run/lifeboat/{bitmap.rsplit('-', 1)[0]}*"), [], "sockets")
        equal(self.guest.ask_monitor("query-status")["status"], "running", "the guest")

    def expect_thawed(self, within=30):
        self.guest.write_probe(within)
        self.guest.records_go_on(within)
        equal(self.guest.ask_agent("guest-fsfreeze-status"), "thawed", "the guest's file systems")


def expect_hints(report):
    expect_methods(report, **{name: "hint" for name in DISKS})


@test
def what_changed_and_nothing_else():
    lab = PlainLab()
    guest = lab.guest
    expect_methods(lab.exact_point(), **{name: "full" for name in DISKS})
    guest.write_noise(2)
    report = lab.exact_point()
    expect_hints(report)
    check(2 * MIB <= volume_of(report, "data-device")["bytes_read"] < 2 * MIB + USUAL,
          f"read: {volume_of(report, 'data-device')['bytes_read']}")
    guest.write_noise(2, "second")
    expect_hints(lab.point_of())
    guest.reboot()
    expect_hints(lab.exact_point())
    lab.verify_data().expect(0)


@test
def applications_at_rest():
    lab = PlainLab()
    guest = lab.guest
    newest = 0
    for _ in range(2):
        report = lab.point_of(HOOKS)
        equal(report["consistency"], "application", "level")
        machine = machine_of(report, "guest")
        check(0 < machine["freeze_window_ms"] < 20_000, f"window: {machine['freeze_window_ms']}")
        equal((machine["reasons"], machine["dead_man"]), ([], True), "reasons, and the dead man's switch")
        found = check_application(lab, lab.restored(report["point"], "data-device"), quiesced=True)
        check(found > newest, f"{found} records after {newest}")
        newest = found
        check_file_system(lab.restored(report["point"], "root-device"), PARTITION_START)
        lab.expect_thawed()
    expect_hints(report)
    # A hook that fails.
    guest.turn("fail")
    report = lab.point_of(("--freeze-hooks",))
    equal(report["consistency"], "crash", "level after a hook that failed")
    check(reasons_of(report), "nothing tells why")
    guest.turn_back()
    lab.expect_thawed()


@test
def without_a_freeze():
    """Pausing, no agent in the source, and one that is there and does not answer."""
    lab = PlainLab()
    guest = lab.guest
    report = lab.point_of(("--quiesce", "pause"))
    equal(report["consistency"], "crash", "level of a paused guest")
    check_application(lab, lab.restored(report["point"], "data-device"), quiesced=False)
    guest.records_go_on()
    report = lab.point_of(agent=False)
    equal(report["consistency"], "crash", "level without an agent")
    check("agent" in reasons_of(report), f"reasons: {reasons_of(report)}")
    expect_hints(report)
    for away, back in ((guest.take_agent_away, guest.bring_agent_back),
                       (guest.hold_agent, guest.release_agent)):
        away()
        try:
            begun = time.monotonic()
            report = lab.point_of(("--freeze-timeout", "3s"))
            check(time.monotonic() - begun < 60, f"{time.monotonic() - begun:.0f} s")
            equal(report["consistency"], "crash", "level")
            check("agent" in reasons_of(report), f"reasons: {reasons_of(report)}")
            points = len(lab.points())
            result = lab.protect((*HOOKS, "--freeze-timeout", "3s"))
            check(result.code not in (0, 3), "a required freeze succeeded")
            check(result.error.get("advice"), f"no advice: {result.error}")
            equal(len(lab.points()), points, "points")
            lab.expect_nothing_left()
            guest.records_go_on()
        finally:
            back()
        wait_until(guest.agent_answers, 60, "the agent")
        lab.expect_thawed()
    equal(lab.point_of()["consistency"], "filesystem", "level")


@test
def qemu_killed():
    """Its bitmaps are lost: the next run heals by itself, and stores nothing that is there already."""
    lab = PlainLab()
    guest = lab.guest
    first = lab.exact_point()
    stored = sum(volume["bytes_stored"] for volume in first["volumes"])
    guest.write_noise(1)
    guest.kill()
    guest.start_again()
    report = lab.exact_point()
    for name in DISKS:
        check(volume_of(report, name)["method"] != "hint", f"{name} was read by a broken bitmap")
        check(any(note.startswith(name) for note in machine_of(report)["notes"]),
              f"nothing tells why {name} was read: {machine_of(report)}")
    again = sum(volume["bytes_stored"] for volume in report["volumes"])
    check(again < MIB + USUAL / 2 and again < stored / 2, f"stored again: {again} of {stored}")
    guest.write_noise(1, "second")
    expect_hints(lab.exact_point())


@test
def qemu_killed_in_the_middle():
    """The backup ends soon and says why."""
    lab = PlainLab()
    guest = lab.guest
    lab.exact_point()
    guest.write_noise(4)
    process = lab.start_protecting(stdout=subprocess.PIPE)
    wait_until(lambda: os.listdir(lab.scratch) or process.poll() is not None, 60, "scratch files")
    guest.kill()
    out, _ = process.communicate(timeout=60)
    guest.start_again()
    say(f"# exit {process.returncode}")
    if process.returncode not in (0, 3):
        check(b"QEMU" in out or b"shut" in out, f"nothing is said of QEMU: {out[-300:]!r}")
    lab.exact_point()
    expect_hints(lab.exact_point())


@test
def lifeboat_killed():
    """Whatever it leaves is gone after the next run, which is incremental."""
    lab = PlainLab()
    guest = lab.guest
    lab.exact_point()
    options = ("--freeze-hooks", "--freeze-timeout", "5s")

    def begin(options):
        guest.write_noise(16, "old")
        process = lab.start_protecting(options)
        wait_until(lambda: os.listdir(lab.scratch) or process.poll() is not None, 60, "scratch files")
        return process, time.monotonic()
    process, begun = begin(options)
    process.wait(120)
    length = time.monotonic() - begun
    for number in range(1, 5):
        process, _ = begin(options)
        time.sleep(length * number / 5)
        Here.kill_program(process)
        process.wait(30)
        lab.expect_thawed()
        expect_hints(lab.exact_point())


@test
def lifeboat_killed_after_the_thaw():
    """What it has in QEMU goes without another run: its guardian ends it."""
    lab = PlainLab()
    guest = lab.guest
    lab.exact_point()
    for moments in (0, 1, 5):
        guest.write_noise(16, "old")
        process = lab.start_held()
        guest.write_noise(16, "old")
        check(has_begun(lab), "nothing was copied for it: there is no job")
        if moments:
            # Then it reads, if it has not ended already.
            Here.kill_program(process, signal.SIGCONT)
            time.sleep(0.1 * moments)
        Here.kill_program(process)
        process.wait(30)
        wait_until(lambda: not os.listdir(lab.scratch), 120, "an empty scratch directory")
        equal(lab.leftovers(), [], "leftovers in QEMU")
        lab.expect_thawed()
        expect_hints(lab.exact_point())


def expect_no_errors(lab):
    equal(lab.guest.call("dmesg | grep -c 'I/O error' || true").strip(), "0", "I/O errors in the guest")
    lab.expect_thawed()


@test
def scratch_that_is_full():
    """The backup fails; what the guest writes does not."""
    lab = PlainLab()
    guest = lab.guest
    guest.write_over(32)
    process = lab.start_held(options=("--scratch-size", "4MiB"), stdout=subprocess.PIPE)
    guest.write_over(32)
    Here.kill_program(process, signal.SIGCONT)
    out, _ = process.communicate(timeout=120)
    check(process.returncode not in (0, 3), f"exit code {process.returncode}: {out[-300:]!r}")
    check(b"scratch" in out, f"nothing is said of scratch files: {out[-400:]!r}")
    expect_no_errors(lab)
    lab.expect_nothing_left()
    lab.exact_point()


@test
def scratch_file_system_that_is_full():
    """QEMU holds the guest at its write, until the backup has been given up, by this run or its guardian."""
    lab = PlainLab()
    guest = lab.guest
    # Written over in place, so that all of it goes to scratch files: more than they have room for.
    guest.write_over(20)
    lab.exact_point()
    for is_killed in (False, True):
        lab.scratch = mount_tmpfs(lab, f"small-{is_killed}", "8M")
        # The program stands still until its file system is full.
        process = lab.start_held(stdout=subprocess.PIPE)
        writer = threading.Thread(target=guest.write_over, args=(20, 420))
        writer.start()
        wait_until(lambda: is_stuck(lab.scratch) or not writer.is_alive(), 120, "a file system that is full")
        check(writer.is_alive(), "the guest was not held at its write")
        Here.kill_program(process, signal.SIGKILL if is_killed else signal.SIGCONT)
        out, _ = process.communicate(timeout=300)
        if not is_killed:
            check(process.returncode not in (0, 3), f"exit code {process.returncode}: {out[-300:]!r}")
            check(b"scratch" in out, f"nothing is said of scratch files: {out[-400:]!r}")
        writer.join(420)
        check(not writer.is_alive(), "the guest is still held")
        expect_no_errors(lab)
        wait_until(lambda: not os.listdir(lab.scratch), 120, "an empty scratch directory")
        equal(lab.leftovers(), [], "leftovers in QEMU")
        run_tool(["umount", "--lazy", lab.scratch])
        lab.scratch = lab.path("scratch")
        lab.exact_point()


def is_stuck(path):
    """Whether a file system is as good as full, and nothing more is written to it."""
    before = free(path)
    time.sleep(1)
    return free(path) == before < MIB


def has_begun(lab):
    """Whether something was copied to a scratch file, beyond the tables of an empty one."""
    names = [os.path.join(lab.scratch, name) for name in os.listdir(lab.scratch)]
    return any(os.stat(name).st_blocks * 512 > 512 * KIB for name in names)


def free(path):
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


main()
