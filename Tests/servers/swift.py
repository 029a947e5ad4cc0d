"""OpenStack Swift with one replica: proxy, account, container and object server, memcached.

Swift reads `swift.conf` from a folder fixed at import; `LAUNCHER` points it to ours first, so that
neither root nor /etc/swift is needed and several Swifts can run at once.
"""
import json
import os
import pwd

from .process import run, wait_until
from .server import SYSTEM_PYTHON, Server, answers, free_port

LAUNCHER = """
import runpy, sys
from swift.common import utils
utils.SWIFT_CONF_FILE = sys.argv[1]
sys.argv[:] = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

SWIFT_CONFIGURATION = """[swift-hash]
swift_hash_path_suffix = suffix
swift_hash_path_prefix = prefix
[storage-policy:0]
name = gold
default = yes
[swift-constraints]
max_file_size = {largest_object}
"""

BACKEND = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
disable_fallocate = true
recon_cache_path = {folder}/recon
log_address = {folder}/no-syslog
[pipeline:main]
pipeline = healthcheck {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
conn_timeout = 15
node_timeout = 30
# Listings are late when a test wants it, not when the machine is busy.
container_update_timeout = 30
[filter:healthcheck]
use = egg:swift#healthcheck
[{kind}-updater]
interval = 5
recon_cache_path = {folder}/recon
"""

TEMPAUTH = """[filter:tempauth]
use = egg:swift#tempauth
token_life = {token_life}
storage_url_scheme = {scheme}
user_test_tester = {password} .admin
user_test_reader = {password}
"""

KEYSTONE_AUTH = """[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
www_authenticate_uri = {keystone_url}
auth_url = {keystone_url}
auth_type = password
project_domain_name = Default
user_domain_name = Default
project_name = service
username = swift
password = {keystone_password}
delay_auth_decision = false
cache = swift.cache
include_service_catalog = false
[filter:keystoneauth]
use = egg:swift#keystoneauth
operator_roles = admin, member
"""

PROXY = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = {workers}
user = {user}
swift_dir = {folder}
log_address = {folder}/no-syslog
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats bulk tempurl {auth} copy \
container-quotas account-quotas slo dlo versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
# On a busy machine half a second is too short, and an account that does not answer counts as none.
conn_timeout = 15
node_timeout = 30
recoverable_node_timeout = 30
# A server that was stopped and is back is asked again at once.
error_suppression_limit = 1000000
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{memcached_port}
connect_timeout = 15
pool_timeout = 15
io_timeout = 15
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:tempurl]
use = egg:swift#tempurl
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
location = us-east-1
min_segment_size = 5242880
[filter:copy]
use = egg:swift#copy
[filter:container-quotas]
use = egg:swift#container_quotas
[filter:account-quotas]
use = egg:swift#account_quotas
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
allow_object_versioning = true
[filter:symlink]
use = egg:swift#symlink
{auth_sections}"""


class Swift(Server):
    name = "swift"
    user, password = "test:tester", "test-password-of-swift"
    # Of the storage's address that the authentication tells: `https` behind a front.
    scheme = "default"

    def __init__(self, token_life=86_400, largest_object=5_368_709_122, workers=0, keystone=None):
        """With `keystone`, which may start at the same time, there is a second proxy for it."""
        super().__init__()
        self.token_life, self.largest_object = token_life, largest_object
        self.workers, self.keystone = workers, keystone
        self.port, self.memcached_port = free_port(), free_port()
        self.keystone_port = keystone and free_port()
        self.backend_ports = {kind: free_port() for kind in ("account", "container", "object")}
        self.backends = {}

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def auth_url(self):
        return f"{self.url}/auth/v1.0"

    def environment(self):
        return {**self.swift_environment(), **self.s3_environment(), "S3_URL": self.url}

    def swift_environment(self):
        return {"ST_AUTH": self.auth_url, "ST_USER": self.user, "ST_KEY": self.password}

    def s3_environment(self):
        return {"AWS_ACCESS_KEY_ID": self.user, "AWS_SECRET_ACCESS_KEY": self.password,
                "AWS_REGION": "us-east-1"}

    def launch(self):
        for name in ("devices/d1", "recon"):
            os.makedirs(self.path(name))
        values = {"folder": self.folder, "user": pwd.getpwuid(os.geteuid()).pw_name}
        self.write("swift.conf", SWIFT_CONFIGURATION.format(largest_object=self.largest_object))
        for kind, port in self.backend_ports.items():
            self.write(f"{kind}-server.conf", BACKEND.format(kind=kind, port=port, **values))
        self._make_rings()
        run_as = ["-u", "nobody"] if os.geteuid() == 0 else []
        self.process("memcached", ["memcached", *run_as, "-l", "127.0.0.1", "-U", "0", "-m", "64",
                                   "-p", str(self.memcached_port)])
        for kind in self.backend_ports:
            self.start_backend(kind, wait=False)
        values.update(memcached_port=self.memcached_port, workers=self.workers)
        self._start_proxy("proxy", PROXY.format(
            port=self.port, auth="s3api tempauth", **values, auth_sections=TEMPAUTH.format(
                token_life=self.token_life, password=self.password, scheme=self.scheme)))
        if self.keystone:
            self._start_proxy("keystone-proxy", PROXY.format(
                port=self.keystone_port, auth="authtoken keystoneauth", **values,
                auth_sections=KEYSTONE_AUTH.format(
                    keystone_url=self.keystone.url,
                    keystone_password=self.keystone.service_password)))

    def _make_rings(self):
        script = """
import json, os, sys
from swift.common.ring import RingBuilder
for kind, port in json.loads(sys.argv[2]).items():
    builder = RingBuilder(4, 1, 0)
    builder.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": port,
                     "replication_ip": "127.0.0.1", "replication_port": port,
                     "device": "d1", "weight": 1.0, "meta": ""})
    builder.rebalance()
    builder.get_ring().save(os.path.join(sys.argv[1], kind + ".ring.gz"))
"""
        run([*SYSTEM_PYTHON, "-c", script, self.folder, json.dumps(self.backend_ports)])

    def _command(self, program, configuration, *arguments):
        return [*SYSTEM_PYTHON, "-c", LAUNCHER, self.path("swift.conf"), f"/usr/bin/{program}",
                self.path(configuration), *arguments]

    def _start_proxy(self, name, configuration):
        self.write(f"{name}.conf", configuration)
        self.process(name, self._command("swift-proxy-server", f"{name}.conf", "-v"))

    def ready(self):
        ports = [self.port, *self.backend_ports.values()]
        if self.keystone:
            ports.append(self.keystone_port)
        wait_until(lambda: all(answers(port, "/healthcheck", 300) for port in ports),
                   self.start_deadline, "swift", self.processes)
        if self.keystone:
            wait_until(lambda: self.keystone.is_up.is_set() or self.keystone.has_failed,
                       self.start_deadline, "keystone")
            self.keystone.add_object_store(
                f"http://127.0.0.1:{self.keystone_port}/v1/AUTH_%(project_id)s")

    # Faults.

    def start_backend(self, kind, wait=True):
        """Starts the account, container or object server, again after `stop_backend`."""
        self.backends[kind] = self.process(
            kind, self._command(f"swift-{kind}-server", f"{kind}-server.conf", "-v"))
        if wait:
            wait_until(lambda: answers(self.backend_ports[kind], "/healthcheck", 300),
                       self.start_deadline, kind, [self.backends[kind]])

    def stop_backend(self, kind):
        """Without the container server objects are stored all the same, but not listed."""
        process = self.backends.pop(kind)
        process.stop()
        self.processes.remove(process)

    def update_listings(self):
        """Brings the updates of listings that could not be delivered, as the updater daemon does."""
        run(self._command("swift-object-updater", "object-server.conf", "once"))
