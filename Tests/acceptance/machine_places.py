"""Where disks and definitions are: storage pools, block devices, domains that give way, and odd machines.

No guest here has a system of its own: what is compared is bytes and definitions.
"""
import time

from machine_labs import *

NETWORK_DISK = """<disk type='network' device='disk'><driver name='qemu' type='raw'/>
  <source protocol='rbd' name='pool/image'><host name='ceph.invalid' port='6789'/></source>
  <target dev='vda' bus='virtio'/></disk>"""
BLOCK_DISK = """<disk type='block' device='disk'><driver name='qemu' type='raw'/><source dev='{path}'/>
  <target dev='vda' bus='virtio'/></disk>"""
POOL_DISK = """<disk type='volume' device='disk'><driver name='qemu' type='qcow2'/>
  <source pool='{pool}' volume='{volume}'/><target dev='vda' bus='virtio'/></disk>"""
DRIVE = "<disk type='file' device='cdrom'><target dev='sda' bus='ide'/><readonly/></disk>"
DEVICES_POOL = "<pool type='mpath'><name>devices</name><target><path>/dev/mapper</path></target></pool>"
# What QEMU reads when it starts, and cannot start without.
NEEDED_FILE = "<sysinfo type='fwcfg'><entry name='opt/needed' file='{path}'/></sysinfo>"


def begin(name, **options):
    """A machine that is shut off, and a lab with a point of it."""
    host = host_alone()
    lab = MachineLab(host)
    domain = plain(host, name, **options)
    lab.cleanups.append(lambda: remove(host, name))
    return host, lab, domain, lab.point_of(domain)["point"]


def remove(host, name):
    for words in (["destroy", name], ["managedsave-remove", name],
                  ["undefine", name, "--nvram", "--checkpoints-metadata", "--snapshots-metadata"]):
        host.attempt(["virsh", "-q", "-c", "qemu:///system", *words])


def expect_refused(result, *words):
    result.expect(21)
    for word in words:
        check(word in result.told(), f"{word} is not told: {result.told()[:600]}")
    check("nothing was touched" in result.told(), f"{result.told()[:300]}")


def pool(host, lab, name):
    """A new storage pool; its folder."""
    folder = lab.path(f"pool-{name}")
    os.makedirs(folder)
    host.virsh("pool-define-as", name, "dir", "--target", folder)
    host.virsh("pool-start", name)
    lab.cleanups.append(lambda: [host.attempt(["virsh", "-q", "-c", "qemu:///system", verb, name])
                                 for verb in ("pool-destroy", "pool-undefine")])
    return folder


def volumes(host, name):
    return sorted(line.split()[0] for line in host.virsh("vol-list", name).splitlines() if line.strip())


def raw_copy(lab, path):
    target = lab.path(f"raw-{random.getrandbits(32):x}")
    run_tool(["qemu-img", "convert", "-U", "-O", "raw", path, target])
    return target


def findings_of(lab, name):
    """What `doctor` says of a machine, and its exit code."""
    result = lab.run("doctor", name, needs_repository=False).expect(0, 3)
    return [finding for finding in result.json["findings"] if finding["machine"] == name], result.code


def expect_finding(lab, name, severity, *words):
    found, code = findings_of(lab, name)
    fitting = [finding for finding in found if finding["severity"] == severity
               and all(word in f"{finding['message']} {finding['advice']}" for word in words)]
    check(fitting, f"{name}: no {severity} with {words} in {found}")
    equal(code, 3 if any(finding["severity"] == "problem" for finding in found) else 0, "exit code")


@test
def into_a_storage_pool():
    host, lab, domain, point = begin("pooled")
    new = ["--rename", "pooled=inpool"]
    folder = pool(host, lab, "images")
    expect_refused(recover(lab, point, *new, "--pool", "none"), "no storage pool none", "images")
    host.virsh("pool-destroy", "images")
    # Everything at once.
    expect_refused(recover(lab, point, "--pool", "images", "--disk", "vdx"), "images is not active",
                   "domain pooled exists", "no disk vdx")
    host.virsh("pool-start", "images")
    # Its folder is there and would take files; they would be in memory.
    host.virsh("pool-create", host.write("devices.xml", DEVICES_POOL))
    lab.cleanups.append(lambda: host.attempt(["virsh", "-c", "qemu:///system", "pool-destroy", "devices"]))
    before = os.listdir("/dev/mapper")
    expect_refused(recover(lab, point, *new, "--pool", "devices"), "mpath")
    equal(os.listdir("/dev/mapper"), before, "/dev/mapper")
    small = pool(host, lab, "small")
    host.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", small])
    lab.cleanups.append(lambda: host.attempt(["umount", "--lazy", small]))
    host.virsh("pool-refresh", "small")
    expect_refused(recover(lab, point, *new, "--pool", "small"), small, "left, and the disks need")
    gone = pool(host, lab, "gone")
    os.rmdir(gone)
    expect_refused(recover(lab, point, *new, "--pool", "gone"), gone, "is not there")
    equal((os.listdir(folder), host.run(["ls", small])), ([], b""), "files")

    recover(lab, point, *new, "--pool", "images", "--start").expect(0)
    made = host.adopt("inpool")
    lab.cleanups.append(lambda: remove(host, "inpool"))
    equal(made.disk_files(), {"vda": os.path.join(folder, "inpool-vda.qcow2")}, "disks")
    equal(volumes(host, "images"), ["inpool-vda.qcow2"], "volumes")
    check(same_bytes(raw_copy(lab, made.disk_files()["vda"]), lab.restored(point, "vda")), "vda differs")

    # A disk that is named as the pool's volume: at work, at rest, and rolled back.
    made.undefine()
    plain(host, "inpool", disk=POOL_DISK.format(pool="images", volume="inpool-vda.qcow2"))
    host.virsh("start", "inpool")
    first = lab.point_of(made)["point"]
    made.destroy()
    expect_methods(lab.protect(made).expect(0).json, vda="hint")
    run_tool(["qemu-io", "-f", "qcow2", "-c", "write -P 9 3M 1M", os.path.join(folder, "inpool-vda.qcow2")])
    recover(lab, first, "--in-place").expect(0)
    check(same_bytes(raw_copy(lab, os.path.join(folder, "inpool-vda.qcow2")), lab.restored(first, "vda")),
          "vda differs after it was rolled back")
    expect_finding(lab, "inpool", "good", "vda can be read incrementally")
    host.virsh("pool-destroy", "images")
    expect_finding(lab, "inpool", "problem", "vda", "pool-list")


@test
def what_fails_leaves_nothing_in_the_pool():
    host, lab, domain, point = begin("large", unit="TiB")
    folder = pool(host, lab, "images")
    result = recover(lab, point, "--rename", "large=larger", "--pool", "images", "--start")
    check(result.code not in (0, 3), f"code: {result.code}")
    equal((os.listdir(folder), volumes(host, "images")), ([], []), "files and volumes")
    check("larger" not in host.virsh("list", "--all", "--name").split(), "the domain is left")


class Standing:
    """All there is of a domain that is not to be touched."""

    def __init__(self, lab, domain, *folders):
        self.lab, self.domain, self.folders = lab, domain, folders
        self.before = self.look()

    def look(self):
        host, name = self.domain.host, self.domain.name
        return (host.virsh("dumpxml", "--inactive", "--security-info", name), self.domain.checkpoints(),
                host.virsh("snapshot-list", name, "--name").split(), [tree_of(path) for path in self.folders])

    def expect(self):
        now = self.look()
        for what, old, new in zip(("definition", "checkpoints", "snapshots", "files"), self.before, now):
            equal(new, old, what)


@test
def a_domain_gives_way():
    """To one with UEFI variables and a TPM; where that fails it is as it was."""
    host = host_alone()
    needed = host.write("needed", "text")
    os.makedirs(host.path("disks", "worn"))
    variables = host.path("disks", "worn", "variables")
    host, lab, domain, _ = begin("worn", devices=TPM, more=NEEDED_FILE.format(path=needed), system=UEFI.format(
        firmware=FIRMWARE, template=TEMPLATE, variables=variables))
    host.virsh("start", "worn")
    wait_until(lambda: bytes_of(variables) != bytes_of(TEMPLATE), 60, "variables that the firmware wrote")
    uuid = host.virsh("domuuid", "worn").strip()
    state = host.path("lib", "swtpm", uuid)
    domain.pause()
    point = lab.point_of(domain)["point"]
    then = sum_of(variables), tree_of(state)
    folder = folder_of(lab)
    gives_way = ["--directory", folder, "--replace", "--start"]
    expect_refused(recover(lab, point, *gives_way), "domain worn runs")
    domain.resume()
    time.sleep(1)
    domain.destroy()
    # What is here is not what the point holds.
    with open(variables, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"Z")
    with open(os.path.join(state, "tpm2", "mark"), "w") as file:
        file.write("later")
    check(domain.checkpoints(), "the backup has left no checkpoint")
    standing = Standing(lab, domain, host.path("disks", "worn"), state)

    expect_refused(recover(lab, point, "--directory", folder), "domain worn exists", "--replace")
    recover(lab, point, *gives_way, "--dry-run").expect(0)
    standing.expect()
    os.unlink(needed)
    result = recover(lab, point, *gives_way)
    check(result.code not in (0, 3) and "needed" in result.told(), f"{result.code}: {result.told()[:400]}")
    # Its records of changes are known to the disks, though no longer to libvirt.
    standing.before = (standing.before[0], [], *standing.before[2:])
    standing.expect()
    equal((os.listdir(folder), os.listdir(os.path.dirname(state))), ([], [uuid]), "files")
    host.write("needed", "text")
    host.virsh("start", "worn")
    equal(domain.state(), "running", "the old domain")
    expect_methods(lab.point_of(domain), vda="hint")
    domain.destroy()

    standing = Standing(lab, domain, host.path("disks", "worn"), state)
    [machine] = recover(lab, point, *gives_way[:-1]).expect(0).json["machines"]
    kept = os.path.join(folder, "worn-replaced.xml")
    check(any(kept in note for note in machine["warnings"]), f"notes: {machine['warnings']}")
    equal(bytes_of(kept).decode().strip(), standing.before[0].strip(), "the definition that was kept")
    equal((host.virsh("domuuid", "worn").strip(), domain.checkpoints()), (uuid, []), "UUID, checkpoints")
    equal(domain.disk_files(), {"vda": os.path.join(folder, "worn-vda.qcow2")}, "disks")
    equal((sum_of(os.path.join(folder, "worn-variables.fd")), tree_of(state)), then, "variables, TPM")
    equal([tree_of(host.path("disks", "worn")), tree_of(state + ".replaced")], standing.before[3], "old files")
    host.virsh("start", "worn")
    lab.point_of(domain)
    domain.destroy()
    expect_refused(recover(lab, point, *gives_way), kept, "worn-vda.qcow2", uuid + ".replaced")

    # A TPM's state that a domain left is in the way, and told before anything is written.
    host.virsh("undefine", "worn", "--nvram", "--checkpoints-metadata", "--keep-tpm")
    empty = folder_of(lab)
    expect_refused(recover(lab, point, "--directory", empty), "/swtpm/" + uuid)
    equal(os.listdir(empty), [], "files")


@test
def what_a_domain_does_not_give_way_with():
    """Saved memory and snapshots belong to its old disks."""
    host, lab, domain, point = begin("bound")
    folder = folder_of(lab)
    gives_way = ["--directory", folder, "--replace"]
    host.virsh("snapshot-create-as", "bound", "calm")
    host.virsh("start", "bound")
    host.virsh("managedsave", "bound")
    standing = Standing(lab, domain, host.path("disks", "bound"))
    expect_refused(recover(lab, point, *gives_way), "calm", "snapshot-delete", "managedsave-remove")
    standing.expect()
    expect_finding(lab, "bound", "advice", "memory is saved")
    host.virsh("managedsave-remove", "bound")
    host.virsh("snapshot-delete", "bound", "calm", "--metadata")
    recover(lab, point, *gives_way, "--start").expect(0)
    equal(domain.state(), "running", "state")


@test
def block_devices():
    host = host_alone()
    for seed in seeds(1):
        size = 24 * MIB + 4096
        image = host.path("disks", f"block-{seed}")
        make_image(image, size, seed)
        # Devices of the suite, not of a lab: they are in use until the domain is gone.
        holder = Lab(init=False)
        device = attach_loop(holder, image)
        host, lab, domain, first = begin("block", disk=BLOCK_DISK.format(path=device))

        def written():
            subprocess.run(["blockdev", "--flushbufs", device], check=True)
            return digest(image)
        whole = written()
        equal(lab.restored_digest(first, "--volume", "vda", recovery=lab.recovery)[0], whole, "first point")
        # Nothing keeps a record of changes: all of it is read each time.
        host.virsh("start", "block")
        report = lab.point_of(domain)
        equal((volume_of(report, "vda")["bytes_read"], volume_of(report, "vda")["bytes_new"]), (size, 0), "read")
        domain.destroy()
        after = shutil.copyfile(image, lab.path("after"))
        change_image(after, seed)
        with open(device, "r+b") as file:
            file.write(bytes_of(after))
        changed = written()
        check(changed != whole, "nothing was changed")
        report = lab.protect(domain).expect(0).json
        equal(lab.restored_digest(report["point"], "--volume", "vda", recovery=lab.recovery)[0], changed, "second")
        expect_finding(lab, "block", "advice", "track block vda --metadata /")

        # Anew its disks are files.
        folder = folder_of(lab)
        for form in ("qcow2", "raw"):
            new = host.adopt(f"file-{form}")
            recover(lab, first, "--directory", folder, "--rename", f"block={new.name}", "--format", form).expect(0)
            equal(new.disk_files(), {"vda": os.path.join(folder, f"{new.name}-vda.{form}")}, "disks")
            equal(digest(raw_copy(lab, new.disk_files()["vda"]) if form == "qcow2" else new.disk_files()["vda"]),
                  whole, form)
            host.virsh("start", new.name)
            new.undefine()
        equal(written(), changed, "the device meanwhile")

        # In place the device is what the point holds, whatever a guest has written to look like.
        look = lab.path("look")
        run_tool(["qemu-img", "create", "-q", "-f", "qcow2", look, "1G"])
        with open(device, "r+b") as file:
            file.write(bytes_of(look))
        host.virsh("start", "block")
        expect_refused(recover(lab, first, "--in-place"), "it runs")
        domain.destroy()
        [volume] = recover(lab, first, "--in-place").expect(0).json["machines"][0]["volumes"]
        equal(written(), whole, "the device")
        check(0 < volume["bytes_written"] < size // 2, f"written: {volume}")

        # Tracked, it is still the device that is rolled back.
        metadata = lab.path("block.qcow2")
        lab.run("machines", "track", "block", "vda", "--metadata", metadata, needs_repository=False).expect(0)
        lab.protect(domain).expect(0)
        expect_methods(lab.protect(domain).expect(0).json, vda="hint")
        recover(lab, report["point"], "--in-place").expect(0)
        equal(written(), changed, "the tracked device")
        lab.run("machines", "untrack", "block", "vda", needs_repository=False).expect(0)

        other = attach_loop(holder, holder.write("other", bytes(size + MIB)))
        remove(host, "block")
        plain(host, "block", disk=BLOCK_DISK.format(path=other))
        expect_refused(recover(lab, first, "--in-place"), str(size), str(size + MIB))
        equal(digest(holder.path("other")), digest_of(bytes(size + MIB)), "a device of another size")
        remove(host, "block")


@test
def odd_machines():
    """What `machines`, `doctor` and `backup` say of them, and that what is said to help does."""
    host = host_alone()
    lab = MachineLab(host)
    spaced = "web server – Köln"
    made = [plain(host, "remote", disk=NETWORK_DISK), plain(host, "empty", disk=DRIVE), plain(host, spaced),
            plain(host, "paused"), plain(host, "lost", disk=BLOCK_DISK.format(path="/dev/not-here"))]
    for domain in made:
        lab.cleanups.append(lambda name=domain.name: remove(host, name))
    plain(host, "passing")
    host.virsh("undefine", "passing")
    host.virsh("create", host.path("plain.xml"))
    lab.cleanups.append(lambda: remove(host, "passing"))
    host.virsh("start", "paused", "--paused")
    found = {machine["machine"]: machine
             for machine in lab.run("machines", needs_repository=False).expect(0).json["machines"]}
    expected = {"remote": "shut-off", "empty": "shut-off", spaced: "shut-off", "paused": "paused",
                "lost": "shut-off", "passing": "running"}
    equal({name: found[name]["state"] for name in expected}, expected, "states")
    equal({found[name]["level"] for name in expected}, {"crash"}, "levels")
    equal((found["passing"]["persistent"], found["paused"]["persistent"]), (False, True), "lasting")
    equal(found[spaced]["source"], f"'libvirt:{spaced}'", "what to write")

    expect_finding(lab, "remote", "problem", "network storage", "--exclude-disk vda")
    expect_finding(lab, "lost", "problem", "/dev/not-here", "--exclude-disk vda")
    expect_finding(lab, "empty", "advice", "its definition only")
    expect_finding(lab, "passing", "advice", "no lasting definition")
    check(not [one for one in findings_of(lab, "empty")[0] if one["check"] == "agent"], "an agent for no disk")

    # The words are those that a shell takes.
    words = found[spaced]["source"]
    line = " ".join(["exec", PROGRAM, "backup", words, "--key-file", lab.key, "--repo", lab.repo,
                     "--scratch-directory", lab.scratch, "--json"])
    process = subprocess.run([*host.prefix(), "sh", "-c", line], env=lab.environment(), capture_output=True)
    equal(process.returncode, 0, f"backup of it: {process.stderr[-300:]!r}")
    for name in ("remote", "lost"):
        result = lab.run("backup", f"libvirt:{name}", *lab.secret)
        check(result.code not in (0, 3), f"{name}: {result.code}")
        lab.run("backup", f"libvirt:{name}", "--exclude-disk", "vda", *lab.secret).expect(0)
    for name in ("empty", "passing", "paused"):
        lab.point_of(host.adopt(name))

    # `latest` is that of the machines that are named.
    folder = folder_of(lab)
    report = recover(lab, "latest", spaced, "--directory", folder, "--rename", f"{spaced}=plain").expect(0).json
    equal(report["machines"][0]["original"], spaced, "machine")
    remove(host, "plain")
    recover(lab, "latest", "passing", "--directory", folder, "--rename", "passing=staying").expect(0)
    check("staying" in host.virsh("list", "--all", "--persistent", "--name"), "it does not last")
    remove(host, "staying")
    result = recover(lab, "latest", "--directory", folder)
    check(result.code == 21 and "latest of which machine" in result.told(), result.told()[:300])


main()
