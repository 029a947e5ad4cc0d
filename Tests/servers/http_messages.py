"""As much of HTTP/1.1 as a proxy needs: heads, bodies, and how connections end."""
import dataclasses
import socket
import struct

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
