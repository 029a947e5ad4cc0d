"""A proxy that understands HTTP and does to chosen requests what networks and servers do at times."""
import asyncio
import json
import random
import threading

from .fault_link import Link
from .faults import Decisions, Fault, Rule, Schedule
from .http_messages import BLOCK, Cut, Finished, Head, reset
from .server import free_port


class FaultProxy:
    """Listens on `port` and forwards to `target`.

    A proxy of streams does not look into what it carries: for TLS. Then a connection counts as one
    request, and only what happens to bytes can be chosen.
    """

    def __init__(self, target, streams=False, seed=0):
        self.target, self.streams = target, streams
        self.port, self.control_port = free_port(), free_port()
        self.decisions = Decisions(seed)
        self.random = random.Random(f"jitter {seed}")
        self._loop = self._thread = self._server = None
        self._tasks = set()
        # Where connections came from.
        self.peers = set()

    # From outside; these may be called by any thread.

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        started, errors = threading.Event(), []

        def work():
            self._loop = asyncio.new_event_loop()
            try:
                self._loop.run_until_complete(self._listen())
                self._loop.run_until_complete(asyncio.start_server(
                    self._control, "127.0.0.1", self.control_port))
            except OSError as error:
                errors.append(error)
            started.set()
            if not errors:
                self._loop.run_forever()
        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()
        started.wait()
        if errors:
            raise errors[0]
        return self

    def stop(self):
        if self._thread is None:
            return

        async def end():
            await self._close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._loop.stop()
        asyncio.run_coroutine_threadsafe(end(), self._loop)
        self._thread.join(20)
        self._thread = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def add(self, mode, match="", count=None, skip=0, probability=1.0, **values):
        """From now on requests that match get this fault; `count` of them, or all."""
        self.decisions.deciders.append(
            Rule(Fault(mode, **values), match, count, skip, probability))

    def schedule(self, seed, one_in, faults=None, match=""):
        """From now on one request in `one_in` gets one of the faults."""
        self.decisions.deciders.append(Schedule(seed, one_in, faults, match))

    def use(self, deciders):
        """From now on these decide, each with a `choose`, and nothing else does."""
        self.decisions.deciders = list(deciders)

    def clear(self):
        """No faults any more; what was counted stays."""
        self.decisions.deciders = []

    @property
    def counts(self):
        return dict(self.decisions.counts)

    def close_port(self):
        """Nobody listens any more: connections are refused. Those that exist go on."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(20)

    def open_port(self):
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(20)

    # Inside the proxy's thread.

    async def _listen(self):
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", self.port, limit=1 << 20, backlog=512)

    async def _close(self):
        if self._server:
            self._server.close()
            self._server = None

    async def _accept(self, reader, writer):
        self.decisions.counts["connections"] += 1
        self.peers.add((writer.get_extra_info("peername") or ("unknown",))[0])
        task = asyncio.current_task()
        self._tasks.add(task)
        link = Link(self, reader, writer)
        try:
            await (link.carry_stream() if self.streams else link.carry_requests())
            writer.close()
        except Finished:
            link.reset_server()
            writer.close()
        except (Cut, OSError, EOFError, ValueError, IndexError, asyncio.LimitOverrunError):
            reset(writer)
        except asyncio.CancelledError:
            reset(writer)
        finally:
            link.reset_server()
            self._tasks.discard(task)

    def background(self, coroutine):
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def deliver(self, head, body, milliseconds):
        """Sends a request on a connection of its own; nobody learns of the reply."""
        await asyncio.sleep(milliseconds / 1000)
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.target)
            writer.write(head.raw.replace(b"Expect: 100-continue\r\n", b"") + body)
            await writer.drain()
            await asyncio.wait_for(reader.read(BLOCK), 30)
            writer.close()
        except (OSError, asyncio.TimeoutError):
            pass

    async def _control(self, reader, writer):
        """`GET /status`, `POST /add`, `/schedule`, `/clear`, `/close`, `/open` with JSON."""
        try:
            head = Head(await reader.readuntil(b"\r\n\r\n"))
            body = await reader.readexactly(head.request_length())
            values = json.loads(body) if body else {}
            status, told = 200, {}
            try:
                match head.line:
                    case "POST /add":
                        self.add(**values)
                    case "POST /schedule":
                        self.schedule(**values)
                    case "POST /clear":
                        self.clear()
                    case "POST /close":
                        await self._close()
                    case "POST /open":
                        await self._listen()
                    case "GET /status":
                        told = self.counts
                    case _:
                        status = 404
            except (TypeError, ValueError) as error:
                status, told = 400, {"error": str(error)}
            told = json.dumps(told).encode() + b"\n"
            writer.write(b"HTTP/1.1 %d -\r\nContent-Type: application/json\r\nConnection: close\r\n"
                         b"Content-Length: %d\r\n\r\n" % (status, len(told)) + told)
            await writer.drain()
        except (OSError, EOFError, ValueError):
            pass
        writer.close()
