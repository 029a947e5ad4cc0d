"""Points of real guests: what is restored is what the disk held, whatever happened in between.

Exact comparisons are made of points of a paused guest, whose disk can be read. Those of a running one are
judged by its application: numbered records with checksums, the same ones in a database.
"""
import json
import signal
import time

from machine_labs import *

# What may be read and stored besides what a test lets the guest write: its log, its database, its journal.
USUAL = 12 * MIB


def begin(name="guest", **options):
    domain = Site.guest(name, **options)
    domain.turn_back()
    forget_checkpoints(domain)
    return domain, MachineLab(Site.host)


@test
def what_changed_and_nothing_else():
    """Full and then by bitmaps: running, restarted inside, after libvirt's restart, off, on again."""
    guest, lab = begin()
    report = lab.exact_point(guest)
    expect_methods(report, vda="full", vdb="full")
    guest.write_noise(2)
    report = lab.exact_point(guest)
    expect_methods(report, vda="hint", vdb="hint")
    check(2 * MIB <= volume_of(report, "vdb")["bytes_read"] < 2 * MIB + USUAL,
          f"read: {volume_of(report, 'vdb')['bytes_read']}")
    guest.write_noise(2, "second")
    report = lab.point_of(guest)
    expect_methods(report, vda="hint", vdb="hint")
    guest.reboot()
    expect_methods(lab.exact_point(guest), vda="hint", vdb="hint")
    Site.host.restart_daemon()
    expect_methods(lab.exact_point(guest), vda="hint", vdb="hint")
    guest.shut_down()
    report = lab.protect(guest).expect(0).json
    lab.expect_exact(report, guest)
    expect_methods(report, vda="hint", vdb="hint")
    # Nobody knows how it was shut off.
    equal(report["consistency"], "crash", "level of a machine that is off")
    guest.start()
    report = lab.exact_point(guest)
    expect_methods(report, vda="hint", vdb="hint")
    lab.verify_data().expect(0)


@test
def snapshots_and_disks_that_come_and_grow():
    guest, lab = begin()
    lab.exact_point(guest)
    overlays = {target: guest.path(f"{target}.overlay") for target in ("vda", "vdb")}
    specifications = [word for target, path in overlays.items()
                      for word in ("--diskspec", f"{target},file={path}")]
    Site.host.virsh("snapshot-create-as", guest.name, "outside", "--disk-only", "--atomic",
                    "--no-metadata", *specifications)
    guest.write_noise(1)
    expect_methods(lab.exact_point(guest), vda="hint", vdb="hint")
    guest.write_noise(1, "second")
    for target in overlays:
        Site.host.virsh("blockcommit", guest.name, target, "--active", "--pivot")
    guest.write_noise(1, "third")
    expect_methods(lab.exact_point(guest), vda="hint", vdb="hint")
    # A disk more, then a larger one, then none again.
    path = guest.path("vdc.qcow2")
    run_tool(["qemu-img", "create", "-q", "-f", "qcow2", path, "32M"])
    xml = guest.host.write("vdc.xml", guest.disk_xml("vdc", path))
    Site.host.virsh("attach-device", guest.name, xml, "--live", "--config")
    wait_until(lambda: "vdc" in guest.call("ls /dev"), 30, "the new disk")
    guest.call("dd if=/dev/urandom of=/dev/vdc bs=64k count=64 2>/dev/null; sync")
    report = lab.exact_point(guest)
    expect_methods(report, vda="hint", vdb="hint", vdc="full")
    guest.call("dd if=/dev/urandom of=/dev/vdc bs=64k count=16 seek=100 2>/dev/null; sync")
    expect_methods(lab.exact_point(guest), vda="hint", vdb="hint", vdc="hint")
    Site.host.virsh("blockresize", guest.name, "vdc", "48M")
    wait_until(lambda: guest.call("blockdev --getsize64 /dev/vdc").strip() == str(48 * MIB), 30, "the size")
    guest.call("dd if=/dev/urandom of=/dev/vdc bs=64k count=16 seek=700 2>/dev/null; sync")
    report = lab.exact_point(guest)
    equal(volume_of(report, "vdc")["size"], 48 * MIB, "size")
    expect_methods(report, vda="hint", vdb="hint")
    Site.host.virsh("detach-device", guest.name, xml, "--live", "--config")
    wait_until(lambda: "vdc" not in guest.call("ls /dev"), 30, "the end of the disk")
    report = lab.exact_point(guest)
    expect_methods(report, vda="hint", vdb="hint")
    check("vdc" not in json.dumps(report["volumes"]), "the disk is still in the point")


@test
def qemu_killed():
    """Its bitmaps are lost: the next run heals by itself, and stores nothing that is there already."""
    guest, lab = begin()
    first = lab.exact_point(guest)
    stored = sum(volume["bytes_stored"] for volume in first["volumes"])
    guest.write_noise(1)
    guest.kill()
    guest.start()
    report = lab.exact_point(guest)
    for name in ("vda", "vdb"):
        check(volume_of(report, name)["method"] != "hint", f"{name} was read by a broken bitmap")
        check(any(note.startswith(name) for note in machine_of(report)["notes"]),
              f"nothing tells why {name} was read: {machine_of(report)}")
    again = sum(volume["bytes_stored"] for volume in report["volumes"])
    check(again < MIB + USUAL / 2 and again < stored / 2, f"stored again: {again} of {stored}")
    guest.write_noise(1, "second")
    expect_methods(lab.exact_point(guest), vda="hint", vdb="hint")


@test
def libvirt_killed_in_the_middle():
    guest, lab = begin()
    lab.exact_point(guest)
    for number, signal_number in enumerate((signal.SIGKILL, signal.SIGTERM)):
        guest.write_noise(4, f"middle{number}")
        process = lab.start_protecting(guest)
        wait_until(lambda: os.listdir(lab.scratch) or process.poll() is not None, 60, "scratch files")
        Site.host.kill_program(process, signal.SIGSTOP)
        wait_until(guest_is_not_frozen(guest), 30, "the thaw")
        Site.host.restart_daemon(signal_number)
        Site.host.kill_program(process, signal.SIGCONT)
        begun = time.monotonic()
        process.wait(120)
        say(f"# signal {int(signal_number)}: exit {process.returncode}, {time.monotonic() - begun:.0f} s later")
        expect_thawed(guest, 30)
        # Whatever became of that run, the next one is right and leaves nothing.
        guest.write_noise(1, "second")
        report = lab.exact_point(guest)
        expect_methods(report, vda="hint", vdb="hint")
        check(volume_of(report, "vdb")["bytes_stored"] < 5 * MIB + USUAL, "what was stored is stored again")


def guest_is_not_frozen(guest):
    numbers = []

    def goes_on():
        numbers.append(guest.number_now())
        known = [number for number in numbers if number is not None]
        return len(known) > 1 and known[-1] > known[0]
    return goes_on


@test
def applications_at_rest():
    """With freeze hooks a point under load opens without any recovery."""
    guest, lab = begin()
    guest.call("echo 20000 >/etc/guest/interval")
    try:
        newest = 0
        for number in range(3):
            report = lab.point_of(guest, options=("--quiesce", "require", "--freeze-hooks"))
            equal(report["consistency"], "application", "level")
            machine = machine_of(report, guest.name)
            equal(machine["consistency"], "application", "level of the machine")
            equal(machine["policy"], "require", "policy")
            check(0 < machine["freeze_window_ms"] < 20_000, f"window: {machine['freeze_window_ms']}")
            equal(machine["reasons"], [], "reasons")
            equal(machine["dead_man"], True, "the dead man's switch")
            image = lab.restored(report["point"], "vdb")
            found = check_application(lab, image, quiesced=True)
            check(found > newest, f"{found} records after {newest}")
            newest = found
            check_file_system(lab.restored(report["point"], "vda"), PARTITION_START)
            expect_thawed(guest, 20)
        shown = lab.run("show", report["point"], *lab.secret).expect(0).json["point"]
        equal([machine["consistency"] for machine in shown["machines"]], ["application"], "what show says")
        equal(shown["machines"][0]["snapshot"], machine["snapshot"], "the snapshot that show tells of")
        expect_no_guardian(lab)
        # Without the promise that hooks make a freeze is no more than a freeze.
        report = lab.point_of(guest)
        equal(report["consistency"], "filesystem", "level without --freeze-hooks")
        # Hooks that fail.
        guest.turn("fail")
        report = lab.point_of(guest, options=("--freeze-hooks",))
        equal(report["consistency"], "crash", "level after a hook that failed")
        check(reasons_of(report), "nothing tells why")
        result = lab.protect(guest, options=("--quiesce", "require", "--freeze-hooks"))
        check(result.code not in (0, 3), "a required freeze failed, and the backup did not")
        expect_thawed(guest, 20)
        expect_nothing_left(lab, guest)
    finally:
        guest.turn_back()
        guest.call("rm -f /etc/guest/interval")


@test
def agents_that_do_not_answer():
    guest, lab = begin()
    for name, away, back in (
            ("missing", guest.take_agent_away, guest.bring_agent_back),
            ("hung", guest.hold_agent, guest.release_agent)):
        away()
        try:
            begun = time.monotonic()
            report = lab.point_of(guest, options=("--freeze-timeout", "5s"))
            check(time.monotonic() - begun < 60, f"{name}: {time.monotonic() - begun:.0f} s")
            equal(report["consistency"], "crash", f"{name}: level")
            check("agent" in reasons_of(report), f"{name}: reasons: {reasons_of(report)}")
            image = lab.restored(report["point"], "vdb")
            check_application(lab, image, quiesced=False)
            points = len(lab.points())
            result = lab.protect(guest, options=("--quiesce", "require", "--freeze-timeout", "5s"))
            check(result.code not in (0, 3), f"{name}: a required freeze succeeded")
            check(result.error.get("advice"), f"{name}: no advice: {result.error}")
            equal(len(lab.points()), points, f"{name}: points")
            guest.records_go_on()
        finally:
            back()
        wait_until(guest.agent_answers, 60, f"the agent, {name}")
        expect_thawed(guest, 30)
        report = lab.point_of(guest)
        equal(report["consistency"], "filesystem", f"after {name}: level")


@test
def a_guest_that_nobody_can_thaw():
    """The agent stands still after the freeze: a process in the guest thaws it by itself."""
    guest, lab = begin()
    guest.call("rm -f /run/stalled")
    for after in (60_000, 20_000, 120_000, 200_000):
        guest.turn("stall", f"{after} 25")
        process = lab.start_protecting(guest, options=("--freeze-timeout", "4s", "--freeze-hooks"))
        wait_until(lambda: process.poll() is not None or "stalled" in guest.call("ls /run"), 60, "the freeze")
        guest.turn_back()
        # The hook that lets the application go on is the agent's.
        guest.write_probe(30)
        process.wait(120)
        wait_until(guest.agent_answers, 90, "the agent")
        if "stalled" in guest.call("ls /run"):
            break
    else:
        raise Failure("the agent never stood still while the guest was frozen")
    expect_thawed(guest, 30)
    lab.exact_point(guest)


@test
def without_a_freeze():
    """Pausing, definitions alone, disks that are chosen."""
    guest, lab = begin()
    before = guest.call("grep -c freeze /run/freezes || true")
    report = lab.point_of(guest, options=("--quiesce", "pause"))
    equal(report["consistency"], "crash", "level of a paused guest")
    check_application(lab, lab.restored(report["point"], "vdb"), quiesced=False)
    report = lab.point_of(guest, options=("--quiesce", "crash", "--disk", "vdb"))
    equal(sorted(volume["name"] for volume in report["volumes"]),
          [f"{guest.name}.definition.tar", "vdb"], "volumes of one disk")
    report = lab.point_of(guest, options=("--quiesce", "crash", "--exclude-disk", "vdb"))
    equal(sorted(volume["name"] for volume in report["volumes"]),
          [f"{guest.name}.definition.tar", "vda"], "volumes without one disk")
    report = lab.point_of(guest, options=("--quiesce", "stateless"))
    equal([volume["name"] for volume in report["volumes"]], [f"{guest.name}.definition.tar"],
          "volumes of a definition")
    archive = lab.restored(report["point"], f"{guest.name}.definition.tar")
    names = run_tool(["tar", "--list", "--file", archive]).decode().split()
    check(any(name.endswith("machine.json") for name in names)
          and any(name.endswith("domain.xml") for name in names), f"definition: {names}")
    equal(guest.call("grep -c freeze /run/freezes || true"), before, "freezes")
    equal(guest.state(), "running", "state")


@test
def groups():
    """Two guests at one instant, one of them with a raw disk."""
    guest, lab = begin()
    other, _ = begin("other", raw=("vdb",))
    pair = (guest, other)
    options = ("--quiesce", "crash")
    with guest.paused(), other.paused():
        report = lab.protect(*pair, options=options, machine="pair").expect(0).json
        for domain in pair:
            lab.expect_exact(report, domain, prefix=domain.name + ".")
    names = sorted(volume["name"] for volume in report["volumes"])
    equal(names, sorted(f"{domain.name}.{rest}" for domain in pair
                        for rest in ("vda", "vdb", "definition.tar")), "volumes")
    report = lab.point_of(*pair, options=("--quiesce", "require", "--freeze-hooks"), machine="pair")
    equal(report["machine"], "pair", "the point's machine")
    equal(report["consistency"], "application", "level")
    check(0 <= report["skew_ms"] < 20_000, f"skew: {report['skew_ms']}")
    equal(sorted(machine["name"] for machine in report["machines"]), ["guest", "other"], "machines")
    expect_methods(report, **{"guest.vda": "hint", "guest.vdb": "hint", "other.vda": "hint"})
    check(methods(report, "other.vdb")["other.vdb"] != "hint", "a raw disk has no bitmap")
    check("vdb: its format" in str(machine_of(report, "other")["notes"]), f"notes: {machine_of(report, 'other')}")
    for domain in pair:
        check_application(lab, lab.restored(report["point"], f"{domain.name}.vdb"), quiesced=True)
    with guest.paused(), other.paused():
        report = lab.protect(*pair, options=options, machine="pair").expect(0).json
        for domain in pair:
            lab.expect_exact(report, domain, prefix=domain.name + ".")
    # One that cannot be frozen spoils what is required of all, and nothing stays frozen.
    other.take_agent_away()
    try:
        result = lab.protect(*pair, options=("--quiesce", "require", "--freeze-timeout", "5s"),
                             machine="pair")
        check(result.code not in (0, 3), "the group was not refused")
        for domain in pair:
            domain.records_go_on()
    finally:
        other.bring_agent_back()
    for domain in pair:
        expect_nothing_left(lab, domain)
    # An emulated guest takes half a processor for nothing.
    other.destroy()


@test
def scratch_that_is_full():
    """The backup fails; what the guest writes does not."""
    guest, lab = begin()
    guest.write_over(32)
    process = lab.start_held(guest, options=("--scratch-size", "4MiB"), stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT)
    # What it holds of the guest's writes is far more than it may by the time that it goes on.
    guest.write_over(32)
    Site.host.kill_program(process, signal.SIGCONT)
    out, _ = process.communicate(timeout=120)
    check(process.returncode not in (0, 3), f"exit code {process.returncode}: {out[-300:]!r}")
    check(b"scratch" in out, f"nothing is said of scratch files: {out[-400:]!r}")
    equal(guest.call("dmesg | grep -c 'I/O error' || true").strip(), "0", "I/O errors in the guest")
    expect_thawed(guest, 30)
    expect_nothing_left(lab, guest)
    lab.exact_point(guest)


@test
def checkpoints_of_others():
    guest, lab = begin()
    lab.exact_point(guest)
    Site.host.virsh("checkpoint-create-as", guest.name, "somebody", "--diskspec", "vda,checkpoint=no",
                    "--diskspec", "vdb,checkpoint=bitmap")
    guest.write_noise(1)
    expect_methods(lab.exact_point(guest), vda="hint", vdb="hint")
    guest.write_noise(1, "second")
    expect_methods(lab.exact_point(guest), vda="hint", vdb="hint")
    check("somebody" in guest.checkpoints(), "another tool's checkpoint is gone")
    check("somebody" in guest.bitmaps("vdb"), "another tool's bitmap is gone")
    result = lab.protect(guest, options=("--foreign-checkpoints", "refuse"))
    check(result.code not in (0, 3) and "somebody" in result.told(), f"not refused: {result.told()[:300]}")
    lab.exact_point(guest, options=("--foreign-checkpoints", "adopt"))
    check("somebody" not in guest.checkpoints(), "another tool's checkpoint is still there")
    expect_methods(lab.exact_point(guest), vda="hint", vdb="hint")


@test
def two_lines():
    """Two repositories protect one guest, and neither disturbs the other."""
    guest, lab = begin()
    second = MachineLab(Site.host)
    for each in (lab, second):
        expect_methods(each.exact_point(guest), vda="full", vdb="full")
    for number in range(2):
        for each in (lab, second):
            guest.write_noise(1, f"lines{number}")
            expect_methods(each.exact_point(guest), vda="hint", vdb="hint")
    equal(len(ours(guest.checkpoints())), 2, "checkpoints")


def doctor(lab, *arguments):
    return lab.run("doctor", *arguments, needs_repository=False)


def checks_of(result):
    return {finding["check"] for finding in result.json["findings"]}


@test
def what_is_told():
    """`machines` and `doctor`."""
    guest, lab = begin()
    found = lab.run("machines", needs_repository=False).expect(0).json["machines"]
    check(guest.name in [machine["machine"] for machine in found], f"machines: {found}")
    found = doctor(lab, guest.name).expect(0)
    check({"versions", "disks", "agent"} <= checks_of(found), f"doctor: {found.json}")
    # What a guardian left, until a run finds the guest thawed.
    alarm = {"machine": guest.name, "address": {}, "time": 1, "message": f"{guest.name} may be frozen"}
    with open(Site.host.path("lifeboat", f"frozen-{guest.name}.json"), "w") as file:
        json.dump(alarm, file)
    check("alarm" in checks_of(doctor(lab, guest.name).expect(3)), "doctor does not tell the alarm")
    lab.point_of(guest)
    check("alarm" not in checks_of(doctor(lab, guest.name).expect(0)), "the alarm stays")
    expect_no_guardian(lab)
    # A disk whose guest would be told of a full scratch file.
    reporting = Site.host.domain("reporting")
    xml = Site.host.virsh("dumpxml", reporting.name)
    xml = xml.replace("discard='unmap'", "discard='unmap' error_policy='report'")
    Site.host.virsh("define", Site.host.write("reporting.xml", xml))
    try:
        found = doctor(lab, reporting.name).expect(0)
        check("error-policy" in checks_of(found), f"doctor: {found.json}")
    finally:
        Site.host.domains.pop(reporting.name).undefine()
    result = lab.protect(type("Nobody", (), {"name": "nobody"}))
    check(result.code not in (0, 3) and "nobody" in result.told(), f"{result.told()[:300]}")
    # From another host, by the daemon's socket.
    result = Lab.run(lab, "machines", "--connect", Site.host.uri, needs_repository=False).expect(0)
    check(guest.name in json.dumps(result.json), f"machines from outside: {result.json}")


main()
