"""Ceph on one machine: a monitor, one OSD and the RADOS gateway, which speaks S3 and Swift."""
import base64
import json
import os
import struct
import subprocess
import time
import uuid

from .process import run, wait_until
from .server import SYSTEM_PYTHON, Server, answers, free_port

# Each call of the `ceph` command takes half a second; one process for all commands takes one.
MONITOR_COMMANDS = """
import json, sys, rados
cluster = rados.Rados(conffile=sys.argv[1])
cluster.connect(timeout=30)
for command, data in json.load(sys.stdin):
    code, _, why = cluster.mon_command(json.dumps(command), data.encode())
    if code:
        sys.exit("%s: %d %s" % (command, code, why))
cluster.shutdown()
"""

CONFIGURATION = """[global]
fsid = {cluster}
mon_host = [v2:127.0.0.1:{monitor_port}/0,v1:127.0.0.1:{old_monitor_port}/0]
mon_initial_members = a
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
public_network = 127.0.0.0/8
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
auth_allow_insecure_global_id_reclaim = false
keyring = {folder}/$name.keyring
run_dir = {folder}/run
admin_socket = {folder}/run/$name.asok
log_file = {folder}/log/$name.log
crash_dir = {folder}/log
mon_cluster_log_file = {folder}/log/cluster.log
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
# A monitor stops by itself when its disk is nearly full; here that disk is everybody's.
mon_data_avail_warn = 2
mon_data_avail_crit = 1
mon_max_pg_per_osd = 1000
[mon]
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
mon_data = {folder}/mon
[osd]
osd_data = {folder}/osd
osd_objectstore = bluestore
bluestore_block_create = true
bluestore_block_size = {size}
osd_memory_target = 1073741824
osd_op_num_shards = 2
osd_op_num_threads_per_shard = 1
[client.rgw.gateway]
rgw_frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw_thread_pool_size = 64
rgw_swift_account_in_url = true
rgw_enable_usage_log = false
"""

GATEWAY_POOLS = [
    ".rgw.root", "default.rgw.log", "default.rgw.control", "default.rgw.meta",
    "default.rgw.buckets.index", "default.rgw.buckets.data", "default.rgw.buckets.non-ec"]


def new_key():
    """A cephx key: type, time, length and 16 random bytes."""
    return base64.b64encode(
        struct.pack("<HIIH", 1, int(time.time()), 0, 16) + os.urandom(16)).decode()


class Ceph(Server):
    name = "ceph"
    access_key, secret_key = "test-access-key", "test-secret-of-the-gateway"
    swift_user, swift_key = "tester:swift", "test-key-of-the-gateway"

    def __init__(self, size=20 << 30):
        super().__init__()
        self.size = size
        self.port, self.monitor_port, self.old_monitor_port = (free_port() for _ in range(3))
        self.monitor = self.osd = self.gateway = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def swift_auth_url(self):
        return f"{self.url}/auth/1.0"

    def environment(self):
        return {**self.s3_environment(), **self.swift_environment(),
                "CEPH_CONF": self.configuration, "S3_URL": self.url}

    def s3_environment(self):
        return {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key,
                "AWS_REGION": "us-east-1"}

    def swift_environment(self):
        return {"ST_AUTH": self.swift_auth_url, "ST_USER": self.swift_user,
                "ST_KEY": self.swift_key}

    @property
    def configuration(self):
        return self.path("ceph.conf")

    def launch(self):
        for name in ("run", "mon", "osd"):
            os.makedirs(self.path(name))
        cluster, osd, keys = str(uuid.uuid4()), str(uuid.uuid4()), {
            name: new_key() for name in ("mon.", "client.admin", "osd.0", "client.rgw.gateway")}
        self.write("ceph.conf", CONFIGURATION.format(cluster=cluster, **vars(self)))
        every = ' caps mon = "allow *"\n caps osd = "allow *"\n caps mds = "allow *"\n'
        for name in keys:
            if name != "mon.":
                self.write(f"{name}.keyring", f"[{name}]\n key = {keys[name]}\n")
        monitor_keys = self.write("mon.keyring", "".join(
            f"[{name}]\n key = {keys[name]}\n{every}" for name in ("mon.", "client.admin")))
        monitors = self.path("monmap")
        run(["monmaptool", "--create", "--fsid", cluster, "--addv", "a",
             f"[v2:127.0.0.1:{self.monitor_port},v1:127.0.0.1:{self.old_monitor_port}]",
             "--set-min-mon-release", "pacific", monitors])
        run(["ceph-mon", "--mkfs", "-i", "a", "--monmap", monitors, "--keyring", monitor_keys,
             "-c", self.configuration])
        self.monitor = self.process(
            "mon", ["ceph-mon", "-f", "-i", "a", "-c", self.configuration, "--keyring",
                    monitor_keys])
        make_osd = subprocess.Popen(
            ["ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", osd, "-c", self.configuration,
             "--no-mon-config"], stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT,
            stdout=open(self.path("log", "mkfs.log"), "wb"))
        caps = ["mon", "allow rw", "osd", "allow rwx", "mgr", "allow rw"]
        osd_caps = ["mon", "allow profile osd", "osd", "allow *", "mgr", "allow profile osd"]
        commands = [
            ({"prefix": "osd new", "uuid": osd, "id": 0},
             json.dumps({"cephx_secret": keys["osd.0"]})),
            ({"prefix": "auth caps", "entity": "osd.0", "caps": osd_caps}, ""),
            ({"prefix": "auth add", "entity": "client.rgw.gateway", "caps": caps},
             f"[client.rgw.gateway]\n key = {keys['client.rgw.gateway']}\n")]
        for pool in GATEWAY_POOLS:
            commands.append(({"prefix": "osd pool create", "pool": pool, "pg_num": 8}, ""))
            commands.append(({"prefix": "osd pool application enable", "pool": pool, "app": "rgw",
                              "yes_i_really_mean_it": True}, ""))
        try:
            self.monitor_commands(*commands)
        finally:
            failed = make_osd.wait(60)
        if failed:
            raise RuntimeError(f"ceph-osd --mkfs: exit {failed}")
        self._start_osd()
        self.gateway = self.process(
            "rgw", ["radosgw", "-f", "-n", "client.rgw.gateway", "-c", self.configuration])

    def _start_osd(self):
        self.osd = self.process("osd", ["ceph-osd", "-f", "-i", "0", "-c", self.configuration])

    def ready(self):
        self._wait_for_gateway()
        self.administer("user", "create", "--uid=tester", "--display-name=tester",
                        f"--access-key={self.access_key}", f"--secret-key={self.secret_key}")
        self.administer("subuser", "create", "--uid=tester", f"--subuser={self.swift_user}",
                        "--access=full", f"--secret-key={self.swift_key}", "--key-type=swift")

    def _wait_for_gateway(self):
        wait_until(lambda: answers(self.port), self.start_deadline, "radosgw",
                   [self.monitor, self.osd, self.gateway])

    def grace(self, process):
        # The gateway waits more than ten seconds for its clients, and keeps nothing to itself.
        return 0 if process is self.gateway else 3

    def monitor_commands(self, *commands):
        """Commands to the monitor, each with its input."""
        run([*SYSTEM_PYTHON, "-c", MONITOR_COMMANDS, self.configuration],
            input=json.dumps(commands).encode())

    def administer(self, *arguments):
        """Runs `radosgw-admin`."""
        return run(["radosgw-admin", "-c", self.configuration, *arguments])

    # Faults.

    def pause_data(self):
        """All reads and writes of data hang from now on; the gateway itself still answers."""
        self.monitor_commands(({"prefix": "osd set", "key": "pause"}, ""))

    def resume_data(self):
        self.monitor_commands(({"prefix": "osd unset", "key": "pause"}, ""))

    def kill_osd(self):
        """Ends the OSD without warning, as a loss of power would."""
        self.osd.kill()
        self.processes.remove(self.osd)

    def start_osd(self):
        # Nobody else could have told the monitor that its only OSD is gone.
        self.monitor_commands(({"prefix": "osd down", "ids": ["0"]}, ""))
        self._start_osd()

    def kill_gateway(self):
        self.gateway.kill()
        self.processes.remove(self.gateway)

    def start_gateway(self):
        self.gateway = self.process(
            "rgw", ["radosgw", "-f", "-n", "client.rgw.gateway", "-c", self.configuration])
        self._wait_for_gateway()

    def set_quota(self, size):
        """Limits the user to `size` bytes; `None` lifts the limit."""
        scope = ["--quota-scope=user", "--uid=tester"]
        if size is None:
            self.administer("quota", "disable", *scope)
        else:
            self.administer("quota", "set", *scope, f"--max-size={size}")
            self.administer("quota", "enable", *scope)
