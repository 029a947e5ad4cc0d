"""A guest of a host's libvirt: its life, a way into it, its disks."""
import base64
import http.client
import json
import os
import re
import shutil
import sqlite3
import subprocess
import time
from xml.etree import ElementTree

from servers.process import run, wait_until

from .images import KERNEL_ARGUMENTS
from .inside import Inside

XML = """<domain type='qemu'>
  <name>{name}</name><memory unit='MiB'>256</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='{machine}'>hvm</type>{boot}</os>
  <features><acpi/><apic/></features><cpu mode='maximum'/><clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</on_crash>
  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
    {disks}
    <interface type='network'><mac address='{mac}'/><source network='{network}'/>
      <model type='virtio'/><rom enabled='no'/></interface>
    <serial type='file'><source path='{serial}'/><target port='0'/></serial>
    {agent}
    <controller type='usb' model='none'/><memballoon model='none'/>
  </devices>
</domain>
"""

DISK = """<disk type='file' device='disk'><driver name='qemu' type='{format}' discard='unmap'/>
      <source file='{path}'/><target dev='{target}' bus='virtio'/><serial>{serial}</serial></disk>"""

AGENT = """<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"""
DIRECT = "<kernel>{kernel}</kernel><initrd>{initrd}</initrd><cmdline>{arguments}</cmdline>"


class Domain(Inside):
    """A guest with its root disk as `vda` and a data disk as `vdb`.

    `data` is `ext4` or `xfs`; `raw` names disks that have no format of their own; `number` gives the
    address 10.77.0.NUMBER in the network `production`; `direct` starts the kernel without the disk's help.
    """

    numbers = iter(range(10, 40))

    def __init__(self, host, name, number=None, network="production", data="ext4", raw=(),
                 direct=False, agent=True, machine="pc"):
        self.host, self.name, self.network, self.data, self.raw = host, name, network, data, raw
        self.number = number or next(self.numbers)
        self.direct, self.agent, self.machine = direct, agent, machine
        self.address = f"10.77.0.{self.number}"

    # Its definition.

    def path(self, *names):
        return self.host.path("disks", self.name, *names)

    @property
    def serial_log(self):
        return self.path("serial.log")

    def define(self):
        os.makedirs(self.path())
        images = self.host.images
        data = images.data_xfs if self.data == "xfs" else images.data
        disks = []
        for target, image in (("vda", images.root), ("vdb", data)):
            form = "raw" if target in self.raw else "qcow2"
            path = self.path(f"{target}.{form}")
            if form == "raw":
                run(["qemu-img", "convert", "-O", "raw", image, path])
            else:
                shutil.copyfile(image, path)
            disks.append(self.disk_xml(target, path, form))
        boot = "<boot dev='hd'/>" if not self.direct else DIRECT.format(
            kernel=images.kernel, initrd=images.initrd, arguments=KERNEL_ARGUMENTS)
        with open(self.path("domain.xml"), "w") as file:
            file.write(XML.format(
                name=self.name, machine=self.machine, boot=boot, disks="\n    ".join(disks),
                mac=f"52:54:00:77:00:{self.number:02x}", network=self.network, serial=self.serial_log,
                agent=AGENT if self.agent else ""))
        self.host.virsh("define", self.path("domain.xml"))
        return self

    @staticmethod
    def disk_xml(target, path, form="qcow2"):
        return DISK.format(target=target, path=path, format=form, serial=f"serial-{target}")

    def xml(self):
        return ElementTree.fromstring(self.host.virsh("dumpxml", self.name))

    def disk_files(self):
        """The file or device of each disk at present, by target."""
        found = {}
        for disk in self.xml().iter("disk"):
            source = disk.find("source")
            path = None if source is None else source.get("file") or source.get("dev")
            if path:
                found[disk.find("target").get("dev")] = path
        return found

    # Its life.

    def state(self):
        return self.host.virsh("domstate", self.name).strip()

    def start(self, wait=True):
        self.host.virsh("start", self.name)
        return self.wait_ready() if wait else self

    def wait_ready(self, deadline=240):
        """Until the agent and the web server answer, and records are written."""
        begun = self.number_now() if self.network == "production" else None
        if self.agent:
            wait_until(self.agent_answers, deadline, f"the agent of {self.name}")
        if self.network == "production":
            wait_until(lambda: (self.number_now() or 0) > (begun or 0), deadline, f"records of {self.name}")
        return self

    def destroy(self):
        """Pulls the plug; QEMU ends in order."""
        self.host.attempt(["virsh", "-q", "-c", "qemu:///system", "destroy", self.name])

    def undefine(self):
        self.destroy()
        self.host.virsh("undefine", self.name, "--checkpoints-metadata", "--nvram")

    def shut_down(self, deadline=90):
        self.host.virsh("shutdown", self.name, "--mode", "agent" if self.agent else "acpi")
        wait_until(lambda: self.state() == "shut off", deadline, f"the end of {self.name}")

    def kill(self):
        """kill -9 of the QEMU that runs it."""
        process = self.host.read_pid(f"/run/libvirt/qemu/{self.name}.pid")
        self.host.run(["kill", "-9", process])
        wait_until(lambda: self.state() == "shut off", 30, f"the end of {self.name}")

    def pause(self):
        self.host.virsh("suspend", self.name)

    def resume(self):
        self.host.virsh("resume", self.name)

    def paused(self):
        return Paused(self)

    # Ways into it.

    def ask_agent(self, command, deadline=20, **arguments):
        request = {"execute": command, **({"arguments": arguments} if arguments else {})}
        answer = self.host.virsh("qemu-agent-command", self.name, json.dumps(request), "--timeout",
                                 str(deadline), deadline=deadline + 30)
        return json.loads(answer)["return"]

    def agent_answers(self, deadline=2):
        request = '{"execute": "guest-ping"}'
        return self.host.attempt(["virsh", "-q", "-c", "qemu:///system", "qemu-agent-command", self.name,
                                  request, "--timeout", str(deadline)])[0] == 0

    def is_frozen(self):
        return self.ask_agent("guest-fsfreeze-status") == "frozen"

    def execute(self, script, deadline=60):
        """Runs a shell script in the guest by its agent and returns what it printed."""
        process = self.ask_agent("guest-exec", path="/bin/sh", arg=["-c", script],
                                 **{"capture-output": True})["pid"]
        answer = {}

        def ended():
            answer.update(self.ask_agent("guest-exec-status", pid=process))
            return answer["exited"]
        wait_until(ended, deadline, f"a script in {self.name}")
        text = "".join(base64.b64decode(answer.get(key, "")).decode(errors="replace")
                       for key in ("out-data", "err-data"))
        if answer.get("exitcode") != 0:
            raise RuntimeError(f"in {self.name}: {script[:80]}: {answer.get('exitcode')}: {text[-400:]}")
        return text

    def request(self, method, path, body=None, deadline=15, address=None):
        """A request to the guest's web server: status and body."""
        def send():
            connection = http.client.HTTPConnection(address or self.address, timeout=deadline)
            try:
                connection.request(method, path, body)
                response = connection.getresponse()
                return response.status, response.read()
            finally:
                connection.close()
        return self.host.in_network(send)

    def send(self, method, path, body=None, deadline=15):
        return self.request(method, path, body, deadline)[1]

    # What libvirt has of it.

    def job(self):
        """The kind of the job that libvirt does with it, or `None`."""
        while True:
            code, text = self.host.attempt(["virsh", "-c", "qemu:///system", "domjobinfo", self.name])
            if code == 0:
                break
            # As long as one begins or ends, libvirt may know that it is there and nothing of it.
            if "job data missing" not in text:
                raise RuntimeError(f"the job of {self.name}: {text}")
            time.sleep(0.05)
        kind = re.search(r"Job type:\s*(\S+)", text).group(1)
        return None if kind in ("None", "Completed") else kind

    def checkpoints(self):
        return self.host.virsh("checkpoint-list", self.name, "--name").split()

    def bitmaps(self, target):
        """Bitmaps of a running guest's disk by name."""
        answer = json.loads(self.host.virsh("qemu-monitor-command", self.name,
                                            '{"execute": "query-block"}'))["return"]
        place = self.disk_files()[target]
        found = {}
        for device in answer:
            if (device.get("inserted") or {}).get("file") == place:
                for bitmap in device["inserted"].get("dirty-bitmaps", []):
                    found[bitmap.get("name")] = bitmap
        return found

    def stored_bitmaps(self, target):
        """Names of the bitmaps in the file of a disk that nobody has open."""
        text = run(["qemu-img", "info", "--output=json", self.disk_files()[target]])
        return [bitmap["name"] for bitmap in
                json.loads(text).get("format-specific", {}).get("data", {}).get("bitmaps", [])]

    # Its disks.

    def read_disk(self, target, path):
        """A raw copy of a disk; exact while the guest is paused or off."""
        run(["qemu-img", "convert", "-U", "-O", "raw", self.disk_files()[target], path], deadline=120)
        return path


class Paused:
    """While this lasts the guest stands still, and its disks' files hold all that it wrote."""

    def __init__(self, domain):
        self.domain = domain

    def __enter__(self):
        self.domain.pause()
        return self.domain

    def __exit__(self, *_):
        self.domain.resume()


def same_bytes(one, other):
    return subprocess.run(["cmp", "-s", one, other]).returncode == 0
