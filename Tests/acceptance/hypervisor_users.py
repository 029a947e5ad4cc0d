"""A hypervisor that runs guests as a user of its own, and gives them their disks, as Debian's does."""
from machine_labs import *


@test
def backed_up_and_brought_back():
    Site.host, = run_hosts(Host("host", networks=("production", "bubble"), user="libvirt-qemu", group="kvm"))
    guest = Site.guest("guest")
    process = guest.host.read_pid(f"/run/libvirt/qemu/{guest.name}.pid")
    check(guest.host.run(["stat", "-c", "%U", f"/proc/{process}"]).split() == [b"libvirt-qemu"], "QEMU's user")
    lab = MachineLab(Site.host)
    os.chmod(lab.root, 0o711)
    os.chmod(lab.scratch, 0o711)
    guest.call("echo before >/data/public/mark; sync")
    expect_methods(lab.exact_point(guest), vda="full", vdb="full")
    guest.write_noise(1)
    expect_methods(lab.exact_point(guest), vda="hint", vdb="hint")
    report = lab.point_of(guest, options=("--quiesce", "require"))
    equal(report["consistency"], "filesystem", "level")
    guest.shut_down()
    report = lab.protect(guest).expect(0).json
    expect_methods(report, vda="hint", vdb="hint")
    lab.expect_exact(report, guest)
    folder = lab.path("machines")
    os.makedirs(folder, 0o711)
    for name, options in (("second", ()), ("fast", ("--instant",))):
        result = lab.run("recover", report["point"], "--to", "libvirt", "--recovery-key-file", lab.recovery,
                         "--directory", folder, "--rename", f"guest={name}", "--network",
                         "production=bubble", "--start", "--check", "agent", *options, timeout=600)
        [machine] = result.expect(0).json["machines"]
        equal([check_["passed"] for check_ in machine["checks"]], [True], "checks")
        domain = Site.host.adopt(name)
        mark = domain.execute("cat /data/public/mark").strip()
        equal(mark, "before", "mark")
        domain.undefine()


main()
