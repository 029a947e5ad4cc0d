"""A host is lost with all its guests; another one takes them over, in another network."""
from machine_labs import *

LOST = {}


def prepare():
    """The first host has been lost after its guest was backed up; what is known of the guest."""
    if LOST:
        return LOST
    first, second = Host("first"), Host("second", networks=("production", "bubble"))
    run_hosts(first, second)
    guest = first.domain("web").start()
    lab = MachineLab(first)
    # It is needed after the test that made it.
    Lab.every.remove(lab)
    atexit.register(lab.close)
    lab.point_of(guest)
    guest.write_noise(2)
    sum = guest.call("sha256sum </data/public/more").split()[0]
    report = lab.point_of(guest, options=("--quiesce", "require", "--freeze-hooks"))
    image = lab.restored(report["point"], "vdb")
    LOST.update(lab=lab, second=second, sum=sum, point=report["point"],
                records=check_application(lab, image, quiesced=True))
    os.unlink(image)
    first.lose()
    lab.host = second
    return LOST


def recover(name, network, *options):
    lost = prepare()
    lab, second = lost["lab"], lost["second"]
    folder = second.path("disks", name)
    os.makedirs(folder)
    result = lab.run("recover", lost["point"], "--to", "libvirt:qemu:///system", "--directory", folder,
                     "--rename", f"web={name}", "--network", f"production={network}", "--start", *options,
                     "--recovery-key-file", lab.recovery)
    result.expect(0)
    return second.adopt(name)


def expect_alive(domain):
    lost = prepare()
    wait_until(domain.agent_answers, 240, "the agent")
    # What the point held is there, and the application goes on from it.
    equal(domain.execute("sha256sum </data/public/more").split()[0], lost["sum"], "sum of the guest's file")

    def newest():
        return int(domain.execute("cat /run/number 2>/dev/null || echo 0"))
    wait_until(lambda: newest() > lost["records"], 60, "more records")
    log = domain.execute("cat /data/application/log").splitlines()
    at = log.index(next(line for line in reversed(log) if line.startswith("QUIESCED")))
    equal(log[at - 1].split()[1], str(lost["records"]), "the last record before the point")
    equal(log[at + 1].split()[1], str(lost["records"] + 1), "the first record after it")


@test
def a_host_is_lost():
    domain = recover("restored", "production")
    expect_alive(domain)
    domain.destroy()


@test
def in_another_network():
    domain = recover("apart", "bubble")
    expect_alive(domain)
    equal([source.get("network") for source in domain.xml().iter("source") if source.get("network")],
          ["bubble"], "networks")
    wait_until(lambda: "10.78.0." in domain.execute("ip -4 addr show eth0"), 60, "an address")
    domain.destroy()


main()
