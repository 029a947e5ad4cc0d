"""Everything that goes wrong around the backup of a running guest, at random moments of the cycle.

Whatever happens: the guest writes on by the deadline; the next run needs nobody's help, leaves no job, no
scratch file, no socket and no checkpoint but its own base; and its point is exact.

LIFEBOAT_TEST_SEEDS: with 20 there are 12 faults, with 200 ten times as many.
"""
import re
import signal
import time

from machine_labs import *

FREEZE_TIMEOUT = 4
# Until a guest is thawed by whatever thaws it, and has written a record on a machine that does much else.
PATIENCE = FREEZE_TIMEOUT + 26
FAULTS = 6 if QUICK else max(12, 12 * SEEDS // 20)


class Trial:
    """One guest, one repository, and one fault after another."""

    def __init__(self, seed):
        self.source = random.Random(f"machine faults {seed}")
        self.guest = Site.guest()
        forget_checkpoints(self.guest)
        self.lab = MachineLab(Site.host)
        begun = time.monotonic()
        self.lab.exact_point(self.guest)
        self.begin_run()
        self.process.wait(120)
        equal(self.process.returncode, 0, "exit code without a fault")
        # How long a run takes, so that faults are spread over all of it.
        self.length = max(0.5, (time.monotonic() - begun) / 3)
        self.counts = {}

    def begin_run(self):
        self.guest.write_noise(1, f"noise{self.source.randrange(3)}")
        self.process = self.lab.start_protecting(
            self.guest, options=("--freeze-timeout", f"{FREEZE_TIMEOUT}s", "--freeze-hooks"))

    def wait_for_moment(self):
        """A random time, or a random step of the cycle as it shows from outside."""
        kind = self.source.choice(["time", "time", "freeze", "scratch", "late"])
        if kind == "time":
            time.sleep(self.source.uniform(0, self.length))
            return kind
        marks = {
            "freeze": lambda: self.frozen_once(),
            "scratch": lambda: os.listdir(self.lab.scratch),
            "late": lambda: os.listdir(self.lab.scratch)}
        wait_until(lambda: self.process.poll() is not None or marks[kind](), 90, kind)
        if kind == "late":
            time.sleep(self.source.uniform(0, self.length / 2))
        return kind

    def frozen_once(self):
        """Whether the guest's hook has run, as its console tells at once."""
        with open(self.guest.serial_log, "rb") as log:
            return log.read().count(b"GUEST-HOOK freeze") > self.freezes

    def count_freezes(self):
        with open(self.guest.serial_log, "rb") as log:
            self.freezes = log.read().count(b"GUEST-HOOK freeze")

    # The faults.

    def kill_program(self):
        """kill -9 of the program, and of nothing that it started."""
        Site.host.kill_program(self.process)

    def interrupt_program(self):
        Site.host.kill_program(self.process, signal.SIGTERM)

    def hold_program(self):
        """The program itself stands still, and is killed at last."""
        Site.host.kill_program(self.process, signal.SIGSTOP)
        self.guest.write_probe(PATIENCE)
        if self.source.random() < 0.5:
            Site.host.kill_program(self.process)
        Site.host.kill_program(self.process, signal.SIGCONT)

    def hold_agent(self):
        # As the freeze may have begun, from the inside.
        self.guest.call("killall -STOP qemu-ga")
        self.guest.write_probe(PATIENCE)
        time.sleep(self.source.uniform(0, 2))
        self.guest.call("killall -CONT qemu-ga")

    def kill_agent(self):
        self.guest.call("killall -9 qemu-ga")

    def kill_daemon(self):
        Site.host.end_daemon(signal.SIGKILL)
        self.guest.write_probe(PATIENCE)
        Site.host.start_daemon()

    def restart_daemon(self):
        Site.host.restart_daemon()

    def hold_daemon(self):
        Site.host.hold_daemon()
        try:
            self.guest.write_probe(PATIENCE)
        finally:
            Site.host.release_daemon()

    def remove_sockets(self):
        """Paths vanish while they are in use."""
        for top in (Site.host.path("lifeboat"),):
            for place, _, files in os.walk(top):
                for name in files:
                    os.unlink(os.path.join(place, name))

    def kill_qemu(self):
        self.guest.kill()

    KINDS = ["kill_program", "hold_program", "hold_agent", "kill_daemon", "hold_daemon", "kill_program",
             "interrupt_program", "kill_agent", "restart_daemon", "remove_sockets", "kill_qemu",
             "kill_program"]

    def run(self, kind):
        self.count_freezes()
        self.begin_run()
        moment = self.wait_for_moment()
        ended = self.process.poll() is not None
        getattr(self, kind)()
        if kind == "kill_qemu":
            self.process.wait(120)
            self.guest.start()
        else:
            # First without anybody's help, then with all that ends by itself gone.
            self.guest.write_probe(PATIENCE)
            self.process.wait(180)
            expect_thawed(self.guest, PATIENCE)
            if kind == "kill_program":
                expect_ended(self.lab, self.guest)
        self.counts[kind] = self.counts.get(kind, 0) + 1
        code = self.process.returncode
        lost = kind == "kill_agent" and is_lost_to_libvirt(self.guest)
        if not lost:
            wait_until(self.guest.agent_answers, 60, "the agent")
        report = self.lab.point_of(self.guest, options=("--quiesce", "require", "--freeze-hooks"))
        check(machine_of(report)["consistency"] == "application", f"level: {report['consistency']}")
        expect_no_guardian(self.lab)
        self.lab.exact_point(self.guest)
        if lost:
            bring_back_to_libvirt(self.guest)
        say(f"# {kind}: moment {moment}, exit {code}{', after its end' if ended else ''}"
            f"{', lost to libvirt' if lost else ''}")


def is_lost_to_libvirt(guest):
    """Whether libvirt, which hears nothing of agents while a backup job runs, has lost this one."""
    try:
        wait_until(guest.agent_answers, 40, "the agent")
        return False
    except RuntimeError:
        return True


def bring_back_to_libvirt(guest):
    """One restart of the agent tells libvirt of its end, or else the next one does."""
    for _ in range(3):
        guest.call("killall qemu-ga")
        if not is_lost_to_libvirt(guest):
            return
    raise Failure("libvirt has lost the guest's agent for good")


@test
def faults_at_random_moments():
    [seed] = seeds(1)
    trial = Trial(seed)
    kinds = list(Trial.KINDS)
    trial.source.shuffle(kinds)
    for number in range(FAULTS):
        kind = kinds[number % len(kinds)]
        try:
            trial.run(kind)
        except Exception as error:
            raise Failure(f"fault {number}, {kind}: {error}") from error
    trial.lab.verify_data().expect(0)
    say(f"# {trial.counts}")


def freeze(lab, guest, timeout):
    """A backup that stands still while its guest is frozen; its process, and when that was seen."""
    for _ in range(8):
        with open(guest.serial_log, "rb") as log:
            hooks = log.read().count(b"GUEST-HOOK freeze")

        def is_freezing():
            with open(guest.serial_log, "rb") as log:
                return log.read().count(b"GUEST-HOOK freeze") > hooks
        process = lab.start_protecting(guest, options=("--freeze-timeout", f"{timeout}s", "--freeze-hooks"))
        wait_until(lambda: process.poll() is not None or is_freezing(), 60, "the freeze")
        begun = time.monotonic()
        Site.host.kill_program(process, signal.SIGSTOP)
        # The command may be on its way.
        while time.monotonic() < begun + 3:
            if guest.is_frozen():
                return process, begun
        Site.host.kill_program(process)
        process.wait(60)
        expect_thawed(guest, PATIENCE)
    raise Failure("the guest was never found frozen")


def expect_thaw(guest, begun, deadline, what, by_agent):
    """The guest runs before the deadline; whether the agent thawed it, which runs the hook, is seen."""
    guest.write_probe(deadline)
    took = time.monotonic() - begun
    say(f"# {what}: frozen for {took:.1f} s")
    check(took < deadline, f"{what}: frozen for {took:.1f} s")

    def has_thawed():
        with open(guest.serial_log, "rb") as log:
            return re.findall(rb"GUEST-HOOK (\w+)", log.read())[-1] == b"thaw"
    if by_agent:
        wait_until(has_thawed, 10, f"{what}: the agent's hook")
    else:
        check(not has_thawed(), f"{what}: it was thawed by the agent")


@test
def whoever_dies_while_a_guest_is_frozen():
    """With time for a guardian to act before the dead-man in the guest does."""
    guest = Site.guest()
    forget_checkpoints(guest)
    lab = MachineLab(Site.host)
    lab.exact_point(guest)
    timeout = 30
    process, begun = freeze(lab, guest, timeout)
    check(guardians(Site.host), "there is no guardian")
    Site.host.kill_program(process)
    expect_thaw(guest, begun, timeout, "kill -9 of the program", by_agent=True)
    process.wait(60)
    # libvirt too: what is left is the agent's socket.
    process, begun = freeze(lab, guest, timeout)
    Site.host.end_daemon(signal.SIGKILL)
    Site.host.kill_program(process)
    try:
        expect_thaw(guest, begun, timeout, "kill -9 of the program and libvirt", by_agent=True)
    finally:
        Site.host.start_daemon()
    process.wait(60)
    # The agent: only the dead-man is left, who comes after the deadline.
    process, begun = freeze(lab, guest, FREEZE_TIMEOUT)
    guest.hold_agent()
    Site.host.kill_program(process, signal.SIGCONT)
    expect_thaw(guest, begun, PATIENCE, "the agent held", by_agent=False)
    alarm = Site.host.path("lifeboat", f"frozen-{guest.name}.json")
    wait_until(lambda: os.path.exists(alarm), 60, "the guardian's alarm")
    found = lab.run("doctor", guest.name, needs_repository=False).expect(3).json["findings"]
    check("alarm" in [finding["check"] for finding in found], f"doctor: {found}")
    guest.release_agent()
    process.wait(120)
    wait_until(guest.agent_answers, 60, "the agent")
    # Those that still watch leave the next run alone, and end.
    report = lab.point_of(guest, options=("--quiesce", "require", "--freeze-hooks"))
    equal(report["consistency"], "application", "level")
    expect_no_guardian(lab)
    lab.exact_point(guest)


@test
def killed_after_the_thaw():
    """What the program has in libvirt goes without another run: its guardian ends it."""
    guest = Site.guest()
    forget_checkpoints(guest)
    lab = MachineLab(Site.host)
    lab.exact_point(guest)
    for quiesce, reads in (("crash", False), ("require", True)):
        guest.write_noise(4, "old")
        process = lab.start_held(guest, quiesce=quiesce)
        check(guest.job(), "there is no job")
        guest.write_noise(4, "old")
        expect_thawed(guest, PATIENCE)
        if reads:
            # Unless it has ended by then, which is as good.
            Site.host.kill_program(process, signal.SIGCONT)
            time.sleep(0.3)
        Site.host.kill_program(process)
        process.wait(60)
        expect_ended(lab, guest)
        expect_no_guardian(lab)
        equal(os.listdir(lab.scratch), [], "scratch directory")
        expect_thawed(guest, PATIENCE)
        expect_methods(lab.exact_point(guest), vda="hint", vdb="hint")
    # The next run does not wait for that, and is not disturbed by it.
    process = lab.start_held(guest)
    Site.host.kill_program(process)
    lab.point_of(guest, options=("--quiesce", "require"))
    process.wait(60)
    expect_no_guardian(lab)
    # A guardian that is ended itself leaves the job to the run, which lives.
    process = lab.start_held(guest)
    [found] = guardians(Site.host)
    Site.host.run(["kill", found.split()[0]])
    wait_until(lambda: not guardians(Site.host), 100, "the guardian's end")
    check(guest.job(), "the job was ended while its run lived")
    Site.host.kill_program(process, signal.SIGCONT)
    process.wait(120)
    equal(process.returncode, 0, "exit code without a guardian")
    expect_nothing_left(lab, guest)


@test
def an_agent_that_libvirt_has_lost():
    """It restarts during a backup: Lifeboat reaches it all the same, and libvirt again later."""
    guest = Site.guest()
    forget_checkpoints(guest)
    lab = MachineLab(Site.host)
    process = lab.start_held(guest)
    guest.call("killall -9 qemu-ga")
    # libvirt gives the news up after 30 s.
    time.sleep(34)
    Site.host.kill_program(process, signal.SIGCONT)
    process.wait(120)
    equal(process.returncode, 0, "exit code")
    check(not guest.agent_answers(), "libvirt has not lost the agent, and this tests nothing")
    report = lab.point_of(guest, options=("--quiesce", "require", "--freeze-hooks"))
    equal(machine_of(report)["consistency"], "application", "level")
    found = lab.run("doctor", guest.name, needs_repository=False).json["findings"]
    check([one for one in found if one["check"] == "agent" and one["severity"] == "good"], f"doctor: {found}")
    expect_no_guardian(lab)
    bring_back_to_libvirt(guest)
    lab.exact_point(guest)


@test
def another_tool_s_job():
    """It is left alone by the guardian of a run that died."""
    guest = Site.guest()
    forget_checkpoints(guest)
    lab = MachineLab(Site.host)
    process = lab.start_held(guest)
    Site.host.virsh("domjobabort", guest.name)
    wait_until(lambda: not guest.job(), 60, "the end of the job")
    Site.host.virsh("backup-begin", guest.name, lab.write("foreign.xml", f"""<domainbackup mode='pull'>
  <server transport='unix' socket='{Site.host.path("foreign.sock")}'/>
  <disks><disk name='vda' backup='no'/><disk name='vdb' backup='yes' type='file'>
    <scratch file='{lab.path("foreign.qcow2")}'/></disk></disks>
</domainbackup>""".encode()))
    Site.host.kill_program(process)
    process.wait(60)
    expect_no_guardian(lab)
    check(guest.job(), "the other tool's job was ended")
    Site.host.virsh("domjobabort", guest.name)
    wait_until(lambda: not guest.job(), 60, "the end of the other job")
    lab.exact_point(guest)


def pause(lab, guest):
    """A backup that stands still while its guest is paused; its process."""
    for _ in range(8):
        watcher = Site.host.start_process(
            ["stdbuf", "-oL", "virsh", "-c", "qemu:///system", "event", guest.name, "lifecycle", "--loop"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            time.sleep(1)
            process = lab.start_protecting(guest, options=("--quiesce", "pause", "--freeze-timeout", "60s"))
            program = None
            while program is None and process.poll() is None:
                program = Site.host.program_of(process)
            for line in watcher.stdout:
                if b"Suspended" in line:
                    os.kill(program, signal.SIGSTOP)
                    break
        finally:
            Site.host.kill_program(watcher)
            watcher.wait(30)
        # To let it go on may have been asked for already.
        time.sleep(3)
        if guest.state() == "paused":
            return process
        Site.host.kill_program(process)
        process.wait(60)
        expect_ended(lab, guest)
    raise Failure("the program was never stopped while its guest was paused")


@test
def killed_while_a_guest_is_paused():
    guest = Site.guest()
    forget_checkpoints(guest)
    lab = MachineLab(Site.host)
    lab.exact_point(guest)
    process = pause(lab, guest)
    Site.host.kill_program(process)
    process.wait(60)
    wait_until(lambda: guest.state() == "running", PATIENCE, "the guest to go on")
    expect_thawed(guest, PATIENCE)
    expect_ended(lab, guest)
    lab.exact_point(guest)


@test
def a_snapshot_that_does_not_start():
    """The guest is thawed when that is known, long before anybody's deadline."""
    guest = Site.guest()
    forget_checkpoints(guest)
    lab = MachineLab(Site.host)
    policy = lab.write("policy.yaml", f"""machines:
  {guest.name}:
    quiesce: require
    freeze-timeout: 60s
    freeze-hooks: yes
    hooks:
      - when: before-freeze
        run: [/bin/sh, -c, "rm -r {lab.scratch}/lifeboat-*"]
        on-error: fail
""".encode())
    result = lab.protect(guest, options=("--policy", policy))
    check(result.code not in (0, 3), "a backup without its scratch folder succeeded")
    check(b"scratch" in result.err, f"what is said: {result.err[-300:]!r}")
    last = [line.split() for line in guest.call("tail -n 2 /run/freezes").splitlines()]
    equal([line[0] for line in last], ["freeze", "thaw"], "what the agent did last")
    took = float(last[1][1]) - float(last[0][1])
    check(took < 50, f"frozen for {took:.1f} s after the start had failed")
    expect_thawed(guest, PATIENCE)
    expect_nothing_left(lab, guest)
    expect_no_guardian(lab)


@test
def scratch_file_system_that_is_full():
    """QEMU pauses the guest where a scratch file cannot grow: the backup fails, and the guest runs on."""
    guest = Site.guest()
    forget_checkpoints(guest)
    lab = MachineLab(Site.host)
    # Written over in place, so that all of it goes to scratch files.
    guest.write_over(20)
    lab.scratch = lab.path("small")
    Site.host.run(["mkdir", lab.scratch])
    Site.host.run(["mount", "-t", "tmpfs", "-o", "size=6M", "tmpfs", lab.scratch])
    try:
        # Once with the program there, once killed: then its guardian lets the guest go on.
        for is_killed in (False, True):
            fill_scratch(lab, guest, is_killed)
    finally:
        Site.host.run(["umount", "--lazy", lab.scratch])
    equal(guest.call("dmesg | grep -c 'I/O error' || true").strip(), "0", "I/O errors in the guest")
    expect_thawed(guest, 30)
    lab.scratch = lab.path("scratch")
    lab.exact_point(guest)


def fill_scratch(lab, guest, is_killed):
    process = lab.start_held(guest, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    check(guest.job(), "there is no job")
    writer = threading.Thread(target=guest.write_over, args=(20,))
    writer.start()
    try:
        wait_until(lambda: guest.state() == "paused", 90, "QEMU to pause the guest")
        Site.host.kill_program(process, signal.SIGKILL if is_killed else signal.SIGCONT)
        out, _ = process.communicate(timeout=120)
        if not is_killed:
            check(process.returncode not in (0, 3), f"exit code {process.returncode}: {out[-300:]!r}")
            check(b"given up so that its guest can write" in out, f"what is said: {out[-400:]!r}")
        wait_until(lambda: guest.state() == "running", 30, "the guest to go on")
    finally:
        writer.join(120)
    wait_until(lambda: not guest.job(), 60, "the end of the job")
    wait_until(lambda: not Site.host.run(["ls", lab.scratch]), 60, "an empty scratch directory")


main()
