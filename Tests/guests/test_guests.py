"""Tests of the guests themselves: that they run, freeze and end, and that faults are what they say.

Run by `python3 -m unittest discover --start-directory Tests/guests`.
"""
import os
import signal
import socket
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from guests.host import Host  # noqa: E402
from guests.link import Link  # noqa: E402
from guests.plain import Plain  # noqa: E402
from servers.process import wait_until  # noqa: E402
from servers.server import start_all, stop_all  # noqa: E402

HOST_THAT_STAYS = """
import sys, time
sys.path.insert(0, sys.argv[1])
from guests.host import Host
host = Host("stays").start()
print(host.first_process(), host.folder, flush=True)
time.sleep(600)
"""


class GuestTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = Host("tests").start()
        cls.guest = cls.host.domain().start()

    @classmethod
    def tearDownClass(cls):
        cls.host.stop()

    def test_a_freeze_brings_the_application_to_rest(self):
        guest = self.guest
        self.assertGreater(guest.ask_agent("guest-fsfreeze-freeze"), 0)
        self.assertTrue(guest.is_frozen())
        log = guest.call("tail -n 1 /data/application/log")
        self.assertTrue(log.startswith("QUIESCED"), log)
        self.assertEqual(guest.call("wc -c </data/application/database-wal").strip(), "0")
        with self.assertRaises(OSError):
            guest.write_probe(2)
        guest.ask_agent("guest-fsfreeze-thaw")
        guest.write_probe()
        guest.records_go_on()
        self.assertFalse(guest.is_frozen())

    def test_a_hook_that_fails(self):
        self.guest.turn("fail")
        with self.assertRaises(RuntimeError):
            self.guest.ask_agent("guest-fsfreeze-freeze")
        self.guest.turn_back()
        self.assertFalse(self.guest.is_frozen())
        self.guest.records_go_on()

    def test_an_agent_that_is_away_or_hangs(self):
        for away, back in ((self.guest.take_agent_away, self.guest.bring_agent_back),
                           (self.guest.hold_agent, self.guest.release_agent)):
            away()
            self.assertFalse(self.guest.agent_answers())
            self.guest.records_go_on()
            back()
            wait_until(self.guest.agent_answers, 30, "the agent")

    def test_scripts_by_the_agent(self):
        self.assertEqual(self.guest.execute("echo $((6 * 7))"), "42\n")
        with self.assertRaises(RuntimeError):
            self.guest.execute("exit 3")

    def test_a_paused_guest_has_all_on_its_disk(self):
        self.guest.write_noise(1, "paused")
        expected = self.guest.call("sha256sum </data/public/paused").split()[0]
        with self.guest.paused():
            path = self.guest.read_disk("vdb", self.host.path("disk.raw"))
        self.assertEqual(os.path.getsize(path), 256 << 20)
        # Replayed, as it was not frozen.
        subprocess.run(["e2fsck", "-fy", path], capture_output=True)
        content = subprocess.run(["debugfs", "-R", "cat /public/paused", path], capture_output=True).stdout
        found = subprocess.run(["sha256sum"], input=content, capture_output=True).stdout.split()[0].decode()
        self.assertEqual(found, expected)

    def test_a_daemon_that_is_killed(self):
        before = self.guest.status()["boot"]
        self.host.restart_daemon(signal.SIGKILL)
        self.guest.records_go_on()
        self.assertEqual(self.guest.status()["boot"], before)
        self.assertEqual(self.guest.state(), "running")


class HostTests(unittest.TestCase):
    def test_a_host_ends_with_the_process_that_started_it(self):
        tests = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        process = subprocess.Popen([sys.executable, "-c", HOST_THAT_STAYS, tests], stdout=subprocess.PIPE)
        first, folder = process.stdout.readline().decode().split()
        self.assertTrue(os.path.isdir(folder))
        process.kill()
        process.wait()
        process.stdout.close()
        wait_until(lambda: not os.path.exists(f"/proc/{first}/ns/net") and not os.path.exists(folder), 30,
                   "the end of the host")

    def test_two_hosts_and_a_link(self):
        one, other = Host("one"), Host("other")
        start_all(one, other)
        try:
            link = Link(one, other).up()
            listener = other.in_network(lambda: socket.create_server((Link.SECOND, 7000)))

            def answer():
                with listener.accept()[0] as accepted:
                    accepted.sendall(b"hello")
            answered = threading.Thread(target=answer)
            answered.start()
            with one.in_network(lambda: socket.create_connection((Link.SECOND, 7000), 10)) as connection:
                self.assertEqual(connection.recv(5), b"hello")
            answered.join()
            listener.close()
            link.down()
            with self.assertRaises(OSError):
                one.in_network(lambda: socket.create_connection((Link.SECOND, 7000), 2))
            one.lose()
            self.assertEqual(other.virsh("net-list", "--name").split(), ["production"])
        finally:
            stop_all(one, other)


class PlainTests(unittest.TestCase):
    def test_qemu_alone(self):
        with Plain() as guest:
            monitor = guest.monitor()
            self.assertTrue(monitor.ask("query-status")["running"])
            monitor.close()
            self.assertGreater(guest.ask_agent("guest-fsfreeze-freeze"), 0)
            self.assertEqual(guest.ask_agent("guest-fsfreeze-status"), "frozen")
            guest.ask_agent("guest-fsfreeze-thaw")
            self.assertGreater(guest.status()["number"], 0)


if __name__ == "__main__":
    unittest.main()
