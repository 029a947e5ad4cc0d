"""HAProxy in front of a server: a long way, on which each request takes its time."""
from .process import wait_until
from .server import Server, answers, free_port

CONFIGURATION = """
global
  lua-load {folder}/wait.lua
  nbthread 1
defaults
  mode http
  timeout connect 10s
  timeout client 300s
  timeout server 300s
  option http-no-delay
frontend long
  bind 127.0.0.1:{port}
  http-request lua.wait
  default_backend server
frontend short
  bind 127.0.0.1:{short_port}
  default_backend server
backend server
  http-reuse safe
  server only 127.0.0.1:{target}
"""

WAIT = """core.register_action("wait", {{"http-req"}}, function(transaction)
  core.msleep({milliseconds})
end, 0)
"""


class DelayFront(Server):
    """Two ports: behind `url` each request waits, behind `short_url` none does."""

    name = "delay"

    def __init__(self, target, milliseconds):
        super().__init__()
        self.target, self.milliseconds = target, milliseconds
        self.port, self.short_port = free_port(), free_port()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def short_url(self):
        return f"http://127.0.0.1:{self.short_port}"

    def environment(self):
        return {"DELAYED_URL": self.url, "UNDELAYED_URL": self.short_url}

    def launch(self):
        self.write("wait.lua", WAIT.format(milliseconds=self.milliseconds))
        self.write("haproxy.cfg", CONFIGURATION.format(
            folder=self.folder, port=self.port, short_port=self.short_port, target=self.target))
        self.process("haproxy", ["haproxy", "-db", "-f", self.path("haproxy.cfg")])

    def ready(self):
        for port in (self.port, self.short_port):
            wait_until(lambda port=port: answers(port), self.start_deadline, "haproxy answers")
