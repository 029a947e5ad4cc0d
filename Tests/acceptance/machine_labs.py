"""What the suites on live machines share: hosts with guests, and labs whose program runs on them."""
import atexit
import os
import re
import sqlite3
import subprocess
import sys
import threading

from harness import *

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from guests.domain import Domain, same_bytes  # noqa: E402
from guests.host import Host  # noqa: E402
from guests.link import Link  # noqa: E402
from servers.process import run as run_tool  # noqa: E402
from servers.process import wait_until  # noqa: E402
from servers.server import start_all, stop_all  # noqa: E402

HOSTS = []
PARTITION_START = MIB
PLAIN = """<domain type='qemu'><name>{name}</name><memory unit='{unit}'>64</memory><vcpu>1</vcpu>
  <os>{system}</os><features><acpi/></features>{more}
  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>{devices}
    {disk}
    <controller type='usb' model='none'/><memballoon model='none'/></devices></domain>"""
BIOS = "<type arch='x86_64' machine='pc'>hvm</type>"
FIRMWARE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
TEMPLATE = "/usr/share/OVMF/OVMF_VARS_4M.fd"
UEFI = """<type arch='x86_64' machine='q35'>hvm</type>
  <loader readonly='yes' type='pflash'>{firmware}</loader><nvram template='{template}'>{variables}</nvram>"""
TPM = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>"
LEVELS = ["none", "crash", "filesystem", "application"]


def run_hosts(*hosts):
    """Starts hosts at once; they run until the suite ends."""
    HOSTS.extend(hosts)
    return start_all(*hosts)


@atexit.register
def end_hosts():
    if HOSTS and Lab.failures:
        for host in HOSTS:
            host.show_logs()
    stop_all(*reversed(HOSTS))
    HOSTS.clear()


class Site:
    """The suite's host and guests, each started when a test first needs it and running from then on."""

    host = None
    lock = threading.Lock()

    @classmethod
    def guest(cls, name="guest", **options):
        with cls.lock:
            if cls.host is None:
                [cls.host] = run_hosts(Host("host"))
            if name not in cls.host.domains:
                cls.host.domain(name, **options).start(wait=False)
        domain = cls.host.domains[name]
        if domain.state() == "shut off":
            domain.start(wait=False)
        try:
            return domain.wait_ready(120)
        except RuntimeError:
            # What another test left of it, when that failed, is not this one's failure.
            domain.destroy()
            return domain.start()


class MachineLab(Lab):
    """A lab whose program runs on a host of guests."""

    def __init__(self, host, **options):
        self.host = host
        super().__init__(**options)
        self.scratch = self.path("scratch")
        os.makedirs(self.scratch)
        self.started = []
        self.cleanups.append(self.end_started)

    def run(self, *arguments, **options):
        return super().run(*arguments, prefix=self.host.prefix(), **options)

    def start(self, *arguments, env=None, **options):
        options.setdefault("stdout", subprocess.DEVNULL)
        options.setdefault("stderr", subprocess.DEVNULL)
        process = self.host.start_process(
            self.command(*arguments), env=self.environment(env), start_new_session=True, **options)
        self.started.append(process)
        return process

    def end_started(self):
        for process in self.started:
            if process.poll() is None:
                self.host.kill_program(process)
                process.wait(30)

    def protect_command(self, *domains, options=(), machine=None):
        names = ["--machine", machine] if machine else []
        return ["backup", *[f"libvirt:{domain.name}" for domain in domains], *names,
                "--scratch-directory", self.scratch, *options, *self.secret]

    def protect(self, *domains, options=(), machine=None, **run):
        """A backup of guests; its result is not looked at."""
        return self.run(*self.protect_command(*domains, options=options, machine=machine), **run)

    def point_of(self, *domains, options=(), machine=None):
        """A backup that succeeds; the report."""
        result = self.protect(*domains, options=options, machine=machine).expect(0)
        for domain in domains:
            expect_nothing_left(self, domain)
        return result.json

    def start_protecting(self, *domains, options=(), machine=None, **start):
        return self.start(*self.protect_command(*domains, options=options, machine=machine), **start)

    def start_held(self, *domains, quiesce="crash", options=(), **start):
        """A backup that a hook stops when its snapshots are started and its guests run; its process."""
        policy = self.write("held.yaml", f"""defaults:
  quiesce: {quiesce}
  hooks:
    - when: after-thaw
      run: [/bin/sh, -c, "kill -STOP $PPID"]
      timeout: 10m
      on-error: ignore
""".encode())
        process = self.start_protecting(*domains, options=("--policy", policy, *options), **start)
        wait_until(lambda: process.poll() is not None or is_stopped(self.host.program_of(process)), 120,
                   "the hook after the thaw")
        check(process.poll() is None, f"exit code {process.returncode} before it could be held")
        return process

    def restored(self, point, volume):
        """A volume of a point in a raw file, which the caller may change."""
        target = self.path(f"restored-{random.getrandbits(64):x}")
        self.restore(point, target, "--volume", volume).expect(0)
        return target

    def expect_exact(self, report, domain, *targets, prefix=""):
        """The point's volumes are what the disks of the guest, which is paused or off, hold."""
        for target in targets or domain.disk_files():
            restored = self.restored(report["point"], prefix + target)
            disk = domain.read_disk(target, self.path("disk"))
            if not same_bytes(restored, disk):
                raise Failure(f"{target} of {report['point'][:12]} differs: {difference(restored, disk)}")
            os.unlink(restored)
            os.unlink(disk)

    def exact_point(self, domain, *targets, options=()):
        """A point of the guest while it is paused, which has to be exact; the report."""
        with domain.paused():
            report = self.protect(domain, options=("--quiesce", "crash", *options)).expect(0).json
            self.expect_exact(report, domain, *targets)
        expect_nothing_left(self, domain)
        return report


def is_stopped(process):
    """Whether a process, if there is one, was stopped by a signal."""
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False


def volume_of(report, name):
    found = [volume for volume in report["volumes"] if volume["name"] == name]
    check(found, f"no volume {name} among {[volume['name'] for volume in report['volumes']]}")
    return found[0]


def machine_of(report, name=None):
    found = [machine for machine in report.get("machines") or []
             if name is None or machine["name"] == name]
    check(found, f"no machine {name or ''} in {str(report.get('machines'))[:200]}")
    return found[0]


def methods(report, *names):
    return {name: volume_of(report, name)["method"] for name in names}


def expect_methods(report, **expected):
    equal(methods(report, *expected), expected, "methods")


def reasons_of(report):
    return " ".join(str(reason) for machine in report["machines"] for reason in machine["reasons"])


def difference(one, other):
    """Where two files begin to differ, and how much does."""
    result = subprocess.run(["cmp", "-l", one, other], capture_output=True, timeout=120)
    lines = result.stdout.splitlines()
    first = int(lines[0].split()[0]) if lines else None
    return (f"{len(lines)} bytes, the first at {first}, sizes {os.path.getsize(one)} and "
            f"{os.path.getsize(other)}")


def ours(names):
    return [name for name in names if name.startswith("lifeboat-")]


def expect_nothing_left(lab, domain):
    """After a run: no job, no scratch file, no socket, and no more than the next run's base."""
    name = domain.name
    if domain.state() == "shut off":
        return
    equal(domain.job(), None, f"job of {name}")
    equal(os.listdir(lab.scratch), [], "scratch directory")
    lines = [re.sub("-[0-9a-f]{16}$", "", checkpoint) for checkpoint in ours(domain.checkpoints())]
    equal(len(lines), len(set(lines)), f"a checkpoint for each line of {name}: {domain.checkpoints()}")
    for target, path in domain.disk_files().items():
        if path.endswith(".raw"):
            continue
        named = sorted(ours(filter(None, domain.bitmaps(target))))
        extra = set(named) - set(domain.checkpoints())
        equal(extra, set(), f"bitmaps without a checkpoint in {target} of {name}")
    sockets = [os.path.join(place, file) for place, _, files in os.walk(lab.host.path("lifeboat"))
               for file in files if file.endswith((".sock", ".socket"))]
    equal(sockets, [], "sockets")


def guardians(host):
    """The guardians that run on a host."""
    _, text = host.attempt(["ps", "-e", "-o", "pid=,args="])
    return [line for line in text.splitlines() if " guardian" in line and "lifeboat" in line]


def expect_no_guardian(lab):
    """After a run that froze: neither its guardian nor that of a run that died, and none of their files.

    One whose run died before it was released watches for a minute."""
    wait_until(lambda: not guardians(lab.host), 100, f"the end of {guardians(lab.host)}")
    equal(os.listdir(lab.host.path("lifeboat")), [], "run directory")


def expect_ended(lab, domain, within=120):
    """After a kill: the job and its scratch files go without another run."""
    wait_until(lambda: not domain.job(), within, f"the end of the job of {domain.name}")
    wait_until(lambda: not [name for _, _, files in os.walk(lab.scratch) for name in files], within,
               f"an empty scratch directory: {os.listdir(lab.scratch)}")


def expect_thawed(domain, within):
    """The guest writes on before the deadline, and its agent says so too where it answers."""
    domain.write_probe(within)
    domain.records_go_on(within)
    if domain.agent and domain.agent_answers():
        equal(domain.ask_agent("guest-fsfreeze-status"), "thawed", f"{domain.name}'s file systems")


def host_alone():
    """The suite's host, whether guests with a system of their own are on it or not."""
    with Site.lock:
        if Site.host is None:
            [Site.host] = run_hosts(Host("host"))
        return Site.host


def plain(host, name, unit="MiB", system=BIOS, devices="", more="", disk=None):
    """A machine without a system of its own, shut off, with a small disk or the one of that XML."""
    if disk is None:
        os.makedirs(host.path("disks", name), exist_ok=True)
        path = host.path("disks", name, "vda.qcow2")
        run_tool(["qemu-img", "create", "-q", "-f", "qcow2", path, "8M"])
        run_tool(["qemu-io", "-f", "qcow2", "-c", f"write -P {random.randrange(1, 256)} 1M 1M", path])
        disk = Domain.disk_xml("vda", path)
    definition = PLAIN.format(name=name, unit=unit, disk=disk, system=system, devices=devices, more=more)
    host.virsh("define", host.write("plain.xml", definition))
    return host.adopt(name)


def bytes_of(path):
    with open(path, "rb") as file:
        return file.read()


def sum_of(path):
    return hashlib.sha256(bytes_of(path)).hexdigest()


def tree_of(folder):
    """Sums of all files below a folder, but for locks."""
    return {os.path.relpath(os.path.join(place, name), folder): sum_of(os.path.join(place, name))
            for place, _, names in os.walk(folder) for name in names if name != ".lock"}


def recover(lab, point, *options, **run):
    return lab.run("recover", point, "--to", "libvirt", "--recovery-key-file", lab.recovery, *options,
                   timeout=600, **run)


def folder_of(lab):
    path = lab.path(f"machines-{random.getrandbits(32):x}")
    os.makedirs(path)
    return path


def forget_checkpoints(domain):
    """Deletes what points of other labs left, so that a test's guest begins without bitmaps."""
    for checkpoint in domain.checkpoints():
        domain.host.attempt(["virsh", "-q", "-c", "qemu:///system", "checkpoint-delete", domain.name,
                             checkpoint])


# What is in a restored disk.


def check_file_system(path, start=0, repair=False):
    """Whether ext4 is clean as it stands, with nothing in its journal, or after that has been replayed."""
    if start:
        part = path + ".part"
        with open(path, "rb") as source, open(part, "wb") as target:
            source.seek(start)
            while piece := source.read(4 * MIB):
                target.write(piece)
        path = part
    features = subprocess.run(["dumpe2fs", "-h", path], capture_output=True).stdout
    check(b"Filesystem features" in features, "this is no ext4")
    # Without it a check that changes nothing would call old contents clean.
    check(repair or b"needs_recovery" not in features, "the journal has to be replayed")
    result = subprocess.run(["e2fsck", "-fy" if repair else "-fn", path], capture_output=True, text=True)
    check(result.returncode == 0 or repair and result.returncode == 1,
          f"e2fsck: {result.returncode}: {(result.stdout + result.stderr)[-400:]}")


def file_of(path, name):
    """A file's bytes from an ext4 image; its journal is not looked at."""
    result = subprocess.run(["debugfs", "-R", f"cat {name}", path], capture_output=True)
    return result.stdout


def check_application(lab, image, quiesced):
    """Records without a gap and the same ones in the database; the newest number.

    `quiesced`: as a freeze with hooks leaves it, with nothing to recover.
    """
    check_file_system(image, repair=not quiesced)
    lines = file_of(image, "/application/log").decode(errors="replace").splitlines()
    check(lines, "the log is empty")
    if quiesced:
        check(lines[-1].startswith("QUIESCED"), f"the log ends with {lines[-1]!r}")
    records = [line.split() for line in lines if line.startswith("RECORD")]
    if not quiesced and records and len(records[-1]) < 3:
        records.pop()
    equal([int(record[1]) for record in records], list(range(1, len(records) + 1)), "numbers of records")
    for record in records:
        equal(record[2], hashlib.md5(record[1].encode() + b"\n").hexdigest(), f"sum of record {record[1]}")
    place = lab.path("database")
    for suffix in ("", "-wal"):
        data = file_of(image, "/application/database" + suffix)
        if suffix and quiesced:
            equal(len(data), 0, "bytes of the write-ahead log")
        with open(place + suffix, "wb") as file:
            file.write(data)
    address = f"file:{place}?immutable=1" if quiesced else f"file:{place}"
    with sqlite3.connect(address, uri=True) as database:
        equal(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)], "the database's check")
        rows = database.execute("SELECT number, sum FROM records ORDER BY number").fetchall()
    numbers = [number for number, _ in rows]
    equal(numbers, list(range(1, len(rows) + 1)), "numbers in the database")
    for number, sum in rows:
        equal(sum, hashlib.md5(b"%d\n" % number).hexdigest(), f"sum of row {number}")
    allowed = (0,) if quiesced else (0, 1)
    check(len(records) - len(rows) in allowed, f"{len(records)} records and {len(rows)} rows")
    for suffix in ("", "-wal", "-shm"):
        if os.path.exists(place + suffix):
            os.unlink(place + suffix)
    return len(records)
