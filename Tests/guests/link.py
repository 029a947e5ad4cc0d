"""A link between two hosts: the first has the address 172.31.0.1, the second 172.31.0.2."""
from servers.process import run


class Link:
    FIRST, SECOND = "172.31.0.1", "172.31.0.2"

    def __init__(self, first, second, rate=None):
        self.first, self.second, self.rate = first, second, rate

    def up(self):
        """Connects the hosts; `rate` as `tc` writes it, such as `50mbit`."""
        one, other = self.first.first_process(), self.second.first_process()
        run(["ip", "link", "add", "link0", "netns", str(one), "type", "veth", "peer", "name", "link0",
             "netns", str(other)])
        for host, address in ((self.first, self.FIRST), (self.second, self.SECOND)):
            host.run(["ip", "address", "add", f"{address}/30", "dev", "link0"])
            host.run(["ip", "link", "set", "link0", "up"])
            if self.rate:
                host.run(["tc", "qdisc", "replace", "dev", "link0", "root", "tbf", "rate", self.rate,
                          "burst", "64kb", "latency", "100ms"])
        return self

    def down(self):
        """Cuts it; both ends vanish with one of them."""
        self.first.run(["ip", "link", "delete", "link0"])
