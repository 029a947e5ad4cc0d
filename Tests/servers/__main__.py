"""Runs servers for developers: `python3 Tests/servers start NAME...`; see docs/testing.md."""
import argparse
import os
import shlex
import signal
import sys
import threading

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from servers.ceph import Ceph  # noqa: E402
from servers.fault_proxy import FaultProxy  # noqa: E402
from servers.keystone import Keystone  # noqa: E402
from servers.rclone import Rclone  # noqa: E402
from servers.server import start_all, stop_all  # noqa: E402
from servers.swift import Swift  # noqa: E402
from servers.tls import TLSFront  # noqa: E402

STORES = {"ceph": Ceph, "swift": Swift, "rclone": Rclone}


def export(**variables):
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(str(value))}")


def start(names, tls, faults):
    keystone = Keystone() if "keystone" in names else None
    servers, fronts = {}, []
    try:
        for name in dict.fromkeys("swift" if name == "keystone" else name for name in names):
            servers[name] = Swift(keystone=keystone) if name == "swift" else STORES[name]()
        start_all(*servers.values(), *([keystone] if keystone else []))
        for name, server in servers.items():
            print(f"# {name}: port {server.port}, logs in {server.path('log')}")
            export(**server.environment())
            target = server.port
            if faults:
                proxy = FaultProxy(target).start()
                fronts.append(proxy)
                target = proxy.port
                export(FAULTS_URL=proxy.url,
                       FAULTS_CONTROL=f"http://127.0.0.1:{proxy.control_port}")
            if tls:
                front = TLSFront(target).start()
                fronts.append(front)
                export(**front.environment())
        if keystone:
            print("# keystone: with a password")
            export(**keystone.password_environment())
            print("# keystone: with an application credential")
            export(**keystone.application_credential_environment())
        print("# ready; Ctrl-C ends it", flush=True)
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: ended.set())
        ended.wait()
    finally:
        stop_all(*reversed(fronts))
        stop_all(*servers.values(), *([keystone] if keystone else []))


def main():
    parser = argparse.ArgumentParser(prog="Tests/servers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("start", help="start servers and keep them until Ctrl-C")
    command.add_argument("names", metavar="NAME", nargs="+", choices=[*STORES, "keystone"],
                         help="ceph, swift, rclone, or keystone (which brings its own swift)")
    command.add_argument("--tls", action="store_true", help="with a TLS front for each")
    command.add_argument("--faults", action="store_true", help="with a proxy of faults for each")
    arguments = parser.parse_args()
    start(arguments.names, arguments.tls, arguments.faults)


main()
