"""Memory stays bounded while a repository grows, and a hint saves what it should.

Volumes are synthetic: `lifeboat-lab`, beside the program, computes their content.
"""
import json
import os
import subprocess
import tempfile

from harness import MIB, PROGRAM, QUICK, check, main, test

LABORATORY = os.path.join(os.path.dirname(PROGRAM), "lifeboat-lab")


def measure(*arguments):
    with tempfile.TemporaryDirectory(prefix="lifeboat-test-") as folder:
        done = subprocess.run(
            [LABORATORY, *arguments, "--folder", folder], capture_output=True, text=True)
    check(done.returncode == 0, f"{' '.join(arguments)}: exit {done.returncode}: "
          f"{done.stdout[-1500:]} {done.stderr[-500:]}")
    return json.loads(done.stdout)


@test
def memory_does_not_grow_with_the_repository():
    size, step = ("4GiB", "2GiB") if QUICK else ("16GiB", "4GiB")
    report = measure("scale", "--size", size, "--step", step, "--limit", "256MiB",
                     "--allowance", "16MiB")
    check(not report["faults"], "; ".join(report["faults"]))


@test
def collection_costs_what_there_is():
    size, step = ("2GiB", "1GiB") if QUICK else ("8GiB", "4GiB")
    report = measure("collect", "--size", size, "--step", step, "--further", "10",
                     "--limit", "256MiB")
    check(not report["faults"], "; ".join(report["faults"]))


@test
def a_hint_costs_what_changed():
    size = "32GiB" if QUICK else "128GiB"
    report = measure("hint", "--size", size, "--fill", "5", "--changed", "100", "--runs", "1")
    check(report["metadata_bytes"] <= MIB, f"{report['metadata_bytes']} bytes of metadata")
    check(report["peak_bytes"] <= 256 * MIB, f"{report['peak_bytes']} bytes of memory")
    # Processor time, since others may use this machine too.
    check(report["cpu_seconds"] <= 2, f"{report['cpu_seconds']:.1f} s of processor time")


if __name__ == "__main__":
    main()
