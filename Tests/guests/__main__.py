"""Runs guests for developers: `python3 Tests/guests start`; see docs/testing.md."""
import argparse
import os
import signal
import sys
import threading

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from guests.host import Host  # noqa: E402
from guests.plain import Plain  # noqa: E402


def start(arguments):
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    if arguments.plain:
        with Plain() as guest:
            print(f"monitor={guest.monitor_socket}\nagent={guest.agent_socket}\n"
                  f"url=http://127.0.0.1:{guest.port}\n# ready; Ctrl-C ends it", flush=True)
            ended.wait()
        return
    with Host(networks=("production", "bubble", "dark")) as host:
        for number in range(arguments.guests):
            host.domain(f"guest{number + 1}", data=arguments.data).start(wait=False)
        for domain in host.domains.values():
            domain.wait_ready()
        print(f"export LIBVIRT_DEFAULT_URI='{host.uri}'\n"
              f"# on the host itself: {' '.join(host.prefix())} COMMAND\n"
              f"# guests: {', '.join(host.domains)}\n# ready; Ctrl-C ends it", flush=True)
        ended.wait()


def main():
    parser = argparse.ArgumentParser(prog="Tests/guests", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("start", help="start a host with guests and keep it until Ctrl-C")
    command.add_argument("--guests", type=int, default=1, help="how many guests (default: 1)")
    command.add_argument("--data", choices=["ext4", "xfs"], default="ext4",
                         help="the file system of their data disks")
    command.add_argument("--plain", action="store_true", help="one guest of QEMU alone")
    start(parser.parse_args())


main()
