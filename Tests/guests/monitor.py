"""Clients of QEMU's own sockets: the monitor, and the guest's agent."""
import json
import socket
import time


class Refused(Exception):
    """QEMU or the agent did not do what it was asked."""


class Monitor:
    """QMP on a socket; `events` are those that came meanwhile."""

    def __init__(self, path, deadline=30):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(deadline)
        self.socket.connect(path)
        self.file = self.socket.makefile("rwb")
        self.events = []
        self.read()
        self.ask("qmp_capabilities")

    def read(self):
        line = self.file.readline()
        if not line:
            raise Refused("the monitor closed the connection")
        return json.loads(line)

    def ask(self, command, **arguments):
        request = {"execute": command, **({"arguments": arguments} if arguments else {})}
        self.file.write(json.dumps(request).encode() + b"\n")
        self.file.flush()
        while True:
            answer = self.read()
            if "event" in answer:
                self.events.append(answer)
            elif "error" in answer:
                raise Refused(f"{command}: {answer['error']['desc']}")
            else:
                return answer["return"]

    def wait_for(self, *names):
        while True:
            for event in self.events:
                if event["event"] in names:
                    self.events.remove(event)
                    return event
            self.events.append(self.read())

    def close(self):
        self.file.close()
        self.socket.close()


def ask_agent(path, command, deadline=30, **arguments):
    """One question to an agent by its own socket, which has one client at a time."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(deadline)
    with connection:
        connection.connect(path)
        with connection.makefile("rwb") as file:
            number = time.monotonic_ns() & 0x7FFFFFFF
            # This byte ends whatever somebody else left half said.
            file.write(b"\xff" + json.dumps({"execute": "guest-sync-delimited",
                                             "arguments": {"id": number}}).encode() + b"\n")
            file.flush()
            while True:
                line = file.readline()
                if not line:
                    raise Refused("the agent's socket was closed")
                line = line[line.rfind(b"\xff") + 1:]
                if line.strip() and json.loads(line).get("return") == number:
                    break
            request = {"execute": command, **({"arguments": arguments} if arguments else {})}
            file.write(json.dumps(request).encode() + b"\n")
            file.flush()
            answer = json.loads(file.readline())
    if "error" in answer:
        raise Refused(f"{command}: {answer['error']['desc']}")
    return answer["return"]
