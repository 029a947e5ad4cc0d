"""Backups that are services of systemd, which ends all processes of a unit at once."""
import time

from machine_labs import *

from guests.plain import Plain  # noqa: E402
from guests.service_manager import ServiceManager  # noqa: E402

UNIT = "backup"
GUARDIANS = "lifeboat-guardian-*"
DEADLINE = 20


class Here:
    @staticmethod
    def prefix():
        return []


def hooks(guest):
    with open(guest.path("serial.log"), "rb") as log:
        return [line.split(b"GUEST-HOOK ")[1].split()[0].decode() for line in log if b"GUEST-HOOK " in line]


def stays_frozen(guest):
    """Whether nothing is written for seconds; its agent speaks with the service only."""
    before = guest.number_now()
    time.sleep(2)
    return guest.number_now() == before and hooks(guest)[-1] == "freeze"


def freeze(manager, lab, guest):
    """Starts the service until it stands still with its guest frozen."""
    # Without the dead-man only the guardian is left to thaw.
    policies = lab.write("policies.yaml", f"""defaults:
  quiesce: require
  freeze-timeout: {DEADLINE}s
  freeze-hooks: yes
  dead-man: no
""".encode())
    source = f"qemu:{guest.monitor_socket},name=guest,agent={guest.agent_socket}"
    command = lab.command("backup", source, "--policy", policies, "--scratch-directory", lab.scratch,
                          *lab.secret)
    for _ in range(8):
        seen = len(hooks(guest))
        manager.start_unit(UNIT, command, lab.environment(None))
        wait_until(lambda: len(hooks(guest)) > seen or not manager.units(UNIT + ".service"), 60, "the freeze")
        process = manager.main_process(UNIT)
        if process:
            manager.run("kill", "-STOP", process)
            if stays_frozen(guest):
                return
            manager.kill_unit(UNIT)
        wait_until(lambda: not manager.units(UNIT + ".service"), 60, "the end of the service")
        manager.run("systemctl", "reset-failed")
        guest.write_probe(60)
    raise Failure("the guest was never found frozen")


@test
def a_killed_unit_leaves_no_frozen_guest():
    check(IS_ROOT, "namespaces need root")
    guest, manager = run_hosts(Plain(), ServiceManager(shared=["/run/lifeboat"]))
    lab = MachineLab(Here)
    freeze(manager, lab, guest)
    [guardian] = manager.units(GUARDIANS)
    begun = time.monotonic()
    manager.kill_unit(UNIT)
    guest.write_probe(DEADLINE)
    took = time.monotonic() - begun
    say(f"# frozen for {took:.1f} s after the unit was killed; its guardian was {guardian}")
    check(took < DEADLINE, f"frozen for {took:.1f} s")
    equal(manager.units(UNIT + ".service"), [], "the unit")
    wait_until(lambda: hooks(guest)[-1] == "thaw", 10, "the agent's hook, since the guardian thawed")
    # The next run needs nobody's help, and takes the guest over from the guardian.
    source = f"qemu:{guest.monitor_socket},name=guest,agent={guest.agent_socket}"
    lab.run("backup", source, "--quiesce", "require", "--freeze-hooks", "--scratch-directory", lab.scratch,
            *lab.secret).expect(0)
    wait_until(lambda: not manager.units(GUARDIANS), 60, "the guardian's end")


if __name__ == "__main__":
    main()
