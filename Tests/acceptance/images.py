"""Images, exports, and storages whose snapshots are made by the user's own programs."""
import signal
import time

from harness import *

FORMATS = ("qcow2", "vmdk", "vhdx", "vdi")


def tool(*command, timeout=60):
    """Runs a tool to its end; what it printed."""
    result = subprocess.run(command, capture_output=True, text=True, timeout=timeout,
                            stdin=subprocess.DEVNULL)
    check(result.returncode == 0, f"{' '.join(command[:4])}: {result.returncode}: {result.stderr[-300:]}")
    return result.stdout


def wait_for(condition, what, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end, f"{what}: not within {seconds} s")
        time.sleep(0.02)


def image_of(lab, raw, form, name=None):
    path = lab.path(name or f"disk.{form}")
    tool("qemu-img", "convert", "-f", "raw", "-O", form, raw, path)
    return path


def expect_same(one, other, formats=("raw", "raw")):
    tool("qemu-img", "compare", "-f", formats[0], "-F", formats[1], one, other)


def write_into(path, offset, length, pattern):
    tool("qemu-io", "-c", f"write -P {pattern} {offset} {length}", path)


def serve(lab, path, *options):
    """An export of a file; its URI."""
    socket, pid = lab.path(f"nbd{len(lab.cleanups)}"), lab.path(f"pid{len(lab.cleanups)}")
    process = subprocess.Popen(["nbdkit", "-f", "-U", socket, "-P", pid, *options, "file", path],
                               stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def end():
        process.kill()
        process.wait(30)
    lab.cleanups.append(end)
    wait_for(lambda: os.path.exists(pid), "nbdkit")
    return f"nbd+unix:///?socket={socket}"


@test
def images_and_an_export_in_one_point():
    lab = Lab()
    raw = {form: make_image(lab.path(f"{form}.raw"), 24 * MIB, number)
           for number, form in enumerate((*FORMATS, "data"))}
    paths = {form: image_of(lab, raw[form], form) for form in FORMATS[1:]}
    # A chain of two: the upper image has what was written later.
    base = image_of(lab, raw["qcow2"], "qcow2", "base.qcow2")
    paths["qcow2"] = lab.path("disk.qcow2")
    tool("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, paths["qcow2"])
    uri = serve(lab, raw["data"], "--readonly")
    volumes = [f"root={paths['qcow2']}", f"data={uri}", *(f"{form}={paths[form]}" for form in FORMATS[1:])]
    names = {"root": "qcow2", "data": "data", **{form: form for form in FORMATS[1:]}}
    for round in range(2):
        report = lab.backup(*volumes).expect(0).json
        read = {volume["name"]: volume["bytes_read"] for volume in report["volumes"]}
        check(max(read["root"], read["data"]) < 24 * MIB, f"what is zero was read: {read}")
        for name, key in names.items():
            target = lab.path("restored")
            lab.restore(report["point"], target, "--volume", name).expect(0)
            equal(digest(target), digest(raw[key]), f"{name} of point {round}")
            os.unlink(target)
        if round == 1:
            check(sum(volume["bytes_stored"] for volume in report["volumes"]) < 4 * MIB,
                  "what was stored is stored again")
            break
        for form in FORMATS:
            write_into(paths[form], 5 * MIB, 300 * KIB, 17)
            with open(raw[form], "r+b") as file:
                file.seek(5 * MIB)
                file.write(b"\x11" * (300 * KIB))
    # Several volumes into a directory: those whose names end as images' do become images.
    report = lab.backup(*(paths[form] for form in FORMATS), f"raw={raw['data']}").expect(0).json
    folder = lab.path("folder")
    lab.restore(report["point"], folder).expect(0)
    equal(sorted(os.listdir(folder)), sorted([*(f"disk.{form}" for form in FORMATS), "raw"]), "names")
    for form in FORMATS:
        path = os.path.join(folder, f"disk.{form}")
        equal(json.loads(tool("qemu-img", "info", "--output=json", path))["format"], form, "format")
        expect_same(path, raw[form], (form, "raw"))
    equal(digest(os.path.join(folder, "raw")), digest(raw["data"]), "the file")
    check(not json.loads(tool("qemu-img", "info", "--output=json", os.path.join(folder, "disk.qcow2")))
          .get("backing-filename"), "a restored image depends on another one")


@test
def images_as_targets():
    lab = Lab()
    raw = make_image(lab.path("raw"), 24 * MIB, 9)
    point = lab.backup(f"disk={raw}").expect(0).json["point"]
    for form in FORMATS:
        target = lab.path(f"new.{form}")
        lab.restore(point, target).expect(0)
        expect_same(target, raw, (form, "raw"))
        before = digest(target)
        lab.restore(point, target).expect(14)
        equal(digest(target), before, "an image that exists")
        write_into(target, 3 * MIB, MIB, 5)
        lab.restore(point, target, "--in-place").expect(0)
        expect_same(target, raw, (form, "raw"))
        check(not os.path.exists(target + ".lifeboat-partial"), "the partial image is still there")
    small = lab.path("small.qcow2")
    tool("qemu-img", "create", "-q", "-f", "qcow2", small, "8M")
    result = lab.restore(point, small, "--in-place").expect(21)
    check("resize" in result.told(), f"no advice: {result.told()[:300]}")
    # An export with something in it.
    other = make_image(lab.path("other"), 24 * MIB, 10)
    uri = serve(lab, other)
    lab.restore(point, uri).expect(14, 21)
    lab.restore(point, uri, "--in-place").expect(0)
    equal(digest(other), digest(raw), "what the export holds")


@test
def images_that_are_none_or_in_use():
    lab = Lab()
    raw = make_image(lab.path("raw"), 4 * MIB, 3)
    path = image_of(lab, raw, "qcow2")
    points = len(lab.points())
    wrong = lab.path("wrong.vmdk")
    os.link(path, wrong)
    check("vmdk" in lab.backup(f"disk={wrong}").expect(21, 23, 24).told(), "nothing is said of the format")
    server = subprocess.Popen(["qemu-nbd", "--persistent", "--socket", lab.path("lock"), "--format", "qcow2",
                               path], stdin=subprocess.DEVNULL)
    try:
        wait_for(lambda: os.path.exists(lab.path("lock")), "qemu-nbd")
        result = lab.backup(f"disk={path}")
        check(result.code in (11, 21, 23), f"an image that is in use: {result.code} {result.told()[:300]}")
    finally:
        server.kill()
        server.wait(30)
    equal(len(lab.points()), points, "points")
    point = lab.backup(f"disk={path}").expect(0).json["point"]
    lab.expect_restores({point: digest(raw)})
    # Without its ending an image is the bytes that it has, and a warning says so.
    os.rename(path, lab.path("disk.img"))
    result = lab.backup(f"disk={lab.path('disk.img')}").expect(0)
    check("qcow2" in result.told(), f"no warning: {result.told()[:300]}")
    lab.expect_restores({result.json["point"]: digest(lab.path("disk.img"))})


# Storages by programs.


def mount(lab, device, name):
    place = lab.path(name)
    os.makedirs(place)
    tool("mount", device, place)
    lab.cleanups.append(lambda: subprocess.run(["umount", "--lazy", place], capture_output=True))
    return place


class Storage:
    """A file system with reflinks, and programs that make snapshots of images in it."""

    def __init__(self, lab):
        self.lab = lab
        device = loop_device(lab, 400 * MIB, "pool.img")
        tool("mkfs.btrfs", "-q", device)
        self.pool = mount(lab, device, "pool")
        self.images = {name: make_image(f"{self.pool}/{name}.img", 8 * MIB, number)
                       for number, name in enumerate(("home", "mail"))}
        self.scripts = {
            "pre-snapshot": "", "thaw": "",
            "snapshot": 'for v in $LIFEBOAT_VOLUMES; do cp --reflink=always "$POOL/$v.img" "$POOL/.$v"; done',
            "path": 'for v in $LIFEBOAT_VOLUMES; do echo "$v=$POOL/.$v"; done',
            "release": 'for v in $LIFEBOAT_VOLUMES; do rm -f "$POOL/.$v"; done'}

    def source(self, freeze="", **scripts):
        """The storage with other programs than usual: `pre_snapshot`, `snapshot` and so on."""
        lines = ["machine: files", f"volumes: [{', '.join(self.images)}]", freeze]
        for name, script in self.scripts.items():
            script = scripts.get(name.replace("-", "_"), script)
            path = self.lab.write(f"{name}.sh", (
                f"echo {name} $LIFEBOAT_MACHINE $LIFEBOAT_SNAPSHOT >>{self.lab.path('calls')}\n"
                f"set -e\nPOOL={self.pool}\n{script}\n").encode())
            lines.append(f"{name}: {{run: [/bin/sh, {path}], timeout: 20}}")
        self.lab.write("calls", b"")
        return "dir-hooks:" + self.lab.write("hooks.yaml", "\n".join(lines).encode())

    def backup(self, *options, freeze="", **scripts):
        return self.lab.run("backup", self.source(freeze, **scripts), *options, *self.lab.secret)

    def calls(self):
        with open(self.lab.path("calls")) as file:
            return [line.split()[0] for line in file]

    def expect_released(self):
        equal([name for name in os.listdir(self.pool) if name.startswith(".")], [], "snapshots")

    def expect_point(self, report, **expected):
        for name, wanted in expected.items():
            target = self.lab.path("restored")
            self.lab.restore(report["point"], target, "--volume", name).expect(0)
            equal(digest(target), wanted, name)
            os.unlink(target)


@test
def snapshots_by_programs():
    check(IS_ROOT, "this test mounts file systems: run it as root")
    lab = Lab()
    storage = Storage(lab)
    steps = ["pre-snapshot", "snapshot", "thaw", "path", "release"]
    for round in range(2):
        before = {name: digest(path) for name, path in storage.images.items()}
        # What is written once the snapshot is there does not come into the point.
        late = "; ".join(f'echo $LIFEBOAT_SNAPSHOT | dd of="$POOL/{name}.img" bs=1 seek=70000 conv=notrunc status=none'
                         for name in storage.images)
        result = storage.backup(path=f"{late}\n{storage.scripts['path']}").expect(0)
        equal(storage.calls(), steps, "programs")
        storage.expect_released()
        report = result.json
        equal((report["machine"], report["consistency"]), ("files", "crash"), "machine and level")
        storage.expect_point(report, **before)
        for name, path in storage.images.items():
            check(digest(path) != before[name], "nothing was written late")
            change_image(path, f"{round} {name}", count=5)
    again = sum(volume["bytes_stored"] for volume in report["volumes"])
    check(again < 6 * MIB, f"stored again: {again}")
    # Failures, each of which is cleaned up after.
    points = len(lab.points())
    for name, expected in (("pre_snapshot", ["pre-snapshot", "thaw", "release"]),
                           ("snapshot", steps[:3] + ["release"]), ("path", steps)):
        result = storage.backup(**{name: storage.scripts[name.replace("_", "-")] + "\nfalse"})
        check(result.code not in (0, 3), f"{name} failed and the backup did not")
        check(name.replace("_", "-") in result.told(), f"{name} is not named: {result.told()[:300]}")
        equal(storage.calls(), expected, f"programs where {name} failed")
        storage.expect_released()
    equal(len(lab.points()), points, "points")
    result = storage.backup(release=storage.scripts["release"] + "\nfalse").expect(0, 3)
    check("release" in result.told() + json.dumps(result.json), "a release that failed is not told")
    # Nothing to freeze, and a policy that requires it.
    result = storage.backup("--quiesce", "require")
    check(result.code not in (0, 3) and "freeze" in result.told(), f"not refused: {result.told()[:300]}")
    storage.expect_released()


class Mounted:
    """A file system in an image of the pool, in which somebody writes records without end."""

    def __init__(self, lab, storage):
        self.path = os.path.join(storage.pool, "live.img")
        with open(self.path, "wb") as file:
            file.truncate(48 * MIB)
        tool("mkfs.ext4", "-q", self.path)
        self.place = mount(lab, attach_loop(lab, self.path), "live")
        storage.images["live"] = self.path
        self.number, self.ended = 0, threading.Event()
        self.thread = threading.Thread(target=self.write)
        self.thread.start()
        lab.cleanups.append(self.end)

    def write(self):
        with open(os.path.join(self.place, "log"), "ab") as file:
            while not self.ended.is_set():
                file.write(b"%d\n" % (self.number + 1))
                file.flush()
                os.fsync(file.fileno())
                self.number += 1
                time.sleep(0.002)

    def end(self):
        self.ended.set()
        self.thread.join(60)

    def goes_on(self, within=15):
        begun = self.number
        wait_for(lambda: self.number > begun + 1, "a thaw", within)


@test
def file_systems_frozen_meanwhile():
    check(IS_ROOT, "this test mounts file systems: run it as root")
    lab = Lab()
    storage = Storage(lab)
    live = Mounted(lab, storage)
    freeze = f"freeze: [{live.place}]\nfreeze-seconds: 10"
    live.goes_on()
    for _ in range(2):
        before = live.number
        report = storage.backup("--quiesce", "require", freeze=freeze).expect(0).json
        equal(report["consistency"], "filesystem", "level")
        live.goes_on()
        target = lab.path("frozen")
        lab.restore(report["point"], target, "--volume", "live").expect(0)
        features = tool("dumpe2fs", "-h", target)
        check("needs_recovery" not in features, "the journal has to be replayed")
        tool("e2fsck", "-fn", target)
        log = tool("debugfs", "-R", "cat /log", target).split()
        equal(log, [str(number) for number in range(1, len(log) + 1)], "records")
        check(len(log) >= before, f"{len(log)} records of {before}")
        os.unlink(target)
    # A snapshot that takes longer than a freeze may: it thaws by itself.
    slow = "sleep 2.5\n" + storage.scripts["snapshot"]
    short = f"freeze: [{live.place}]\nfreeze-seconds: 1"
    report = storage.backup(freeze=short, snapshot=slow).expect(0, 3).json
    equal(report["consistency"], "crash", "level where it thawed by itself")
    check("thawed" in json.dumps(report["machines"]), f"no reason: {report['machines']}")
    live.goes_on()
    points = len(lab.points())
    result = storage.backup("--quiesce", "require", freeze=short, snapshot=slow)
    check(result.code not in (0, 3), "a required freeze that was too short succeeded")
    storage.expect_released()
    equal(len(lab.points()), points, "points")
    # Programs that fail while it is frozen, and a run that is killed.
    check(storage.backup(freeze=freeze, snapshot="exit 1").code not in (0, 3), "a failed snapshot")
    live.goes_on()
    storage.expect_released()
    source = storage.source(f"freeze: [{live.place}]\nfreeze-seconds: 3",
                            snapshot="sleep 60\n" + storage.scripts["snapshot"])
    process = lab.start("backup", source, *lab.secret)
    wait_for(lambda: "snapshot" in storage.calls(), "the snapshot")
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    live.goes_on(30)
    equal(storage.backup(freeze=freeze).expect(0).json["consistency"], "filesystem", "level")
    storage.expect_released()
    live.end()


main()
