"""Tests of the servers themselves: that they start and stop, and that faults are what they say.

Run by `python3 -m unittest discover --start-directory Tests/servers`.
"""
import http.client
import http.server
import os
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from servers.clients import S3Client, send  # noqa: E402
from servers.fault_proxy import FaultProxy  # noqa: E402
from servers.faults import MODES, Schedule  # noqa: E402
from servers.process import Process  # noqa: E402
from servers.rclone import Rclone  # noqa: E402
from servers.server import free_port  # noqa: E402
from servers.tls import TLSFront  # noqa: E402

BODY = bytes(range(256)) * 4096


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.requests.append(self.command)
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if len(body) == int(self.headers["Content-Length"]):
            self.server.stored.append(body)
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Backend(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", free_port()), Handler)
        self.stored, self.requests = [], []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass


class FaultTests(unittest.TestCase):
    def setUp(self):
        self.backend = Backend()
        self.proxy = FaultProxy(self.backend.server_address[1]).start()

    def tearDown(self):
        self.proxy.stop()
        self.backend.shutdown()
        self.backend.server_close()

    def get(self, timeout=1):
        return send(self.proxy.url, "GET", "/object", timeout=timeout)

    def put(self, timeout=1):
        return send(self.proxy.url, "PUT", "/object", body=BODY, timeout=timeout)

    def eventually(self, condition):
        end = time.monotonic() + 20
        while not condition():
            self.assertLess(time.monotonic(), end, "not within 20 s")
            time.sleep(0.01)

    def test_nothing_happens_without_a_rule(self):
        self.assertEqual(self.get(20).body, BODY)
        self.assertEqual(self.put(20).status, 201)
        self.assertEqual(self.backend.stored, [BODY])
        self.assertEqual(self.proxy.decisions.faults, 0)

    def test_requests_share_a_connection(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.proxy.port, timeout=20)
        for _ in range(3):
            connection.request("GET", "/object")
            self.assertEqual(connection.getresponse().read(), BODY)
        connection.close()
        self.assertEqual(self.proxy.counts["connections"], 1)

    def test_connections_end(self):
        for mode, request in [("refuse", self.get), ("cut_up", self.put), ("cut_down", self.get),
                              ("lose_reply", self.put), ("lose_reply", self.get)]:
            with self.subTest(mode):
                self.proxy.add(mode, count=1)
                with self.assertRaises((ConnectionError, http.client.HTTPException)):
                    request(20)
                self.assertEqual(self.get(20).body, BODY)

    def test_what_the_server_gets(self):
        for mode, stored in [("refuse", 0), ("cut_up", 0), ("http", 0), ("lose_reply", 1),
                             ("late", 1), ("duplicate", 2)]:
            with self.subTest(mode):
                self.backend.stored.clear()
                self.proxy.add(mode, count=1, milliseconds=50)
                try:
                    self.put(20)
                except (OSError, http.client.HTTPException):
                    pass
                self.eventually(lambda: len(self.backend.stored) >= stored)
                time.sleep(0.1)
                self.assertEqual(self.backend.stored, [BODY] * stored)

    def test_nothing_comes(self):
        for mode, request in [("black_hole", self.get), ("black_hole", self.put),
                              ("stall_up", self.put), ("stall_down", self.get)]:
            with self.subTest(mode):
                self.proxy.add(mode, count=1)
                with self.assertRaises(TimeoutError):
                    request(0.5)

    def test_a_reply_ends_early(self):
        self.proxy.add("fin_down", count=1, at=1000)
        with self.assertRaises(http.client.IncompleteRead) as caught:
            self.get(20)
        self.assertEqual(len(caught.exception.partial), 1000)

    def test_one_bit_is_changed(self):
        self.proxy.add("corrupt_down", count=1, at=5)
        self.assertEqual(one_bit(self.get(20).body), 5)
        self.proxy.add("corrupt_up", count=1, at=1.0)
        self.put(20)
        self.assertEqual(one_bit(self.backend.stored[0]), len(BODY) - 1)

    def test_statuses(self):
        self.proxy.add("http", count=1, code=503, retry_after=7)
        answer = self.put(20)
        self.assertEqual((answer.status, answer.header("retry-after")), (503, "7"))
        self.proxy.add("http", count=1, code=500)
        self.assertIsNone(self.get(20).header("retry-after"))

    def test_what_only_takes_time(self):
        for mode in ("throttle", "delay", "jitter"):
            with self.subTest(mode):
                self.proxy.add(mode, count=1, rate=4 << 20, milliseconds=100)
                begun = time.monotonic()
                self.assertEqual(self.get(20).body, BODY)
                if mode != "jitter":
                    self.assertGreater(time.monotonic() - begun, 0.15)

    def test_rules_choose(self):
        self.proxy.add("http", match="^PUT", skip=1, count=2)
        self.assertEqual(self.get(20).status, 200)
        self.assertEqual([self.put(20).status for _ in range(4)], [201, 503, 503, 201])
        self.assertEqual(self.proxy.counts["http"], 2)

    def test_a_closed_port(self):
        self.proxy.close_port()
        with self.assertRaises(ConnectionRefusedError):
            self.get()
        self.proxy.open_port()
        self.assertEqual(self.get(20).body, BODY)

    def test_control_over_http(self):
        control = f"http://127.0.0.1:{self.proxy.control_port}"
        rule = b'{"mode": "http", "code": 418, "count": 1}'
        self.assertEqual(send(control, "POST", "/add", body=rule).status, 200)
        self.assertEqual(self.get(20).status, 418)
        self.assertIn(b'"http": 1', send(control, "GET", "/status").body)
        self.assertEqual(send(control, "POST", "/add", body=b'{"mode": "no"}').status, 400)

    def test_streams(self):
        with FaultProxy(self.backend.server_address[1], streams=True) as proxy:
            self.assertEqual(send(proxy.url, "GET", "/object", {"Connection": "close"}).body, BODY)
            proxy.add("cut_down", count=1, at=5000)
            with self.assertRaises((ConnectionError, http.client.HTTPException)):
                send(proxy.url, "GET", "/object")


class ScheduleTests(unittest.TestCase):
    def decisions(self, seed):
        schedule = Schedule(seed, 10)
        return [schedule.choose(line, length, None) for _ in range(2000)
                for line, length in (("GET /b/o", 0), ("PUT /b/o", 100))]

    def test_a_seed_gives_the_same_faults(self):
        self.assertEqual(self.decisions(1), self.decisions(1))
        self.assertNotEqual(self.decisions(1), self.decisions(2))

    def test_every_mode_comes_about_as_often_as_it_should(self):
        made = [fault for fault in self.decisions(3) if fault]
        self.assertEqual({fault.mode for fault in made}, set(MODES))
        self.assertTrue(300 < len(made) < 500, len(made))


class ServerTests(unittest.TestCase):
    def test_rclone_behind_tls(self):
        with Rclone() as rclone, TLSFront(rclone.port) as front:
            folders = rclone.folder, front.folder
            client = S3Client(front.url(), rclone.access_key, rclone.secret_key,
                              ca=front.authority)
            client.create_bucket("bucket")
            self.assertEqual(client.put("bucket", "a/b c", b"x").status, 200)
            self.assertEqual(client.list("bucket"), {"a/b c": 1})
            for certificate, authority in [("right", front.other_authority),
                                           ("wrong-name", front.authority),
                                           ("expired", front.authority)]:
                with self.assertRaises(OSError):
                    send(front.url(certificate), "GET", "/", ca=authority)
            client.secret_key = "wrong"
            self.assertEqual(client.get("bucket", "a/b c").status, 403)
        for folder in folders:
            self.assertFalse(os.path.exists(folder))

    def test_servers_end_with_a_test_that_is_killed(self):
        script = ("import sys, time; sys.path.insert(0, sys.argv[1])\n"
                  "from servers.rclone import Rclone\n"
                  "rclone = Rclone().start()\n"
                  "print(rclone.processes[0].popen.pid, rclone.folder, flush=True)\n"
                  "time.sleep(60)")
        parent = subprocess.Popen(
            [sys.executable, "-c", script, os.path.dirname(os.path.dirname(__file__))],
            stdout=subprocess.PIPE, text=True)
        process, folder = parent.stdout.readline().split()
        self.assertTrue(lives(process))
        parent.kill()
        parent.wait()
        parent.stdout.close()
        end = time.monotonic() + 20
        while (lives(process) or os.path.exists(folder)) and time.monotonic() < end:
            time.sleep(0.05)
        self.assertFalse(lives(process))
        self.assertFalse(os.path.exists(folder))

    def test_a_process_that_does_not_listen_to_signals(self):
        log = os.devnull
        process = Process("deaf", ["bash", "-c", "trap '' TERM; while :; do sleep 0.1; done"], log)
        process.start()
        time.sleep(0.3)
        begun = time.monotonic()
        process.stop(grace=0.5)
        self.assertLess(time.monotonic() - begun, 20)
        self.assertFalse(process.running)


def one_bit(body):
    """Where a body differs from `BODY`, if only by one bit."""
    different = [n for n in range(len(BODY)) if body[n] != BODY[n]]
    if len(body) == len(BODY) and len(different) == 1:
        if (body[different[0]] ^ BODY[different[0]]).bit_count() == 1:
            return different[0]
    return None


def lives(process):
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        with open(f"/proc/{process}/cmdline", "rb") as file:
            return file.read() != b""
    except OSError:
        return False


if __name__ == "__main__":
    unittest.main()
