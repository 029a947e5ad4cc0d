"""Everything that goes wrong around the backup of a running guest, at random moments of the cycle.

Whatever happens: the guest writes on by the deadline; the next run needs nobody's help, leaves no job, no
scratch file, no socket and no checkpoint but its own base; and its point is exact.

LIFEBOAT_TEST_SEEDS: with 20 there are 12 faults, with 200 ten times as many.
"""
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
        self.counts[kind] = self.counts.get(kind, 0) + 1
        code = self.process.returncode
        wait_until(self.guest.agent_answers, 60, "the agent")
        report = self.lab.point_of(self.guest, options=("--quiesce", "require", "--freeze-hooks"))
        check(machine_of(report)["consistency"] == "application", f"level: {report['consistency']}")
        self.lab.exact_point(self.guest)
        say(f"# {kind}: moment {moment}, exit {code}{', after its end' if ended else ''}")


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


main()
