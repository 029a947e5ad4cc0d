"""OpenStack Keystone over SQLite, with a project, a user, an application credential and a catalogue."""
import json
import os
import urllib.parse

from .clients import send
from .process import run, wait_until
from .server import SYSTEM_PYTHON, Server, answers, free_port

# Importing Keystone takes seconds, so one process does what `keystone-manage` takes four for.
MANAGE = """
import json, os, sys
from keystone.cmd import cli, manage
for arguments in json.load(sys.stdin):
    child = os.fork()
    if child == 0:
        sys.argv[:] = ["keystone-manage", "--config-file", sys.argv[1], *arguments]
        manage.main()
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit("keystone-manage %s failed" % arguments[0])
"""

CONFIGURATION = """[DEFAULT]
use_stderr = true
[database]
connection = sqlite:///{folder}/keystone.sqlite
sqlite_synchronous = false
[identity]
password_hash_rounds = 4
[token]
provider = fernet
expiration = {token_life}
[fernet_tokens]
key_repository = {folder}/fernet
[fernet_receipts]
key_repository = {folder}/fernet
[credential]
key_repository = {folder}/credential
[cache]
enabled = true
backend = dogpile.cache.memory
"""


class Keystone(Server):
    name = "keystone"
    region = "test-region"
    admin_password, service_password = "test-password-of-admin", "test-password-of-service"
    user, password, project = "tester", "test-password-of-keystone", "tests"
    # That of the application credential; else Keystone makes one.
    secret = None

    def __init__(self, token_life=3600):
        super().__init__()
        self.token_life = token_life
        self.port = free_port()
        self.token = self.project_id = None
        self.application_credential = None  # its id and its secret

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v3"

    def environment(self):
        return self.password_environment()

    def password_environment(self):
        return {"OS_AUTH_URL": self.url, "OS_IDENTITY_API_VERSION": "3",
                "OS_USERNAME": self.user, "OS_PASSWORD": self.password,
                "OS_PROJECT_NAME": self.project, "OS_USER_DOMAIN_NAME": "Default",
                "OS_PROJECT_DOMAIN_NAME": "Default", "OS_REGION_NAME": self.region}

    def application_credential_environment(self):
        identity, secret = self.application_credential
        return {"OS_AUTH_URL": self.url, "OS_IDENTITY_API_VERSION": "3",
                "OS_AUTH_TYPE": "v3applicationcredential",
                "OS_APPLICATION_CREDENTIAL_ID": identity,
                "OS_APPLICATION_CREDENTIAL_SECRET": secret, "OS_REGION_NAME": self.region}

    def launch(self):
        self.write("keystone.conf", CONFIGURATION.format(**vars(self)))
        name = "root" if os.geteuid() == 0 else str(os.geteuid())
        owner = ["--keystone-user", name, "--keystone-group", name]
        commands = [
            ["fernet_setup", *owner], ["credential_setup", *owner], ["db_sync"],
            ["bootstrap", "--bootstrap-password", self.admin_password, "--bootstrap-region-id",
             self.region, "--bootstrap-admin-url", self.url, "--bootstrap-public-url", self.url,
             "--bootstrap-internal-url", self.url]]
        run([*SYSTEM_PYTHON, "-c", MANAGE, self.path("keystone.conf")], self.start_deadline,
            self._environment(), json.dumps(commands).encode())
        self.process(
            "keystone",
            ["uwsgi_python3", "--master", "--lazy-apps", "--enable-threads", "--threads", "4",
             "--processes", "1", "--die-on-term", "--need-app", "--buffer-size", "65535",
             "--http-socket", f"127.0.0.1:{self.port}", "--wsgi-file",
             "/usr/bin/keystone-wsgi-public"],
            {**self._environment(), "OS_KEYSTONE_CONFIG_DIR": self.folder,
             "OS_KEYSTONE_CONFIG_FILES": "keystone.conf"})

    def _environment(self):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        return {**environment, "PATH": "/usr/bin:/usr/sbin:/bin:/sbin"}

    def ready(self):
        wait_until(lambda: answers(self.port, "/v3"), self.start_deadline, "keystone",
                   self.processes)
        self.token = self.authenticate(
            self._password("admin", self.admin_password), "admin")[0]
        service = self._ensure("project", name="service", domain_id="default")
        self.project_id = self._ensure("project", name=self.project, domain_id="default")
        self._user("swift", self.service_password, service, "admin")
        self._user(self.user, self.password, self.project_id, "member")
        self._make_application_credential()

    # Identity.

    def request(self, method, path, body=None, token=None):
        answer = send(self.url, method, urllib.parse.urlsplit(self.url).path + path,
                      {"Content-Type": "application/json", "X-Auth-Token": token or self.token or ""},
                      json.dumps(body).encode() if body is not None else b"")
        answer.expect(200, 201, 204)
        return answer, json.loads(answer.body) if answer.body else {}

    @staticmethod
    def _password(user, password):
        return {"methods": ["password"], "password": {
            "user": {"name": user, "domain": {"name": "Default"}, "password": password}}}

    def authenticate(self, identity, project=None):
        """A token and what the answer says of it."""
        body = {"auth": {"identity": identity}}
        if project:
            body["auth"]["scope"] = {
                "project": {"name": project, "domain": {"name": "Default"}}}
        answer, content = self.request("POST", "/auth/tokens", body)
        return answer.header("x-subject-token"), content["token"]

    def _ensure(self, kind, **values):
        found = self.request("GET", f"/{kind}s?name={values['name']}")[1][f"{kind}s"]
        if found:
            return found[0]["id"]
        return self.request("POST", f"/{kind}s", {kind: values})[1][kind]["id"]

    def _user(self, name, password, project, role):
        user = self._ensure("user", name=name, password=password, domain_id="default")
        self.request("PUT", f"/projects/{project}/users/{user}/roles/"
                     + self._ensure("role", name=role))

    def _make_application_credential(self):
        token, content = self.authenticate(
            self._password(self.user, self.password), self.project)
        _, made = self.request(
            "POST", f"/users/{content['user']['id']}/application_credentials",
            {"application_credential": {
                "name": "tests", **({"secret": self.secret} if self.secret else {})}}, token)
        made = made["application_credential"]
        self.application_credential = made["id"], made["secret"]

    def add_object_store(self, url):
        """Enters an object store into the catalogue."""
        service = self._ensure("service", name="swift", type="object-store")
        for interface in ("public", "internal", "admin"):
            self.request("POST", "/endpoints", {"endpoint": {
                "interface": interface, "url": url, "service_id": service,
                "region_id": self.region}})
