"""systemd as the first process of namespaces of its own: units can be started there, and killed."""
import glob
import os
import subprocess

from servers.process import run, wait_until
from servers.server import Server

from .host import children

# Nothing of the host's own units is seen, so that none can be started.
UNITS = {
    "lab.target": "[Unit]\nDefaultDependencies=no\nWants=dbus.socket\n",
    **{f"{name}.target": "[Unit]\nDefaultDependencies=no\n" for name in ("sysinit", "basic", "shutdown")},
    "dbus.socket": "[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=/run/dbus/system_bus_socket\n",
    "dbus.service": """[Unit]
DefaultDependencies=no
Requires=dbus.socket
[Service]
Type=notify
ExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile --systemd-activation --syslog-only
"""}

# Its control groups lie below a group of its own in every hierarchy where that can be made.
JOIN = r"""name=$1; shift
groups=$(cat /proc/self/cgroup)
while IFS=: read -r _ controllers path; do
    controllers=${controllers#name=}
    for top in "/sys/fs/cgroup/${controllers:-unified}" /sys/fs/cgroup; do
        if [[ -e $top$path/cgroup.procs ]]; then
            mkdir -p "$top${path%/}/$name" && echo $$ >"$top${path%/}/$name/cgroup.procs"
            break
        fi
    done
done <<<"$groups" 2>/dev/null
exec "$@"
"""

BEGIN = r"""set -e
for place; do mkdir -p "$place" && mount --bind "$place" "$FOLDER/shared$place"; done
mount -t tmpfs tmpfs /run
mkdir /run/lock
for place; do mkdir -p "$place" && mount --bind "$FOLDER/shared$place" "$place"; done
exec /lib/systemd/systemd --system --unit=lab.target --log-target=console --show-status=no
"""


class ServiceManager(Server):
    """`shared` are folders under /run that it has in common with this host."""

    name = "systemd"

    def __init__(self, shared=()):
        super().__init__()
        self.shared = list(shared)
        self.init = self.group = None

    def launch(self):
        os.makedirs(self.path("units"))
        for name, text in UNITS.items():
            self.write(f"units/{name}", text, 0o644)
        for place in self.shared:
            os.makedirs(self.path("shared") + place)
        self.group = os.path.basename(self.folder)
        environment = {
            "PATH": os.environ["PATH"], "container": "lifeboat", "FOLDER": self.folder,
            "SYSTEMD_UNIT_PATH": self.path("units"),
            "SYSTEMD_GENERATOR_PATH": self.path("none"), "SYSTEMD_ENVIRONMENT_GENERATOR_PATH": self.path("none")}
        self.init = self.process("systemd", [
            "bash", "-c", JOIN, "join", self.group,
            "unshare", "--mount", "--uts", "--ipc", "--pid", "--cgroup", "--fork", "--kill-child=SIGKILL",
            "--mount-proc", "--propagation", "private", "--",
            "bash", "-c", BEGIN, "begin", *self.shared], environment)

    def ready(self):
        wait_until(self.answers, 30, "systemd and its bus", [self.init])

    def stop(self):
        if self.init:
            self.init.kill()
            self.init = None
        self.processes.clear()
        if self.group:
            wait_until(self.groups_are_gone, 30, "the end of all in the control groups")
        super().stop()

    def groups_are_gone(self):
        """Removes what is empty of them, the innermost first."""
        for top in glob.glob(f"/sys/fs/cgroup/**/{self.group}", recursive=True):
            for folder, _, _ in os.walk(top, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    return False
        return True

    # Commands.

    def prefix(self):
        # The first process is unshare's child; unshare itself took the place of the shell.
        return ["nsenter", "--target", str(children(self.init.popen.pid)[0]), "--mount", "--pid", "--cgroup",
                "--wd=/", "--"]

    def run(self, *command, deadline=30):
        return run([*self.prefix(), *map(str, command)], deadline).decode()

    def answers(self):
        return children(self.init.popen.pid) and subprocess.run(
            [*self.prefix(), "systemd-run", "--quiet", "--collect", "--pipe", "--", "true"],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=30).returncode == 0

    def start_unit(self, name, command, environment=None):
        """Starts a command as a service, which ends in no other way than the usual one."""
        settings = [f"--setenv={key}={value}" for key, value in (environment or {}).items()]
        self.run("systemd-run", "--quiet", f"--unit={name}", *settings, "--", *command)

    def kill_unit(self, name):
        """What ends a unit ends every process of its control group."""
        self.run("systemctl", "kill", "--signal=SIGKILL", "--kill-whom=all", name)

    def units(self, pattern):
        """Those that run, by name."""
        lines = self.run("systemctl", "list-units", "--plain", "--no-legend", "--no-pager", "--state=active",
                         pattern)
        return [line.split()[0] for line in lines.splitlines()]

    def main_process(self, name):
        """The number of a service's first process in these namespaces; 0 if there is none."""
        return int(self.run("systemctl", "show", "--property=MainPID", "--value", name))
