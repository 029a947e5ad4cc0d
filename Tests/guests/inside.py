"""What tests do inside a guest, by its web server: also where its agent does not answer."""
import http.client
import json

from servers.process import wait_until


class Inside:
    """Subclasses have `name`, `send`, `wait_ready` and `agent_answers`."""

    def send(self, method, path, body=None, deadline=15):
        """A request to the guest's web server; the body of the answer."""
        raise NotImplementedError

    def call(self, script, deadline=60):
        """Runs a shell script in the guest and returns what it printed."""
        body = self.send("POST", "/cgi-bin/shell", script.encode(), deadline)
        text, _, code = body.decode(errors="replace").rpartition("\nexit ")
        if code.strip() != "0":
            raise RuntimeError(f"in {self.name}: {script[:80]}: {code.strip()}: {text[-400:]}")
        return text

    def status(self, deadline=5):
        """`host`, `boot`, `uptime` and the `number` of the newest record."""
        return json.loads(self.send("GET", "/cgi-bin/status", deadline=deadline))

    def try_status(self):
        try:
            return self.status(deadline=3)
        except (OSError, http.client.HTTPException, ValueError):
            return None

    def number_now(self):
        """The newest record's number, or `None` where the guest does not answer."""
        return (self.try_status() or {}).get("number")

    def records_go_on(self, deadline=15):
        """Waits until one more record has been written: the guest is not frozen."""
        begun = self.number_now() or 0
        wait_until(lambda: (self.number_now() or 0) > begun, deadline, f"more records of {self.name}")

    def write_probe(self, deadline=15):
        """Writes to both disks: this comes back only when no file system is frozen."""
        self.call("date >/data/probe && date >/root/probe", deadline)

    def write_noise(self, megabytes, name="more"):
        """Lets the guest write, and waits until it is on the disk."""
        self.call(f"dd if=/dev/urandom of=/data/public/{name} bs=64k count={int(megabytes * 16)} "
                  "2>/dev/null && sync", deadline=120)

    def write_over(self, megabytes, deadline=120):
        """Lets the guest write in place, so that a snapshot has to keep what was there."""
        self.call(f"dd if=/dev/urandom of=/data/public/old bs=64k count={int(megabytes * 16)} conv=notrunc "
                  "2>/dev/null && sync", deadline)

    def reboot(self):
        """Restarts the guest's system; QEMU runs on."""
        before = self.status()["boot"]
        self.call("(sleep 0.3; reboot) >/dev/null 2>&1 &")

        def again():
            status = self.try_status()
            return status is not None and status["boot"] != before
        wait_until(again, 120, f"the restart of {self.name}")
        return self.wait_ready()

    # Knobs, see guest/freeze-application.

    def turn(self, knob, value=""):
        self.call(f"mkdir -p /run/knobs; echo '{value}' >/run/knobs/{knob}")

    def turn_back(self):
        self.call("rm -rf /run/knobs")

    def take_agent_away(self):
        self.call("touch /run/no-agent; killall qemu-ga; sleep 0.3")

    def bring_agent_back(self):
        self.call("rm -f /run/no-agent")
        wait_until(self.agent_answers, 30, f"the agent of {self.name}")

    def hold_agent(self):
        self.call("killall -STOP qemu-ga")

    def release_agent(self):
        self.call("killall -CONT qemu-ga")
