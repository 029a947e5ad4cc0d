"""After many days of many machines everything takes what it took in the beginning.

Time is simulated by `lifeboat-lab`, beside the program; the work is real.
"""
import os
import subprocess
import tempfile

from harness import PROGRAM, QUICK, check, main, test

LABORATORY = os.path.join(os.path.dirname(PROGRAM), "lifeboat-lab")


@test
def days_end_as_they_began():
    machines, interval = ("4", "60") if QUICK else ("8", "30")
    with tempfile.TemporaryDirectory(prefix="lifeboat-test-") as folder:
        done = subprocess.run(
            [LABORATORY, "year", "--machines", machines, "--days", "4", "--interval", interval,
             "--keep-all-hours", "12", "--keep-hourly-days", "1", "--memory",
             "--directory", folder], capture_output=True, text=True)
    check(done.returncode == 0,
          f"exit {done.returncode}: {done.stdout[-2000:]} {done.stderr[-500:]}")


if __name__ == "__main__":
    main()
