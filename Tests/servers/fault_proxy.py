"""A proxy that understands HTTP and does to chosen requests what networks and servers do at times."""
import asyncio
import dataclasses
import json
import random
import socket
import struct
import threading

from .faults import Decisions, Fault, Rule, Schedule
from .server import free_port

BLOCK = 65_536


class Cut(Exception):
    """Both connections are to be reset."""


class Finished(Exception):
    """The client's connection is to be closed in good order."""


@dataclasses.dataclass
class Head:
    """The first line and the headers of a request or a reply."""

    raw: bytes

    def __post_init__(self):
        first, *lines = self.raw.decode("latin-1").rstrip("\r\n").split("\r\n")
        self.first = first.split(" ")
        self.headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()

    @property
    def line(self):
        return " ".join(self.first[:2])

    @property
    def status(self):
        return int(self.first[1])

    def request_length(self):
        """The length of a request's body; `None` if it comes in chunks."""
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            return None
        return int(self.headers.get("content-length", 0))

    def reply_length(self, method):
        """The length of a reply's body; `None` for chunks, -1 for everything up to the end."""
        if method == "HEAD" or self.status in (204, 304) or self.status < 200:
            return 0
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            return None
        return int(self.headers.get("content-length", -1))

    def closes(self):
        return self.headers.get("connection", "").lower() == "close"


async def blocks(reader, length):
    """The pieces of a body as they are on the wire, with the frames of its chunks."""
    if length is None:
        while True:
            line = await reader.readuntil(b"\r\n")
            yield line
            size = int(line.split(b";")[0], 16)
            if size == 0:
                while line != b"\r\n":
                    line = await reader.readuntil(b"\r\n")
                    yield line
                return
            async for block in blocks(reader, size + 2):
                yield block
    while length != 0:
        block = await reader.read(BLOCK if length < 0 else min(BLOCK, length))
        if not block:
            if length > 0:
                raise Cut
            return
        if length > 0:
            length -= len(block)
        yield block


def reset(writer):
    """Ends a connection with a reset instead of an orderly end."""
    try:
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    except (OSError, AttributeError):
        pass


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
        task = asyncio.current_task()
        self._tasks.add(task)
        link = Link(self, reader, writer)
        try:
            await (link.carry_stream() if self.streams else link.carry_requests())
            writer.close()
        except Finished:
            link.reset_server()
            writer.close()
        except (Cut, OSError, EOFError, ValueError, asyncio.LimitOverrunError):
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


class Link:
    """One connection of a client, and the one to the server that goes with it."""

    def __init__(self, proxy, reader, writer):
        self.proxy, self.reader, self.writer = proxy, reader, writer
        self.server_reader = self.server_writer = None
        self.fault, self.line = None, ""

    async def connect(self):
        if self.server_writer is None:
            self.server_reader, self.server_writer = await asyncio.open_connection(
                "127.0.0.1", self.proxy.target, limit=1 << 20)

    def reset_server(self):
        if self.server_writer is not None:
            reset(self.server_writer)
            self.server_reader = self.server_writer = None

    def happened(self):
        self.proxy.decisions.happened(self.fault, self.line)

    async def carry_stream(self):
        self.line = "STREAM /"
        self.fault = self.proxy.decisions.choose(self.line, None)
        await self.before()
        await self.connect()
        await self.both(self.move("up", -1, end=True), self.move("down", -1, end=True))

    async def carry_requests(self):
        while True:
            try:
                head = Head(await self.reader.readuntil(b"\r\n\r\n"))
            except asyncio.IncompleteReadError:
                return
            self.line = head.line
            self.fault = self.proxy.decisions.choose(head.line, head.request_length())
            await self.before(head)
            if not await self.exchange(head):
                return

    async def before(self, head=None):
        """Faults that keep the request from the server."""
        mode = self.fault.mode if self.fault else ""
        if mode in ("refuse", "black_hole", "http", "late", "delay", "duplicate", "throttle",
                    "jitter"):
            self.happened()
        if mode == "refuse":
            raise Cut
        if mode == "black_hole":
            while await self.reader.read(BLOCK):
                pass
            raise Cut
        if mode == "delay":
            await asyncio.sleep(self.fault.milliseconds / 1000)
        if mode == "late" and head:
            body = await self.collect(head)
            self.proxy.background(self.proxy.deliver(head, body, self.fault.milliseconds))
            raise Cut
        if mode == "http":
            body = b"<?xml version='1.0'?><Error><Code>Injected</Code></Error>"
            wait = self.fault.retry_after
            self.writer.write(
                b"HTTP/1.1 %d Injected\r\nContent-Type: application/xml\r\nConnection: close\r\n"
                b"%sContent-Length: %d\r\n\r\n%s"
                % (self.fault.code, b"" if wait is None else b"Retry-After: %d\r\n" % wait,
                   len(body), b"" if head and head.first[0] == "HEAD" else body))
            await self.writer.drain()
            self.writer.write_eof()
            try:
                # A connection closed with bytes unread would be reset, and the answer lost.
                async with asyncio.timeout(2):
                    while await self.reader.read(BLOCK):
                        pass
            except asyncio.TimeoutError:
                pass
            raise Finished

    async def collect(self, head):
        if head.headers.get("expect", "").lower() == "100-continue":
            self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return b"".join([block async for block in blocks(self.reader, head.request_length())])

    async def exchange(self, head):
        """Forwards a request and its reply; whether the connection can be used again."""
        copy = [] if self.fault and self.fault.mode == "duplicate" else None
        await self.connect()
        self.server_writer.write(head.raw)

        async def up():
            await self.move("up", head.request_length(), copy)
            if copy is not None:
                self.proxy.background(
                    self.proxy.deliver(head, b"".join(copy), self.fault.milliseconds))
        return await self.both(up(), self.reply(head))

    async def reply(self, request):
        losing = self.fault is not None and self.fault.mode == "lose_reply"
        while True:
            head = Head(await self.server_reader.readuntil(b"\r\n\r\n"))
            if self.fault and self.fault.mode == "delay":
                await asyncio.sleep(self.fault.milliseconds / 1000)
            if not losing or head.status < 200:
                self.writer.write(head.raw)
            if head.status >= 200:
                break
        length = head.reply_length(request.first[0])
        if losing:
            async for _ in blocks(self.server_reader, length):
                pass
            self.happened()
            raise Cut
        await self.move("down", length)
        return not (head.closes() or request.closes() or length == -1)

    async def both(self, up, down):
        """Carries the request and the reply at once, as long as the reply is not complete."""
        loop = asyncio.get_running_loop()
        up, down = loop.create_task(up), loop.create_task(down)
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            if up.done():
                up.result()
                return await down
            keep = down.result()
            # The server has answered before it read everything.
            await asyncio.wait({up}, timeout=2)
            if not up.done():
                return False
            up.result()
            return keep
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)

    async def move(self, direction, length, copy=None, end=False):
        """Moves a body, with what the fault does to it."""
        reader, writer = ((self.reader, self.server_writer) if direction == "up"
                          else (self.server_reader, self.writer))
        fault = self.fault
        effect, _, where = (fault.mode if fault else "").rpartition("_")
        at = None
        if where == direction and not (effect == "corrupt" and length == 0):
            at = fault.position(length if length != -1 else None)
            if effect == "corrupt" and length and length > 0:
                at = min(at, length - 1)
        done = 0
        if at == 0 and effect != "corrupt":
            await self.interrupt(effect, writer)
        async for block in blocks(reader, length):
            if where == "throttle":
                await asyncio.sleep(len(block) / fault.rate)
            elif where == "jitter":
                await asyncio.sleep(self.proxy.random.random() * fault.milliseconds / 1000)
            if at is not None and done <= at < done + len(block):
                if effect == "corrupt":
                    block = bytearray(block)
                    block[at - done] ^= 1 << self.proxy.random.randrange(8)
                    self.happened()
                else:
                    writer.write(block[:at - done])
                    await self.interrupt(effect, writer)
            if copy is not None:
                copy.append(block)
            writer.write(block)
            await writer.drain()
            done += len(block)
        await writer.drain()
        if end:
            writer.write_eof()

    async def interrupt(self, effect, writer):
        """The body stops here, and what follows is up to the fault."""
        self.happened()
        await writer.drain()
        if effect == "stall":
            await asyncio.sleep(86_400)
        # What was written has to arrive before the reset does.
        await asyncio.sleep(0.02)
        raise Finished if effect == "fin" else Cut
