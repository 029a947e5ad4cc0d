"""Raw disks that are made trackable: only what changed is read, and the raw file holds all of it."""
from machine_labs import *


def begin():
    domain = Site.guest("guest", raw=("vdb",))
    forget_checkpoints(domain)
    return domain, MachineLab(Site.host)


def track(lab, domain, *options, verb="track"):
    return lab.run("machines", verb, domain.name, "vdb", *options, needs_repository=False)


def expect_refused(result, *words):
    check(result.code not in (0, 3), f"not refused: {result.told()[:300]}")
    for word in words:
        check(word in result.told(), f"{word} is not in {result.told()[:300]}")
    check(result.error.get("advice"), f"no advice: {result.error}")


@test
def there_and_back():
    guest, lab = begin()
    raw = guest.disk_files()["vdb"]
    metadata = raw + ".lifeboat.qcow2"
    expect_refused(track(lab, guest), "runs")
    guest.shut_down()
    before = Site.host.virsh("dumpxml", guest.name, "--inactive")
    expect_refused(track(lab, guest, verb="untrack"), "track")
    # What is in the way stays, and nothing else is changed.
    with open(metadata, "w") as file:
        file.write("somebody's")
    expect_refused(track(lab, guest), "already")
    with open(metadata) as file:
        equal(file.read(), "somebody's", "the file in the way")
    os.unlink(metadata)
    equal(Site.host.virsh("dumpxml", guest.name, "--inactive"), before, "the definition")
    result = track(lab, guest).expect(0).json
    equal((result["metadata"], result["data"], result["tracked"]), (metadata, raw, True), "result")
    equal(guest.disk_files()["vdb"], metadata, "the disk")
    expect_refused(track(lab, guest), "already")
    listed = lab.run("machines", needs_repository=False).expect(0).json["machines"]
    [disk] = [disk for disk in listed[0]["disks"] if disk["disk"] == "vdb"]
    equal(disk["incremental"], True, "what machines says")
    # Shut off, running, shut off again.
    expect_methods(lab.protect(guest).expect(0).json, vda="full", vdb="full")
    guest.start()
    guest.write_noise(2)
    report = lab.exact_point(guest)
    expect_methods(report, vda="hint", vdb="hint")
    check(volume_of(report, "vdb")["bytes_read"] < 16 * MIB, f"{volume_of(report, 'vdb')}")
    guest.shut_down()
    report = lab.protect(guest).expect(0).json
    expect_methods(report, vda="hint", vdb="hint")
    restored = lab.restored(report["point"], "vdb")
    check(same_bytes(restored, raw), "the raw file is not what was restored")
    result = track(lab, guest, verb="untrack").expect(0).json
    equal(result["tracked"], False, "tracked")
    check(not os.path.exists(metadata), "the metadata file is left")
    equal(guest.disk_files()["vdb"], raw, "the disk")
    equal(Site.host.virsh("dumpxml", guest.name, "--inactive"), before, "the definition")
    report = lab.protect(guest).expect(0).json
    check(volume_of(report, "vdb")["method"] != "hint", "a raw disk was read by a record of changes")
    lab.expect_exact(report, guest)


main()
