"""The commands of the documents, run as they are written, with the servers that they name.

Every `sh` block is run; what cannot be is marked `text`. Blocks whose first line is a comment with a path
are files. Needs namespaces of mounts and of the network, as examples.sh gives: nothing here reaches
the machine's own folders, names or ports.
"""
import re
import signal
import sqlite3
import subprocess

from documents import blocks
from object_stores import *
from servers import rclone as rclone_server

DOCUMENTS = ["README.md", "docs/stores.md", "docs/links.md", "docs/replicas.md",
             "docs/immutability.md"]
BLOCKS = {document: blocks(document) for document in DOCUMENTS}
NEVER_RUN = {"text", "yaml", "ini", "json"}
RAN = set()


def shown(language, pattern):
    """What an example shows, such as the credentials that the server has to know."""
    for block in BLOCKS["docs/stores.md"]:
        found = re.search(pattern, block.text) if block.language == language else None
        if found:
            return found[1]
    raise Failure(f"docs/stores.md shows no {pattern}")


def private_world():
    """Names, folders and devices of this process and of what it starts."""
    run = lambda *command: subprocess.run(command, check=True)  # noqa: E731
    run("ip", "link", "set", "lo", "up")
    # The documents' own address for sources of connections.
    run("ip", "address", "add", "192.0.2.7/32", "dev", "lo")
    folder = tempfile.mkdtemp(prefix="lifeboat-examples-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    run("mount", "-t", "tmpfs", "tmpfs", folder)
    atexit.register(run, "umount", "--lazy", folder)
    for name in ("upper", "work", "dev"):
        os.mkdir(os.path.join(folder, name))
    for name in ("null", "zero", "full", "random", "urandom", "tty", "fd", "stdin", "stdout", "stderr"):
        if os.path.lexists(f"/dev/{name}"):
            run("cp", "-a", f"/dev/{name}", f"{folder}/dev/")
    os.mkdir(f"{folder}/dev/shm")
    run("mount", "-t", "overlay", "overlay", "-o",
        f"lowerdir=/etc,upperdir={folder}/upper,workdir={folder}/work", "/etc")
    with open("/etc/hosts", "w") as file:
        file.write("127.0.0.1 localhost\n")
        file.writelines(f"{address} {name}\n" for name, (address, _) in FRONTS.items())
    for path in ("/srv", "/mnt"):
        run("mount", "-t", "tmpfs", "tmpfs", path)
    # A loop device of the machine under the name that the examples use.
    make_image("/srv/device", 8 * MIB, "data", holes=0)
    device = subprocess.run(["losetup", "--find", "--show", "/srv/device"], check=True,
                            capture_output=True, text=True).stdout.strip()
    # It goes with the last one who has it open, however this process ends.
    opened = os.open(device, os.O_RDONLY)
    atexit.register(os.close, opened)
    run("losetup", "--detach", device)
    os.mkdir(f"{folder}/dev/vg0")
    os.mknod(f"{folder}/dev/vg0/web-data", 0o600 | 0o060000, os.stat(device).st_rdev)
    atexit.register(run, "umount", "--lazy", "/dev")
    run("mount", "--bind", f"{folder}/dev", "/dev")


# Host names of the documents, each with an address of its own, and the port that they say or mean.
FRONTS = {"s3.north.example": ("127.0.0.2", 443), "swift.example": ("127.0.0.3", 443),
          "keystone.north.example": ("127.0.0.4", 5000), "swift.north.example": ("127.0.0.5", 443)}


def front(name, port):
    address, outside = FRONTS[name]
    return TLSFront(port, name, address, outside)


class ShownKeystone(Keystone):
    """Keystone with the user, the project and the credential of the documents."""

    region, user, project, password = "RegionOne", "backup", "site-1", "a-password-for-swift"
    secret = shown("yaml", r"application_credential_secret: (\S+)")

    def _make_application_credential(self):
        super()._make_application_credential()
        identity = shown("yaml", r"application_credential_id: (\S+)")
        database = sqlite3.connect(self.path("keystone.sqlite"), timeout=30)
        with database:
            database.execute("UPDATE application_credential SET id = ? WHERE id = ?",
                             (identity, self.application_credential[0]))
        database.close()
        self.application_credential = identity, self.secret

    def add_object_store(self, url):
        super().add_object_store("https://swift.north.example/v1/AUTH_%(project_id)s")


class ShownCeph(Ceph):
    access_key = shown("ini", r"aws_access_key_id = (\S+)")
    secret_key = shown("ini", r"aws_secret_access_key = (\S+)")


class ShownSwift(Swift):
    scheme = "https"


private_world()
KEYSTONE = ShownKeystone()
SWIFT = ShownSwift(keystone=KEYSTONE)
CEPH = ShownCeph()
TLS = [front("s3.north.example", CEPH.port), front("swift.example", SWIFT.port),
       front("keystone.north.example", KEYSTONE.port),
       front("swift.north.example", SWIFT.keystone_port)]
run_servers(CEPH, SWIFT, KEYSTONE, *TLS)


class Scene(Lab):
    """A home directory with what the examples take for granted: images, certificates, secrets."""

    def __init__(self):
        super().__init__(init=False)
        self.home = self.path("home")
        os.makedirs(self.path("bin"))
        os.symlink(os.path.abspath(PROGRAM), self.path("bin/lifeboat"))
        os.symlink(rclone_server.program(), self.path("bin/rclone"))
        authorities = self.path("authorities.pem")
        with open(authorities, "w") as file:
            for server in TLS:
                file.write(open(server.authority).read())
        for folder in ("/srv/images", "/srv/objects", self.home, self.path("work")):
            os.makedirs(folder, exist_ok=True)
        make_image("/srv/images/web-root.img", 4 * MIB, "root")
        self.variables = {
            "HOME": self.home, "PATH": f"{self.path('bin')}:{os.environ['PATH']}",
            "LANG": "C.UTF-8", "TMPDIR": self.root, "AWS_CA_BUNDLE": authorities,
            "OS_CACERT": authorities, "LIFEBOAT_STATE_DIR": self.state,
            "LIFEBOAT_CACHE_DIR": self.cache}
        self.ran = 0

    def environment(self, extra=None):
        return {**self.variables, **(extra or {})}

    def files(self, document):
        """Writes the files that a document shows."""
        for block in BLOCKS[document]:
            if block.file:
                path = block.file.replace("~", self.home, 1)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w", opener=lambda p, f: os.open(p, f, 0o600)) as file:
                    file.write(block.text)

    def secret_file(self, name, secret):
        with open(os.path.join(self.home, name), "w") as file:
            file.write(secret + "\n")

    def play(self, *wanted):
        """Runs blocks in one shell, one after another; returns what they printed."""
        script = "".join(f"echo '@ {block.name}' >&2\n{block.text}" for block in wanted)
        with open(self.path("output"), "w+") as output:
            process = subprocess.Popen(
                ["bash", "-e", "-c", script], env=self.environment(), cwd=self.path("work"),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
            try:
                code = process.wait(120)
            except subprocess.TimeoutExpired:
                code = "none in 120 s"
            finally:
                # What an example put into the background.
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            output.seek(0)
            told = output.read()
        check(code == 0, f"{wanted[0].document}: exit {code}: {told[-500:]}")
        RAN.update(block.name for block in wanted)
        return told

    def check_restored(self):
        equal(digest(self.path("work/web-root.img")), digest("/srv/images/web-root.img"),
              "restored bytes")


def commands(document, heading=None):
    return [block for block in BLOCKS[document] if block.language == "sh"
            and heading in (None, block.heading)]


@test
def readme():
    before = digest("/dev/vg0/web-data")
    scene = Scene()
    scene.play(*commands("README.md"))
    scene.check_restored()
    equal(digest("/dev/vg0/web-data"), before, "the device that was restored")


@test
def s3():
    for block in commands("docs/stores.md", "S3"):
        scene = Scene()
        scene.files("docs/stores.md")
        scene.play(block)
        scene.check_restored()
    check(os.listdir("/srv/objects/example-backup/site-1"), "rclone stored nothing")
    check(S3Client(CEPH.url, CEPH.access_key, CEPH.secret_key).list("example-backup", "site-1/"),
          "Ceph stored nothing")


@test
def swift():
    scene = Scene()
    scene.files("docs/stores.md")
    scene.play(*commands("docs/stores.md", "OpenStack Swift"))
    scene.check_restored()


@test
def credentials_of_swift():
    """Each way to say who asks reaches the repository of the account."""
    repository = Scene()
    repository.repo = "swift:example-backup/site-1"
    repository.variables.update(
        ST_AUTH="https://swift.example/auth/v1.0", ST_USER=SWIFT.user, ST_KEY=SWIFT.password)
    repository.run("init", "--recovery-key-file", repository.recovery, "--new-key-file",
                   repository.key).expect(0)
    found = commands("docs/stores.md", "Who asks")
    equal(len(found), 3, "examples")
    for block in found:
        scene = Scene()
        scene.secret_file("application-credential.secret", KEYSTONE.secret)
        scene.secret_file("swift.password", KEYSTONE.password)
        scene.secret_file("swift.key", SWIFT.password)
        scene.play(block)


@test
def links():
    scene = Scene()
    scene.files("docs/stores.md")
    scene.files("docs/links.md")
    scene.repo = "s3:https://s3.north.example/example-links/site-1"
    scene.run("init", "--recovery-key-file", scene.recovery, "--new-key-file", scene.key).expect(0)
    scene.variables.update(LIFEBOAT_REPO=scene.repo, LIFEBOAT_KEY_FILE=scene.key)
    told = scene.play(*commands("docs/links.md"))
    check("office" in told and "abroad" in told, f"links: {told}")


@test
def replicas():
    scene = Scene()
    old = Scene()
    for lab, repository, key, recovery in (
            (scene, "/srv/repository", "host.key", "recovery.key"),
            (old, "/mnt/old/repository", "old-host.key", "old.key")):
        os.makedirs(os.path.dirname(repository), exist_ok=True)
        lab.repo = repository
        lab.key, lab.recovery = scene.path(f"work/{key}"), scene.path(f"work/{recovery}")
        lab.run("init", "--recovery-key-file", lab.recovery, "--new-key-file", lab.key).expect(0)
        for machine in ("web", "mail"):
            lab.backup("root=/srv/images/web-root.img", machine=machine,
                       options=["--tag", "keep=yearly"]).expect(0)
    for folder in ("attic", "branch", "disk"):
        os.makedirs(f"/mnt/{folder}", exist_ok=True)
    scene.variables["LIFEBOAT_REPO"] = scene.repo
    scene.play(*commands("docs/replicas.md"))
    scene.repo = "/mnt/attic/repository"
    equal(len(scene.points()), 2, "points of the replica")


@test
def immutability():
    scene = Scene()
    scene.files("docs/stores.md")
    scene.play(*commands("docs/immutability.md"))
    scene.check_restored()


@test
def every_command_was_run():
    for document, found in BLOCKS.items():
        for block in found:
            check(block.language == "sh" or block.language in NEVER_RUN,
                  f"{block.name}: a block of the language {block.language!r}")
            check(block.language != "sh" or block.name in RAN or sys.argv[1:],
                  f"{block.name} was never run")


main()
