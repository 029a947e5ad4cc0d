"""The case on a real guest of libvirt, beside virtnbdbackup, on a host of its own."""
import json
import os
import shutil
import statistics
import subprocess
import time

from guests.host import Host
from servers.process import wait_until

from .measuring import Result, measure, tree_size
from .programs import Lifeboat

FREEZES = 40
# A guest's first start after it was made differs from the others.
LEAST_STARTS = 3
CHANGED = 16  # MB that the guest writes between two backups
INSTANT = "again"

BACKUP = """<domainbackup mode='pull'>{base}<server transport='unix' socket='{socket}'/><disks>
{disks}</disks></domainbackup>"""
BACKUP_DISK = """<disk name='{target}' backup='yes' type='file' exportname='{target}'{bitmap}>
<scratch file='{scratch}'/></disk>"""
CHECKPOINT = """<domaincheckpoint><name>{name}</name><disks>
<disk name='vda' checkpoint='bitmap'/><disk name='vdb' checkpoint='bitmap'/></disks></domaincheckpoint>"""


class GuestTool:
    """A program that backs up a guest, and its folder."""

    def __init__(self, host, guest, work, name):
        self.host, self.guest, self.name = host, guest, name
        self.folder = os.path.join(work, name)
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)

    def measured(self, *arguments):
        before = tree_size(self.stored_in())
        result = measure([*self.host.prefix(), *self.command(*arguments)], self.environment())
        result["stored"] = tree_size(self.stored_in()) - before
        return result

    def stored_in(self):
        return self.folder

    def environment(self):
        return dict(os.environ)


class Virtnbdbackup(GuestTool):
    def command(self, level):
        options = ["-z"] if "-z" in self.name else []
        return ["virtnbdbackup", "-d", self.guest.name, "-l", level, "-o", self.folder, "-n", "-S",
                self.host.folder, *options]


class GuestLifeboat(GuestTool):
    def __init__(self, host, guest, work, options):
        super().__init__(host, guest, work, "lifeboat-machines")
        self.tool = Lifeboat(self.folder, options)
        self.tool.fresh()

    def stored_in(self):
        return self.tool.repository

    def environment(self):
        return self.tool.env

    def command(self, *options):
        return [self.tool.program, "backup", f"libvirt:{self.guest.name}", *self.tool.common(), "--json",
                *options]

    def backup(self, *options):
        result = self.measured(*options)
        result["report"] = json.loads(result["output"].splitlines()[-1])
        return result


class MachineCases:
    """Part of the bench: what needs a guest."""

    def machines(self):
        table = self.table("machines", 0)
        with Host("bench") as host:
            for name in ("virtnbdbackup", "virtnbdbackup -z"):
                # A guest for each program: what one series wrote would burden the next.
                guest = host.domain(name.replace(" ", "")).start()
                tool = Virtnbdbackup(host, guest, self.work, name)
                self.series(table, guest, name, tool.measured)
                guest.shut_down()
            guest = host.domain().start()
            calls = LibvirtCalls(host, guest)
            calls.begin()
            for _ in range(self.options.runs * 3):
                table.add("libvirt's own calls", calls.measured())
            calls.end()
            if not self.lifeboat:
                return
            lifeboat = GuestLifeboat(host, guest, self.work, self.options)
            self.series(table, guest, "lifeboat", lambda level: lifeboat.backup())
            self.windows(table, lifeboat)
            beyond = (table.median("lifeboat, nothing written", "wall")
                      - table.median("libvirt's own calls", "wall"))
            table.note(f"incremental of an idle guest: {beyond:.2f} s beyond libvirt's own calls")
            self.instant(table, host, guest, lifeboat)

    def series(self, table, guest, name, backup):
        """One full backup, then incrementals of a guest that wrote, and of one that did not."""
        table.add(f"{name}, full", backup("full"))
        for run in range(self.options.runs):
            guest.write_noise(CHANGED, f"bench{run}")
            table.add(f"{name}, {CHANGED} MB written", backup("inc"))
        for _ in range(self.options.runs):
            table.add(f"{name}, nothing written", backup("inc"))

    def windows(self, table, lifeboat):
        windows = []
        for _ in range(FREEZES):
            report = lifeboat.backup("--quiesce", "require", "--freeze-hooks")["report"]
            windows += [machine["freeze_window_ms"] for machine in report["machines"]]
        windows.sort()
        last = windows[max(0, -(-99 * len(windows) // 100) - 1)]
        table.note(f"frozen: median {statistics.median(windows):.0f} ms, 99 % within {last} ms, "
                   f"of {len(windows)} freezes with hooks")

    def instant(self, table, host, guest, lifeboat):
        """From the command to the agent's answer, as for a start from the disk that is there."""
        guest.shut_down()
        point = lifeboat.backup()["report"]["point"]
        for run in range(max(LEAST_STARTS, self.options.runs)):
            begun = time.monotonic()
            host.virsh("start", guest.name)
            wait_until(guest.agent_answers, 240, "the agent")
            table.add("start, until the agent answers", elapsed(begun))
            guest.shut_down()
            self.instant_once(table, host, guest, lifeboat.tool, point, run)
        ratio = (table.median("recover --instant, until then", "wall")
                 / table.median("start, until the agent answers", "wall"))
        table.note(f"recover --instant: {ratio:.2f}x a start from the disk")

    def instant_once(self, table, host, guest, tool, point, run):
        folder = os.path.join(host.folder, f"again{run}")
        os.makedirs(folder)
        told = os.path.join(folder, "report")
        with open(told, "w") as report:
            begun = time.monotonic()
            process = host.start_process(
                [tool.program, "recover", point, "--to", "libvirt:qemu:///system", "--directory", folder,
                 "--rename", f"{guest.name}={INSTANT}", "--instant", "--json", "--repo", tool.repository,
                 "--recovery-key-file", tool.key], env=tool.env, stdout=report,
                stderr=subprocess.DEVNULL)
            again = host.adopt(INSTANT)
            wait_until(again.agent_answers, 240, "the agent of the recovered guest")
            table.add("recover --instant, until then", elapsed(begun))
            # A session that is not at its end would be gone on with by the next run.
            if process.wait(240):
                raise RuntimeError(f"recover --instant ended with {process.returncode}")
            table.add("recover --instant, to its end", elapsed(begun))
        with open(told) as report:
            [machine] = json.load(report)["machines"]
        for phase in ("planned", "served", "started", "ready"):
            table.add(f"  of this, {phase} after", Result(wall=machine["phases"][phase], cpu=0, rss=0))
        again.undefine()


def elapsed(begun):
    return Result(wall=time.monotonic() - begun, cpu=0, rss=0)


class LibvirtCalls:
    """What any backup of this guest has to ask of libvirt: freeze, begin, thaw, end, delete the old base."""

    def __init__(self, host, guest):
        self.host, self.guest, self.number = host, guest, 0

    def files(self):
        socket = self.host.path("calls.sock")
        base = f"<incremental>calls{self.number - 1}</incremental>" if self.number else ""
        disks = "".join(BACKUP_DISK.format(
            target=target, scratch=self.host.path(f"calls-{target}"),
            bitmap=" exportbitmap='changes'" if self.number else "") for target in ("vda", "vdb"))
        return (self.host.write("calls-backup.xml", BACKUP.format(base=base, socket=socket, disks=disks)),
                self.host.write("calls-checkpoint.xml", CHECKPOINT.format(name=f"calls{self.number}")))

    def once(self):
        backup, checkpoint = self.files()
        name = self.guest.name
        commands = [f"domfsfreeze {name}", f"backup-begin {name} {backup} {checkpoint}",
                    f"domfsthaw {name}", f"domjobabort {name}"]
        if self.number:
            commands.append(f"checkpoint-delete {name} calls{self.number - 1}")
        self.number += 1
        return [*self.host.prefix(), "virsh", "-q", "-c", "qemu:///system", "; ".join(commands)]

    def begin(self):
        measure(self.once(), dict(os.environ))

    def measured(self):
        return measure(self.once(), dict(os.environ))

    def end(self):
        self.host.virsh("checkpoint-delete", self.guest.name, f"calls{self.number - 1}")
