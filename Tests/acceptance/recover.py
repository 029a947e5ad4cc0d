"""Machines of a point, brought back: anew beside their original, at once while what serves them dies, in place.

The guests' data is judged by what they answer over HTTP, by their application's numbered records, and
by comparing disks.
"""
import signal
import threading
import time

from machine_labs import *

CHECKS = ["--check", "agent", "--check", "http:/cgi-bin/status=number"]


class Source:
    """The suite's original: a guest of which there is a point, and which is shut off afterwards."""

    lock = threading.Lock()
    made = None

    @classmethod
    def get(cls):
        with cls.lock:
            if cls.made is None:
                guest = Site.guest("original", direct=True)
                lab = MachineLab(Site.host)
                # It is needed after the test that made it.
                Lab.every.remove(lab)
                atexit.register(lab.close)
                guest.call("echo before >/data/public/mark; sync")
                report = lab.point_of(guest)
                guest.shut_down()
                if "bubble" not in Site.host.networks:
                    Site.host.add_network("bubble")
                cls.made = guest, lab, report["point"]
            return cls.made


def adopted(name):
    """The new guest, with the address that it has now."""
    domain = Site.host.adopt(name)
    domain.network = "bubble"

    def address():
        text = Site.host.attempt(["virsh", "-q", "-c", "qemu:///system", "domifaddr", name])[1]
        found = re.search(r"ipv4\s+([0-9.]+)/", text)
        if found:
            domain.address = found.group(1)
        return bool(found)
    wait_until(address, 120, f"an address of {name}")
    wait_until(domain.try_status, 120, f"the web server of {name}")
    return domain


def state_of(name):
    return Site.host.attempt(["virsh", "-q", "-c", "qemu:///system", "domstate", name])[1].strip()


def sessions(lab):
    return lab.run("recover", "--sessions", *lab.secret).expect(0).json["sessions"]


def expect_sound(domain):
    """The data of the point is there, the records have no gap, and the guest saw no error."""
    equal(domain.call("cat /data/public/mark").strip(), "before", "mark")
    numbers = [int(line.split()[1]) for line in domain.call("grep ^RECORD /data/application/log").splitlines()]
    equal(numbers, list(range(1, len(numbers) + 1)), f"records of {domain.name}")
    equal(domain.call("dmesg | grep -ci 'i/o error' || true").strip(), "0", "errors that the guest saw")


def expect_gone(folder, name):
    equal([file for file in os.listdir(folder) if file.startswith(name)], [], "files")
    listed = Site.host.virsh("list", "--all", "--name").split()
    check(name not in listed, f"domains: {listed}")


def backing(path):
    text = run_tool(["qemu-img", "info", "-U", "--output=json", path])
    return json.loads(text).get("backing-filename")


@test
def a_machine_beside_its_original():
    guest, lab, point = Source.get()
    before = guest.host.virsh("dumpxml", guest.name), guest.disk_files()
    folder = folder_of(lab)
    report = recover(lab, point, "--directory", folder, "--rename", "original=second", "--network",
                     "production=bubble", "--start", *CHECKS).expect(0).json
    [machine] = report["machines"]
    equal((machine["name"], machine["original"], machine["state"]), ("second", "original", "running"), "machine")
    equal([check_["passed"] for check_ in machine["checks"]], [True, True], "checks")
    domain = adopted("second")
    expect_sound(domain)
    check(domain.address.startswith("10.78."), f"address: {domain.address}")
    equal((guest.host.virsh("dumpxml", guest.name), guest.disk_files()), before, "the original")
    domain.undefine()


@test
def raw_disks_hold_what_the_point_holds():
    _, lab, point = Source.get()
    folder = folder_of(lab)
    recover(lab, point, "--directory", folder, "--rename", "original=plain", "--network", "production=bubble",
            "--format", "raw").expect(0)
    for target in ("vda", "vdb"):
        path = os.path.join(folder, f"plain-{target}.raw")
        check(same_bytes(path, lab.restored(point, target)), f"{target} differs")
    Site.host.virsh("undefine", "plain")


@test
def everything_in_the_way_is_told_at_once():
    guest, lab, point = Source.get()
    domains = Site.host.virsh("list", "--all", "--name").split()
    result = recover(lab, point, "--directory", "/nowhere/at/all", "--network", "production=gone",
                     "--disk", "vdx").expect(21)
    for word in ("/nowhere/at/all", "domain original", "network gone", "vdx"):
        check(word in result.told(), f"{word} is not told: {result.told()[:400]}")
    folder = folder_of(lab)
    for name in ("third-vda.qcow2", "third-vdb.qcow2.lifeboat-partial"):
        with open(os.path.join(folder, name), "w") as file:
            file.write("mine")
    result = recover(lab, point, "--directory", folder, "--rename", "original=third", "--network",
                     "production=bubble").expect(21)
    for word in ("third-vda.qcow2", "third-vdb.qcow2.lifeboat-partial"):
        check(word in result.told(), f"{word} is not told: {result.told()[:400]}")
    for name in os.listdir(folder):
        with open(os.path.join(folder, name)) as file:
            equal(file.read(), "mine", name)
    equal(sorted(Site.host.virsh("list", "--all", "--name").split()), sorted(domains), "domains")
    report = recover(lab, point, "--directory", folder_of(lab), "--rename", "original=third", "--network",
                     "production=bubble", "--dry-run").expect(0).json
    equal((report["dry_run"], report["obstacles"]), (True, []), "dry run")


@test
def what_fails_leaves_nothing():
    """A domain that libvirt cannot start is taken back with its disks."""
    _, lab, point = Source.get()
    folder = folder_of(lab)
    Site.host.virsh("net-destroy", "bubble")
    try:
        recover(lab, point, "--directory", folder, "--rename", "original=fourth", "--network",
                "production=bubble", "--start").expect(21)
    finally:
        Site.host.virsh("net-start", "bubble")
    expect_gone(folder, "fourth")


@test
def at_once_while_the_server_dies():
    _, lab, point = Source.get()
    folder = folder_of(lab)
    found = {}

    def go():
        found["result"] = recover(lab, point, "--directory", folder, "--rename", "original=fast", "--network",
                                  "production=bubble", "--instant", *CHECKS)
    thread = threading.Thread(target=go)
    thread.start()
    kills = 0
    while thread.is_alive() and kills < 6:
        running = Site.host.attempt(["virsh", "-q", "-c", "qemu:///system", "domstate", "fast"])[1].strip()
        if running == "running":
            code, _ = Site.host.attempt(["pkill", "-KILL", "-f", "nbdkit.*/instant-"])
            kills += code == 0
        time.sleep(2)
    thread.join()
    report = found["result"].expect(0).json
    check(kills > 0, "the server was never killed")
    [machine] = report["machines"]
    check({"started", "ready", "pulled"} <= set(machine["phases"]), f"phases: {machine['phases']}")
    domain = adopted("fast")
    expect_sound(domain)
    for target in ("vda", "vdb"):
        equal(backing(os.path.join(folder, f"fast-{target}.qcow2")), None, f"what {target} still needs")
    domain.records_go_on()
    domain.undefine()


@test
def a_session_goes_on_after_its_process_was_killed():
    _, lab, point = Source.get()
    folder = folder_of(lab)
    process = lab.start("recover", point, "--recovery-key-file", lab.recovery, "--directory", folder,
                        "--rename", "original=held", "--network", "production=bubble", "--instant")
    wait_until(lambda: Site.host.attempt(["virsh", "-q", "-c", "qemu:///system", "domstate", "held"])[1].strip()
               == "running", 120, "the start of held")
    lab.host.kill_program(process, signal.SIGKILL)
    process.wait(30)
    lab.run("recover", "--resume-session", "", "--recovery-key-file", lab.recovery, *CHECKS, timeout=600).expect(0)
    domain = adopted("held")
    expect_sound(domain)
    for target in ("vda", "vdb"):
        equal(backing(os.path.join(folder, f"held-{target}.qcow2")), None, f"what {target} still needs")
    domain.undefine()


@test
def a_session_in_the_background():
    """The command returns while the disks are copied; what copies them is killed, and goes on."""
    _, lab, point = Source.get()
    folder = folder_of(lab)
    order = ["--directory", folder, "--rename", "original=aside", "--instant", "--detach"]
    result = recover(lab, point, *order, "--network", "production=gone").expect(21)
    check("network gone" in result.told(), f"{result.told()[:300]}")
    equal(sessions(lab), [], "sessions")
    begun = recover(lab, point, *order, "--network", "production=bubble").expect(0).json
    equal((state_of("aside"), begun["machines"]), ("running", ["aside"]), "machines")
    [session] = sessions(lab)
    equal((session["session"], session["keeper"], session["state"], session["machines"][0]["state"]),
          (begun["session"], begun["keeper"], "kept", "running"), "session")
    equal([disk["whole"] for disk in session["machines"][0]["disks"]], [False, False], "disks")
    Site.host.run(["kill", "-KILL", begun["keeper"]])
    wait_until(lambda: sessions(lab)[0]["state"] == "abandoned", 10, "the session's state")
    again = lab.run("recover", "--resume-session", "", "--detach", *CHECKS, "--recovery-key-file",
                    lab.recovery).expect(0).json
    equal(again["session"], begun["session"], "session")
    equal(sessions(lab)[0]["keeper"], again["keeper"], "keeper")
    wait_until(lambda: sessions(lab) == [], 240, "the end of the session")

    def report():
        return json.loads(bytes_of(again["log"]).splitlines()[-1])
    wait_until(lambda: bytes_of(again["log"]).endswith(b"}\n"), 30, "the keeper's report")
    [machine] = report()["machines"]
    equal([check_["passed"] for check_ in machine["checks"]], [True, True], "checks")
    for target in ("vda", "vdb"):
        equal(backing(os.path.join(folder, f"aside-{target}.qcow2")), None, f"what {target} still needs")
    domain = adopted("aside")
    expect_sound(domain)
    domain.undefine()


@test
def one_of_several_fails():
    """A machine that cannot be started does not keep the others from coming back, or from being told."""
    host = host_alone()
    lab = MachineLab(host)
    domains = [plain(host, "first"), plain(host, "second", unit="TiB"), plain(host, "third")]
    point = lab.point_of(*domains, machine="group")["point"]
    for domain in domains:
        host.virsh("undefine", domain.name)
    folder = folder_of(lab)
    report = recover(lab, point, "--directory", folder, "--start").expect(3).json
    equal({machine["name"]: machine["state"] for machine in report["machines"]},
          {"first": "running", "second": "failed", "third": "running"}, "states")
    equal([machine["error"] is None for machine in report["machines"]], [True, False, True], "errors")
    expect_gone(folder, "second")
    equal(sorted(os.listdir(folder)), ["first-vda.qcow2", "third-vda.qcow2"], "files")
    for domain in (domains[0], domains[2]):
        equal(domain.state(), "running", domain.name)
        domain.undefine()
    # Alone it is an error.
    result = recover(lab, point, "second", "--directory", folder, "--start")
    check(result.code not in (0, 3), f"code: {result.code}")
    expect_gone(folder, "second")


@test
def firmware_and_its_memory():
    """On another host a machine has its UEFI variables and its TPM's state as they were."""
    host = host_alone()
    lab = MachineLab(host)
    variables = host.path("lib", "firm-variables")
    domain = plain(host, "firm", devices=TPM, system=UEFI.format(
        firmware=FIRMWARE, template=TEMPLATE, variables=variables))
    host.virsh("start", "firm")
    # The firmware notes there what it has found.
    wait_until(lambda: bytes_of(variables) != bytes_of(TEMPLATE), 60, "variables that the firmware wrote")
    domain.pause()
    point = lab.point_of(domain)["point"]
    wanted = sum_of(variables)
    uuid = host.virsh("domuuid", "firm").strip()
    state = tree_of(host.path("lib", "swtpm", uuid))
    check("tpm2/tpm2-00.permall" in state, f"the TPM has no state: {list(state)}")
    domain.destroy()
    [other] = run_hosts(Host("other"))
    lab.host = other
    folder = folder_of(lab)
    recover(lab, point, "--directory", folder).expect(0)
    equal(sum_of(os.path.join(folder, "firm-variables.fd")), wanted, "variables")
    equal(tree_of(other.path("lib", "swtpm", uuid)), state, "the TPM's state")
    again = other.adopt("firm")
    other.virsh("start", "firm")
    time.sleep(2)
    equal(again.state(), "running", "state")
    [nvram] = again.xml().iter("nvram")
    equal(nvram.text, os.path.join(folder, "firm-variables.fd"), "the variables' file")
    again.undefine()
    host.virsh("undefine", "firm", "--nvram", "--checkpoints-metadata")


@test
def disks_are_rolled_back_in_place():
    _, lab, point = Source.get()
    folder = folder_of(lab)
    names = ["--rename", "original=back"]
    recover(lab, point, "--directory", folder, *names, "--network", "production=bubble", "--start",
            *CHECKS).expect(0)
    domain = adopted("back")
    domain.call("echo after >/data/public/mark; dd if=/dev/urandom of=/data/more bs=1M count=4 2>/dev/null; sync")
    result = recover(lab, point, *names, "--in-place").expect(21)
    check("it runs" in result.told(), f"{result.told()[:300]}")
    domain.shut_down()
    report = recover(lab, point, *names, "--in-place").expect(0).json
    [machine] = report["machines"]
    for volume in machine["volumes"]:
        check(volume["bytes_written"] < volume["size"] // 2, f"written: {volume}")
        check(volume["bytes_matching"] > 0, f"matching: {volume}")
        disk = domain.read_disk(volume["name"][-3:], lab.path("disk"))
        check(same_bytes(disk, lab.restored(point, volume["name"])), f"{volume['name']} differs")
        os.unlink(disk)
    domain.start(wait=False)
    expect_sound(adopted("back"))
    domain.undefine()


main()
