"""What happens to the requests of one connection."""
import asyncio

from .http_messages import BLOCK, Cut, Finished, Head, blocks, reset


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
