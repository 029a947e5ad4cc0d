"""The cases on repositories in folders."""
import ctypes
import ctypes.util
import json
import os
import random
import statistics
import subprocess

from .machines import MachineCases
from .measuring import GIB, KIB, MIB, SEED, fail, measure, same_content, say, warm
from .programs import TOOLS
from .results import MACHINE_CASES, STORE_CASES, Table, report_figures
from .stores import StoreCases
from .workload import Workload, nonzero_blocks, overwrite, sparse_copy


class Bench(StoreCases, MachineCases):
    def __init__(self, work, options):
        self.work, self.options = work, options
        self.workload = Workload(work, options)
        self.tools = [TOOLS[name](work, options) for name in options.tools]
        self.lifeboat = next((tool for tool in self.tools if tool.name == "lifeboat"), None)
        self.tables = {}

    def table(self, case, size):
        return self.tables.setdefault(case, Table(case, size))

    def wants(self, case):
        return case in self.options.cases

    def interleaved(self):
        """(run, tool) in turn; the order changes from run to run."""
        for run in range(self.options.runs):
            turn = run % max(1, len(self.tools))
            for tool in self.tools[turn:] + self.tools[:turn]:
                yield run, tool

    def run(self):
        disk_cases = {"first", "second-day", "unchanged", "dump", "restore-file", "in-place"}
        if disk_cases & set(self.options.cases):
            self.disk()
        for case in ("scattered", "chain", "limit", "hint", "scale"):
            if self.wants(case):
                say(f"\n{case}")
                getattr(self, case)()
        if set(STORE_CASES) & set(self.options.cases):
            self.stores()
        if set(MACHINE_CASES) & set(self.options.cases):
            say("\nmachines")
            self.machines()

    def disk(self):
        """One repository for each run and tool: day 0, reading it back, day 1, day 1 again."""
        day_0, day_1 = self.workload.days()
        size = os.path.getsize(day_0)
        described = self.workload.describe()
        say(f"disk of {size / GIB:.1f} GiB, {described['bytes'] / 1e9:.2f} GB of files; day 1: "
            f"{described['removed_bytes'] / 1e9:.2f} GB removed, "
            f"{described['new_bytes'] / 1e9:.2f} GB new, "
            f"{described['pages_changed']} pages of 8 KiB changed")
        for run, tool in self.interleaved():
            say(f"\nrun {run + 1}, {tool.name}")
            tool.fresh()
            result = tool.backup(day_0, "day-0")
            self.table("first", size).add(tool.name, result)
            if self.wants("dump"):
                self.table("dump", size).add(tool.name, tool.dump("day-0"))
            if self.wants("restore-file"):
                self.restore_file(tool, day_0, size)
            if self.wants("in-place") and tool is self.lifeboat:
                self.in_place(tool, day_0, size)
            if self.wants("second-day") or self.wants("unchanged"):
                self.table("second-day", size).add(tool.name, tool.backup(day_1, "day-1"))
            if self.wants("unchanged"):
                self.unchanged(tool, day_1, size)
            if self.options.check and run == 0:
                self.check(tool, day_0, "day-0")
            tool.remove()
        for case in ("first", "second-day"):
            samples = case in self.tables and self.tables[case].rows.get("lifeboat")
            if samples:
                figures = report_figures(samples[0]["report"])
                self.tables[case].note("lifeboat reports, MB: " + ", ".join(
                    f"{name.removeprefix('bytes_')} {value / 1e6:.2f}"
                    for name, value in figures.items()))

    def check(self, tool, image, name):
        """Reads a point back and compares it; outside all measurements."""
        reader = subprocess.Popen(tool.dump_command(name), env=tool.env, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL)
        differs = subprocess.run(["cmp", "-s", "-", image], stdin=reader.stdout).returncode
        reader.stdout.close()
        if reader.wait() or differs:
            fail(f"{tool.name} did not give {image} back bit for bit")
        say("  read back and compared: identical")

    def unchanged(self, tool, image, size):
        table = self.table("unchanged", size)
        if tool is not self.lifeboat:
            table.add(tool.name, tool.backup(image, "again"))
            return
        table.add("lifeboat, hashing", tool.backup(image, "again", fingerprints=False))
        # Should the first run with the cache on have to fill it, that is not the case meant here.
        tool.backup(image, "filled")
        table.add("lifeboat, fingerprints", tool.backup(image, "cached"))

    def restore_file(self, tool, image, size):
        table = self.table("restore-file", size)
        target = os.path.join(self.work, "restored.img")
        if tool is not self.lifeboat:
            table.add(tool.name, tool.dump_to_file("day-0", target))
            os.unlink(target)
            return
        result = tool.restore("day-0", target)
        if not same_content(image, target):
            fail("lifeboat did not restore the disk bit for bit")
        os.unlink(target)
        seconds = {name: result["report"][name] for name in ("write_seconds", "verify_seconds")
                   if name in result["report"]}
        table.add("lifeboat, verified", result)
        if seconds:
            say(f"    {seconds}")
        table.add("lifeboat, --no-verify", tool.restore("day-0", target, "--no-verify"))
        os.unlink(target)

    def in_place(self, tool, image, size):
        table = self.table("in-place", size)
        target = os.path.join(self.work, "in-place.img")
        sparse_copy(image, target)
        chunk = 64 * KIB
        generator = random.Random(SEED + 4)
        chunks = generator.sample(range(size // chunk), max(1, size // chunk // 100))
        overwrite(target, [number * chunk for number in sorted(chunks)], chunk, generator, 4 * KIB)
        os.sync()
        result = tool.restore("day-0", target, "--in-place")
        if not same_content(image, target):
            fail("lifeboat did not restore in place bit for bit")
        os.unlink(target)
        table.add("lifeboat", result)
        figures = {name: value for name, value in result["report"].items()
                   if isinstance(value, (int, float))}
        if not table.notes:
            table.note(f"{len(chunks)} chunks differ, {len(chunks) / (size / chunk):.2%}; "
                       + ", ".join(f"{name} {value}" for name, value in figures.items()))
            if "bytes_written" in figures:
                table.note(f"written: {figures['bytes_written'] / size:.2%} of the volume")

    def scattered(self):
        image, changed, offsets = self.workload.scattered()
        table = self.table("scattered", os.path.getsize(image))
        variants = []
        for tool in self.tools:
            sizes = ["64KiB", "16KiB"] if tool is self.lifeboat else [None]
            variants += [(tool, size) for size in sizes]
        for _ in range(self.options.runs):
            for tool, chunk_size in variants:
                tool.fresh(**({"chunk_size": chunk_size} if chunk_size else {}))
                tool.backup(image, "before")
                result = tool.backup(changed, "after")
                if "report" in result:
                    result.update(report_figures(result["report"]))
                table.add(f"{tool.name}, {chunk_size}" if chunk_size else tool.name, result)
                tool.remove()
        for chunk_size, chunk in (("64KiB", 64 * KIB), ("16KiB", 16 * KIB)):
            numbers = sorted({offset // chunk for offset in offsets})
            text = f"{chunk_size}: {len(numbers)} chunks differ"
            alone, frames = compressed_chunks(changed, numbers, chunk)
            if alone:
                text += (f", {alone / 1e6:.2f} MB compressed one by one,"
                         f" {frames / 1e6:.2f} MB in frames of 1 MiB")
            name = f"lifeboat, {chunk_size}"
            data, metadata = table.median(name, "bytes_stored"), table.median(name, "bytes_metadata")
            if data is not None:
                text += f"; lifeboat's data {data / 1e6:.2f} MB"
                if frames:
                    text += f" ({data / frames:.3f}x the frames, {data / alone:.3f}x one by one)"
            if metadata is not None:
                text += f", metadata {metadata / MIB:.2f} MiB"
            table.note(text)

    def chain(self):
        table = self.table("chain", None)
        if not self.lifeboat:
            return table.note("not run: lifeboat only")
        tool, image = self.lifeboat, self.workload.small()
        table.size = os.path.getsize(image)
        changing = os.path.join(self.work, "chain-changing.img")
        sparse_copy(image, changing)
        tool.fresh()
        generator = random.Random(SEED + 5)
        for number in range(1, self.options.points + 1):
            if number > 1:
                blocks = nonzero_blocks(changing, 40, 4 * KIB, generator)
                overwrite(changing, blocks, 4 * KIB, generator, 4 * KIB)
            tool.run_backup(changing, f"{number}")
        say(f"  {self.options.points} points made")
        last = f"{self.options.points}"
        if self.options.check:
            self.check(tool, image, "1")
            self.check(tool, changing, last)
        for _ in range(max(3, self.options.runs)):
            table.add("lifeboat, point 1", tool.dump("1"))
            table.add(f"lifeboat, point {last}", tool.dump(last))
        ratio = table.median(f"lifeboat, point {last}", "wall") / table.median(
            "lifeboat, point 1", "wall")
        table.note(f"point {last} takes {ratio:.2f}x the time of point 1")
        os.unlink(changing)
        tool.remove()

    def limit(self):
        image, _ = self.workload.days()
        table = self.table("limit", os.path.getsize(image))
        if not self.lifeboat:
            return table.note("not run: lifeboat only")
        reports = []
        for _ in range(self.options.runs):
            warm(image)
            result = measure([self.options.lifeboat, "benchmark", image, "--json"],
                             self.lifeboat.env)
            result["report"] = json.loads(result["output"])
            reports.append(result["report"])
            table.add("lifeboat benchmark", result)
        for name, value in reports[-1].items():
            table.note(f"{name}: {value}")
        limit = statistics.median(report.get("combined_throughput", 0) for report in reports)
        first = self.tables.get("first")
        wall = first and first.median("lifeboat", "wall")
        if limit and wall:
            # Both count bytes of volume, holes and zeros included.
            speed = first.size / wall
            table.note(f"first backup: {speed / 1e6:.0f} MB/s of {limit / 1e6:.0f} MB/s of volume,"
                       f" the limit is {limit / speed:.2f}x as fast")

    def lab(self, case, *arguments):
        table = self.table(case, None)
        program = os.path.join(os.path.dirname(self.options.lifeboat or ""), "lifeboat-lab")
        if not self.lifeboat or not os.access(program, os.X_OK):
            return table.note("not run: no lifeboat-lab beside lifeboat")
        result = measure([program, *arguments], dict(self.lifeboat.env, TMPDIR=self.work))
        lines = result["output"].strip().splitlines()
        result["report"] = json.loads(lines[-1]) if lines else {}
        table.add("lifeboat-lab " + " ".join(arguments), result)
        for name, value in result["report"].items():
            table.note(f"{name}: {value}")

    def hint(self):
        self.lab("hint")

    def scale(self):
        if self.options.scale:
            for size in ("64GiB", "256GiB"):
                self.lab("scale", "--size", size)


def compressed_chunks(image, numbers, chunk):
    """Bytes of the chunks compressed at level 3 by libzstd: each alone, and in frames of 1 MiB."""
    library = ctypes.util.find_library("zstd")
    if not library:
        return None, None
    zstd = ctypes.CDLL(library)
    zstd.ZSTD_compressBound.restype = zstd.ZSTD_compress.restype = ctypes.c_size_t
    zstd.ZSTD_compressBound.argtypes = [ctypes.c_size_t]
    zstd.ZSTD_compress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p,
                                   ctypes.c_size_t, ctypes.c_int]
    room = zstd.ZSTD_compressBound(MIB)
    buffer = ctypes.create_string_buffer(room)

    def compressed(content):
        return min(len(content), zstd.ZSTD_compress(buffer, room, content, len(content), 3))

    alone = frames = 0
    with open(image, "rb") as file:
        frame = b""
        for number in numbers:
            file.seek(number * chunk)
            content = file.read(chunk)
            alone += compressed(content)
            frame += content
            if len(frame) >= MIB:
                frames += compressed(frame)
                frame = b""
        frames += compressed(frame) if frame else 0
    return alone, frames
