"""What was measured, shown as medians."""
import statistics

from .measuring import MIB, say

CASES = {
    "first": "first backup of the disk",
    "second-day": "the disk a day later, no hint",
    "unchanged": "the same again, no hint",
    "scattered": "1,024 random 4 KiB writes on a disk of real files",
    "dump": "the whole disk back to standard output",
    "restore-file": "the whole disk to a new file, with sync",
    "in-place": "restore over a copy of which 1 % of the chunks differ",
    "chain": "point 100 of a chain against point 1",
    "hint": "a 1 TiB volume with a changed-block hint",
    "limit": "what the same libraries can do on the same data",
    "scale": "synthetic repositories, memory (only with --scale)",
    "store-backup": "first backup of the disk into a bucket of a Ceph gateway",
    "store-restore": "the disk back from there to standard output, with empty caches",
    "store-delay": "the same on a way on which each request waits",
    "store-upload": "ready packs of a local repository into a bucket",
    "machines": "a guest of libvirt with two disks, 40 MB of them filled",
}
# They need servers of their own, which the bench starts.
STORE_CASES = [name for name in CASES if name.startswith("store-")]
MACHINE_CASES = ["machines"]
TARGETS = {
    "first": "at least 2.7x restic's throughput; stored at most 1.00x restic's",
    "second-day": "at least 4.5x restic; added at most 1.0x restic's",
    "unchanged": "hashing: at least 5x restic; fingerprints: at least 10x restic",
    "scattered": "data <= 1.05x the changed chunks compressed; metadata <= 1.5 MiB at 64 KiB, "
                 "2 MiB at 16 KiB; in sum <= 40 MB and 20 MB",
    "dump": "at least 3.5x restic's dump",
    "restore-file": "at least 2x `restic dump > file; sync`, verification counted apart",
    "in-place": "fetched <= 1.2x the frames that hold differing chunks; "
                "written <= 1.1 % of the volume",
    "chain": "point 100 at most 1.2x the time of point 1",
    "hint": "at most 2 s and 1 MiB of metadata, besides the audit sample",
    "limit": "first backup within 1.15x of the limit of the same libraries",
    "scale": "at most 512 MiB, no growth between 64 and 256 GiB",
    "store-backup": "at least 1.8x restic's throughput with at most half its CPU seconds",
    "store-restore": "at least 2.5x restic's",
    "store-delay": "with 50 ms for each request at least 70 % of the speed without",
    "store-upload": "at least 90 % of what `rclone copy` moves",
    "machines": "frozen for at most 1 s; a mostly idle guest within 1.5 s beyond libvirt's own calls; "
                "recover --instant until the agent answers at most 1.5x a start from the disk",
}

REPORT_FIELDS = [
    "bytes_read", "bytes_new", "bytes_stored", "bytes_metadata", "bytes_zero", "bytes_unchanged"]


def report_figures(report):
    """The figures of a backup report: the point's own, or summed over its volumes."""
    volumes = report.get("volumes", [])
    figures = {}
    for field in REPORT_FIELDS:
        if field in report:
            figures[field] = report[field]
        elif any(field in volume for volume in volumes):
            figures[field] = sum(volume.get(field, 0) for volume in volumes)
    return figures


class Table:
    """The rows of one case: samples by name, shown as medians."""

    def __init__(self, case, size):
        self.case, self.size, self.rows, self.notes = case, size, {}, []

    def add(self, name, result):
        kept = {key: value for key, value in result.items() if key != "output"}
        self.rows.setdefault(name, []).append(kept)
        say(f"  {name:28}{result['wall']:8.2f} s")

    def median(self, name, field):
        values = [sample[field] for sample in self.rows.get(name, []) if field in sample]
        return statistics.median(values) if values else None

    def compare(self, name, peer):
        """Notes speed and CPU seconds of a program relative to another's."""
        if name in self.rows and peer in self.rows:
            speed = self.median(peer, "wall") / self.median(name, "wall")
            cpu = self.median(name, "cpu") / self.median(peer, "cpu")
            self.notes = [f"{name}: {speed:.2f}x the speed of {peer}, {cpu:.2f}x its CPU seconds"]

    def note(self, text):
        self.notes.append(text)

    def show(self):
        say(f"\n{self.case}: {CASES[self.case]}")
        say(f"  target: {TARGETS[self.case]}")
        if self.rows:
            say(f"  {'':28}{'wall s':>9}{'MB/s':>8}{'CPU s':>8}{'stored MB':>11}{'RSS MiB':>9}"
                f"{'speed':>8}{'stored':>8}")
        for name in self.rows:
            wall, stored = self.median(name, "wall"), self.median(name, "stored")
            # Speed and stored bytes are relative to restic's: 2.00 is twice as fast, twice as big.
            peer_wall, peer_stored = self.median("restic", "wall"), self.median("restic", "stored")
            rate = f"{self.size / wall / 1e6:8.0f}" if self.size else f"{'':8}"
            say(f"  {name:28}{wall:9.2f}{rate}{self.median(name, 'cpu'):8.2f}"
                + (f"{stored / 1e6:11.2f}" if stored is not None else f"{'':11}")
                + f"{self.median(name, 'rss') / MIB:9.0f}"
                + (f"{peer_wall / wall:7.2f}x" if peer_wall else f"{'':8}")
                + (f"{stored / peer_stored:7.{3 if stored < peer_stored * 100 else 0}f}x"
                   if peer_stored and stored is not None else ""))
        for note in self.notes:
            say(f"  {note}")

    def summary(self):
        rows = {}
        for name, samples in self.rows.items():
            fields = [field for field in ("wall", "cpu", "rss", "stored") if field in samples[0]]
            rows[name] = {"median": {field: self.median(name, field) for field in fields},
                          "samples": samples}
        return {"title": CASES[self.case], "target": TARGETS[self.case], "size": self.size,
                "rows": rows, "notes": self.notes}
