"""Points served as disks: what NBD clients read is what was backed up, whatever happens meanwhile."""
import re

from object_stores import *

IMAGE = 48 * MIB


def has(*programs):
    missing = [program for program in programs if not shutil.which(program)]
    check(not missing, f"not installed: {' '.join(missing)}")


class Serving:
    """A running `lifeboat serve`."""

    def __init__(self, lab, *options, point="latest", env=None):
        self.lab = lab
        self.out = open(lab.path(f"serve-{random.getrandbits(32):x}.out"), "w+b")
        self.err = open(self.out.name + ".err", "w+b")
        self.process = lab.start(
            "serve", point, *options, "--recovery-key-file", lab.recovery, env=env,
            stdout=self.out, stderr=self.err)
        lab.cleanups.append(self.stop)
        deadline = time.monotonic() + 120
        while True:
            text = open(self.out.name, "rb").read()
            if text.endswith(b"\n"):
                break
            check(self.process.poll() is None, f"serve ended: {self.words()}")
            check(time.monotonic() < deadline, f"serve says nothing: {self.words()}")
            time.sleep(0.05)
        self.json = json.loads(text)
        self.uris = {volume["name"]: volume["uri"] for volume in self.json.get("volumes", [])}

    def words(self):
        return (open(self.err.name, "rb").read() + open(self.out.name, "rb").read()).decode(
            errors="replace")[-600:]

    def server(self):
        """The process number of nbdkit."""
        for line in open(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read().split():
            return int(line)
        tasks = f"/proc/{self.process.pid}/task"
        for task in os.listdir(tasks):
            children = open(f"{tasks}/{task}/children").read().split()
            if children:
                return int(children[0])
        raise Failure("no server runs")

    def stop(self, number=signal.SIGTERM, seconds=20):
        if self.process.poll() is not None:
            return self.process.returncode
        self.process.send_signal(number)
        code, _ = wait(self.process, seconds)
        check(code is not None, "serve does not end")
        return code


def run(*command, timeout=200, **options):
    return subprocess.run(list(map(str, command)), capture_output=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, **options)


def copied(uri, target, *options):
    """The digest of what nbdcopy makes of an export."""
    has("nbdcopy")
    result = run("nbdcopy", *options, uri, target)
    check(result.returncode == 0, f"nbdcopy: {result.stderr.decode()[-400:]}")
    found = digest(target)
    os.unlink(target)
    return found


def served_lab(size=IMAGE):
    lab = Lab(chunk_size=64 * KIB)
    lab.image = make_image(lab.path("disk"), size + 1234, 1, holes=0.3, noise=0.4)
    lab.backup(f"disk={lab.image}").expect(0)
    change_image(lab.image, 1)
    lab.other = make_image(lab.path("other"), 3 * MIB + 77, 2)
    lab.backup(f"disk={lab.image}", f"a b={lab.other}").expect(0)
    return lab


@test
def clients_read_what_was_backed_up():
    lab = served_lab()
    serving = Serving(lab)
    equal(sorted(serving.uris), ["a b", "disk"], "exports")
    equal(copied(serving.uris["disk"], lab.path("copy"), "--connections=4"), digest(lab.image),
          "what nbdcopy read")
    equal(copied(serving.uris["a b"], lab.path("copy")), digest(lab.other), "the second volume")
    result = run("qemu-img", "compare", "-f", "raw", "-F", "raw", serving.uris["disk"], lab.image)
    # QEMU counts in sectors, and the image ends inside one.
    check(result.returncode == 0, f"qemu-img compare: {result.stdout} {result.stderr}")
    told = json.loads(run("nbdinfo", "--json", serving.uris["disk"]).stdout)["exports"][0]
    check(told["is_read_only"], "the export can be written to")
    check(told["can_multi_conn"], "only one connection is allowed")
    equal(told["export-size"], os.path.getsize(lab.image), "size")
    equal(serving.stop(), 0, "exit code after a signal")
    check(not os.path.exists(os.path.dirname(serving.json["socket"])), "the socket's folder is left")


@test
def holes_are_told():
    lab = served_lab()
    serving = Serving(lab)
    runs = json.loads(run("nbdinfo", "--map", "--json", serving.uris["disk"]).stdout)
    position, holes = 0, 0
    with open(lab.image, "rb") as image:
        for piece in runs:
            equal(piece["offset"], position, "where a run begins")
            position += piece["length"]
            if piece["type"] & 2:
                image.seek(piece["offset"])
                check(not any(image.read(piece["length"])), f"a hole has data: {piece}")
                holes += piece["length"]
    equal(position, os.path.getsize(lab.image), "where the last run ends")
    data = open(lab.image, "rb").read()
    zero = sum(len(data[at:at + 64 * KIB]) for at in range(0, len(data), 64 * KIB)
               if not any(data[at:at + 64 * KIB]))
    equal(holes, zero, "bytes of holes")


@test
def damage_is_told_and_nothing_else_is_lost():
    lab = Lab(chunk_size=64 * KIB)
    image = make_image(lab.path("disk"), 24 * MIB, 3, noise=1.0, holes=0)
    lab.backup(f"disk={image}").expect(0)
    packs = sorted(lab.objects("packs/").items(), key=lambda item: -item[1])
    with open(f"{lab.repo}/{packs[0][0]}", "r+b") as file:
        file.seek(packs[0][1] // 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))
    serving = Serving(lab)
    data, lost, good = open(image, "rb").read(), 0, 0
    script = """
import nbd, sys
h = nbd.NBD(); h.connect_uri(sys.argv[1]); step = 65536
for at in range(0, h.get_size(), step):
    try:
        sys.stdout.buffer.write(b"+" + h.pread(step, at))
    except nbd.Error as error:
        assert error.errno == "EIO", error
        sys.stdout.buffer.write(b"-" + bytes(step))
"""
    result = run("/usr/bin/python3", "-c", script, serving.uris["disk"])
    check(result.returncode == 0, result.stderr.decode()[-500:])
    for number in range(len(data) // (64 * KIB)):
        piece = result.stdout[number * (64 * KIB + 1):(number + 1) * (64 * KIB + 1)]
        if piece[:1] == b"+":
            check(piece[1:] == data[number * 64 * KIB:(number + 1) * 64 * KIB], "wrong bytes")
            good += 1
        else:
            lost += 1
    # One frame has at most 4 MiB.
    check(1 <= lost <= 64 and good >= len(data) // (64 * KIB) - 64, f"{lost} lost, {good} good")


def tls_files(lab, name):
    """An authority, and certificates for a server and a client."""
    folder = lab.path(name)
    os.makedirs(folder)
    def openssl(*arguments):
        result = run("openssl", *arguments, cwd=folder)
        check(result.returncode == 0, result.stderr.decode()[-300:])
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
            "-keyout", "ca-key.pem", "-out", "ca-cert.pem")
    for kind in ("server", "client"):
        lab.write(f"{name}/{kind}.ext", b"subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
                "-keyout", f"{kind}-key.pem", "-out", f"{kind}.csr")
        openssl("x509", "-req", "-in", f"{kind}.csr", "-CA", "ca-cert.pem", "-CAkey", "ca-key.pem",
                "-CAcreateserial", "-days", "2", "-extfile", f"{kind}.ext", "-out",
                f"{kind}-cert.pem")
    return folder


@test
def certificates_decide_who_reads():
    lab = served_lab(8 * MIB)
    right, wrong = tls_files(lab, "right"), tls_files(lab, "wrong")
    port = free_port()
    serving = Serving(lab, "--listen", f"127.0.0.1:{port}", "--tls-certificates", right)
    uri = f"nbds://127.0.0.1:{port}/disk?tls-certificates="
    equal(copied(uri + right, lab.path("copy")), digest(lab.image), "what came through TLS")
    for bad in (uri + wrong, f"nbd://127.0.0.1:{port}/disk"):
        result = run("nbdcopy", bad, lab.path("copy"))
        check(result.returncode != 0, f"{bad} was served")
    # A client without a certificate of the authority, which trusts the server.
    half = lab.path("half")
    os.makedirs(half)
    shutil.copy(f"{right}/ca-cert.pem", half)
    check(run("nbdinfo", "--size", uri + half).returncode != 0, "a client without certificate")
    check(os.path.dirname(serving.json["volumes"][0]["uri"]).startswith("nbds://"), "address")


@test
def shared_keys_decide_who_reads():
    has("psktool")
    lab = served_lab(8 * MIB)
    for name in ("right", "wrong"):
        result = run("psktool", "-u", "drill", "-p", lab.path(name))
        check(result.returncode == 0, result.stderr.decode())
    port = free_port()
    Serving(lab, "--listen", f"127.0.0.1:{port}", "--tls-psk", lab.path("right"))
    uri = f"nbds://drill@127.0.0.1:{port}/disk?tls-psk-file="
    equal(copied(uri + lab.path("right"), lab.path("copy")), digest(lab.image), "through TLS")
    check(run("nbdinfo", "--size", uri + lab.path("wrong")).returncode != 0, "a wrong key")


@test
def a_network_needs_encryption():
    lab = served_lab(MIB)
    result = lab.run("serve", "latest", "--listen", "127.0.0.1:9", "--recovery-key-file",
                     lab.recovery)
    equal(result.code, 2, "exit code")


@test
def a_killed_server_is_started_again_on_its_socket():
    lab = served_lab()
    socket = lab.path("s/nbd")
    serving = Serving(lab, "--socket", socket)
    options = f"driver=nbd,export=disk,reconnect-delay=60,server.type=unix,server.path={socket}"
    client = subprocess.Popen(["qemu-io", "-r", "--image-opts", options], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    lab.cleanups.append(client.kill)
    def ask(offset):
        client.stdin.write(f"read -v {offset} 512\n".encode())
        client.stdin.flush()
    def answer(offset):
        data = open(lab.image, "rb").read()[offset:offset + 512]
        text = b""
        while b"ops;" not in text and b"failed" not in text:
            line = client.stdout.readline()
            check(line, "the client ended")
            text += line
        found = b"".join(bytes.fromhex(m.decode().replace(" ", "")) for m in re.findall(
            rb"[0-9a-f]{8}:  ((?:[0-9a-f]{2} ){16})", text))
        check(found == data, f"read at {offset}: {text[-300:]!r}")
    ask(1 * MIB)
    answer(1 * MIB)
    os.kill(serving.server(), signal.SIGKILL)
    code, _ = wait(serving.process, 20)
    equal(code, 11, "exit code when the server dies")
    check(os.path.exists(os.path.dirname(socket)), "the socket's own folder is gone")
    ask(20 * MIB)
    time.sleep(1)
    Serving(lab, "--socket", socket)
    answer(20 * MIB)
    result = lab.run("serve", "latest", "--socket", socket, "--recovery-key-file", lab.recovery)
    equal(result.code, 14, "exit code when somebody serves there")


@test
def memory_is_bounded():
    lab = Lab()
    image = make_image(lab.path("disk"), (160 if QUICK else 400) * MIB, 4, noise=0.9)
    lab.backup(f"disk={image}").expect(0)
    serving = Serving(lab, "--memory", "64MiB")
    for _ in range(2):
        equal(copied(serving.uris["disk"], lab.path("copy"), "--connections=8", "--requests=16"),
              digest(image), "what was read")
    status = open(f"/proc/{serving.server()}/status").read()
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * KIB
    check(peak < 256 * MIB, f"peak memory {peak // MIB} MiB")


@test
def a_volume_is_a_file():
    has("nbdfuse", "fusermount3")
    lab = served_lab()
    folder = lab.path("mnt")
    process = lab.start("mount", "latest", "disk", folder, "--recovery-key-file", lab.recovery)
    lab.cleanups.append(process.kill)
    deadline = time.monotonic() + 60
    while not os.path.exists(f"{folder}/disk"):
        check(process.poll() is None and time.monotonic() < deadline, "no file comes")
        time.sleep(0.05)
    equal(digest(f"{folder}/disk"), digest(lab.image), "the file's bytes")
    equal(os.listdir(folder), ["disk"], "what is in the folder")
    process.send_signal(signal.SIGTERM)
    code, _ = wait(process, 30)
    equal(code, 0, "exit code")
    equal(os.listdir(folder), [], "what is left in the folder")
    result = lab.run("mount", "latest", "none", folder, "--recovery-key-file", lab.recovery)
    equal(result.code, 13, "exit code without such a volume")


READ = """
import nbd, sys
h = nbd.NBD(); h.connect_uri(sys.argv[1])
sys.stdout.buffer.write(h.pread(4096, int(sys.argv[2])))
"""


@test
def secrets_are_on_no_command_line():
    place = s3_place(run_servers(Rclone())[0])
    with ProcessWatch(place.secrets()) as watch:
        lab = StoreLab(place)
        image = make_image(lab.path("disk"), 24 * MIB, 5)
        lab.backup(f"disk={image}").expect(0)
        serving = Serving(lab, "--cache-size", "16MiB")
        for _ in range(2):
            equal(copied(serving.uris["disk"], lab.path("copy")), digest(image), "through S3")
        seeded = random.Random(1)
        with open(image, "rb") as file:
            for _ in range(20):
                offset = seeded.randrange(0, 24 * MIB - 4096)
                file.seek(offset)
                result = run("/usr/bin/python3", "-c", READ, serving.uris["disk"], str(offset))
                check(result.stdout == file.read(4096), f"read at {offset}: {result.stderr}")
        equal(serving.stop(), 0, "exit code")
    equal(watch.found, [], "command lines with a secret")


@test
def a_silent_store_does_not_keep_it_from_ending():
    server = run_servers(Rclone())[0]
    proxy = FaultProxy(server.port).start()
    lab = StoreLab(s3_place(server, proxy.url))
    lab.cleanups.append(proxy.stop)
    image = make_image(lab.path("disk"), 8 * MIB, 6, noise=1.0)
    lab.backup(f"disk={image}").expect(0)
    serving = Serving(lab, env={"LIFEBOAT_STALL_TIMEOUT": "60", "LIFEBOAT_REQUEST_TIMEOUT": "300"})
    proxy.add("delay", match="^GET", milliseconds=120_000)
    client = subprocess.Popen(["nbdcopy", serving.uris["disk"], lab.path("copy")],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lab.cleanups.append(client.kill)
    time.sleep(2)
    begun = time.monotonic()
    serving.stop(seconds=30)
    check(time.monotonic() - begun < 20, "it took long to end")


def mounted_image(lab, name, system, size, start=0):
    """An image that was copied while a file system on it was mounted, with a file that stands only
    in the journal, and what is in that file."""
    path, folder = lab.path(name), lab.path(f"{name}.mnt")
    with open(path, "wb") as file:
        file.truncate(start + size)
        if start:
            entry = bytes([0, 0, 0, 0, 0x83, 0, 0, 0]) + (start // 512).to_bytes(4, "little")
            entry += (size // 512).to_bytes(4, "little")
            file.seek(446)
            file.write(entry + bytes(48) + b"\x55\xaa")
    device = attach_loop(lab, path, "--offset", str(start), "--sizelimit", str(size))
    made = run(f"mkfs.{system}", "-q", *(["-F"] if system == "ext4" else []), device)
    check(made.returncode == 0, made.stderr.decode()[-300:])
    os.makedirs(folder)
    done = run("mount", "-t", system, device, folder)
    check(done.returncode == 0, done.stderr.decode()[-300:])
    lab.cleanups.append(lambda: run("umount", folder))
    early, late = b"early\n" * 1000, random.Random(name).randbytes(300 * KIB)
    os.makedirs(f"{folder}/etc/a b")
    with open(f"{folder}/etc/early", "wb") as file:
        file.write(early)
    run("sync", "-f", folder)
    with open(f"{folder}/etc/a b/late", "wb") as file:
        file.write(late)
        os.fsync(file.fileno())
    shutil.copyfile(path, path + ".copy")
    return path + ".copy", early, late


def check_files(lab, volume, early, late, *options, env=None):
    key = ["--recovery-key-file", lab.recovery, *options]
    result = lab.run("files", "latest", volume, "/etc", *key, env=env, timeout=900).expect(0)
    names = {entry["name"]: entry for entry in result.json["entries"]}
    equal(sorted(names), ["a b", "early"], "names")
    equal((names["early"]["size"], names["early"]["mode"][0]), (len(early), "-"), "an entry")
    target = lab.path(f"{volume}.files")
    lab.run("files", "latest", volume, "/etc", "--copy-to", target, *key, env=env,
            timeout=900).expect(0)
    equal(open(f"{target}/etc/a b/late", "rb").read(), late, "a file that is in the journal only")
    equal(open(f"{target}/etc/early", "rb").read(), early, "another file")


@test
def files_of_ext_come_out_with_the_journal():
    check(IS_ROOT, "loop devices need root")
    lab = Lab()
    whole, early, late = mounted_image(lab, "whole", "ext4", 64 * MIB)
    part, early2, late2 = mounted_image(lab, "part", "ext4", 64 * MIB, start=MIB)
    lab.backup(f"whole={whole}", f"part={part}").expect(0)
    # The test is one only if the file is not there without the journal.
    seen = run("debugfs", "-R", "stat \"/etc/a b/late\"", whole)
    check(b"not found" in seen.stderr + seen.stdout, "the file was written back before the copy")
    check_files(lab, "whole", early, late)
    check_files(lab, "part", early2, late2, "--partition", "1")
    key = ["--recovery-key-file", lab.recovery]
    target = lab.path("one")
    lab.run("files", "latest", "part", "/etc/early", "--copy-to", target, *key).expect(0)
    equal(open(f"{target}/early", "rb").read(), early2, "a single file")
    equal(lab.run("files", "latest", "part", "/nothing", *key).code, 13, "without such a file")
    equal(lab.run("files", "latest", "part", "--partition", "3", *key).code, 13, "partition")
    found, result = lab.restored_digest("latest", "--volume", "whole")
    equal(found, digest(whole), f"the point after its files were read ({result.told()[:200]})")


# The disk that libguestfs starts from is made once, and not in each test's own folder.
KEPT = {"LIBGUESTFS_CACHEDIR": os.environ.get("LIBGUESTFS_CACHEDIR") or "/var/tmp"}
# Whatever /dev/kvm is worth here.
EMULATED = {**KEPT, "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg"}


@test
def files_of_xfs_come_out_with_the_journal():
    """By libguestfs, whose machine needs half a minute without KVM."""
    check(IS_ROOT, "loop devices need root")
    has("guestfish")
    lab = Lab()
    image, early, late = mounted_image(lab, "image", "xfs", 320 * MIB)
    lab.backup(f"image={image}").expect(0)
    check_files(lab, "image", early, late, env=EMULATED)


def ntfs_lab():
    """A volume that was copied while it was mounted, and what is in its files."""
    has("guestfish", "mkntfs", "ntfs-3g")
    check(IS_ROOT, "mounting needs root")
    lab = Lab()
    image, folder = lab.path("image"), lab.path("mnt")
    with open(image, "wb") as file:
        file.truncate(32 * MIB)
    made = run("mkntfs", "--quiet", "--fast", "--force", image)
    check(made.returncode == 0, made.stderr.decode()[-300:])
    os.makedirs(folder)
    done = run("ntfs-3g", image, folder)
    check(done.returncode == 0, done.stderr.decode()[-300:])
    lab.cleanups.append(lambda: run("umount", folder))
    early, late = b"early\n" * 1000, random.Random("ntfs").randbytes(300 * KIB)
    os.makedirs(f"{folder}/etc/a b")
    for name, content in (("etc/early", early), ("etc/a b/late", late)):
        with open(f"{folder}/{name}", "wb") as file:
            file.write(content)
            os.fsync(file.fileno())
    run("sync", "-f", folder)
    shutil.copyfile(image, image + ".copy")
    lab.backup(f"image={image}.copy").expect(0)
    return lab, early, late


@test
def files_of_ntfs_come_out():
    lab, early, late = ntfs_lab()
    check_files(lab, "image", early, late, env=EMULATED)


class StuckKVM:
    """A QEMU with which no guest gets on unless it is emulated, as on hosts whose /dev/kvm is worth
    nothing; and what it was started with."""

    def __init__(self, lab):
        # What libguestfs asks QEMU about itself is answered.
        script = f"""#!/bin/sh
case "$*" in
*-kernel*) echo "$$ $*" >>{lab.path("machines")} ;;
*) exec qemu-system-x86_64 "$@" ;;
esac
case "$*" in
*accel=tcg*) exec qemu-system-x86_64 "$@" ;;
*) exec sleep 100000 ;;
esac
"""
        self.lab = lab
        self.temporary = lab.path("temporary")
        os.makedirs(self.temporary)
        lab.write("qemu", script.encode())
        os.chmod(lab.path("qemu"), 0o755)
        self.environment = {
            **KEPT, "LIBGUESTFS_HV": lab.path("qemu"), "LIBGUESTFS_TMPDIR": self.temporary,
            "LIBGUESTFS_BACKEND_SETTINGS": ""}

    def started(self):
        """Process number and arguments of each machine."""
        try:
            lines = open(self.lab.path("machines")).read().splitlines()
        except FileNotFoundError:
            return []
        return [line.split(" ", 1) for line in lines]

    def check_nothing_is_left(self):
        equal(os.listdir(self.temporary), [], "what is left in the temporary folder")
        for number, arguments in self.started():
            check(not runs(number, "sleep", "qemu"), f"machine {number} runs on")
            folder = re.search(r"path=([^ ,]*)/guestfsd\.sock", arguments)[1]
            check(not os.path.exists(folder), f"{folder} is left")


def runs(number, *programs):
    """Whether a process with this number runs one of these programs."""
    try:
        text = open(f"/proc/{number}/stat").read()
    except FileNotFoundError:
        return False
    name, rest = text[text.index("(") + 1:].rsplit(")", 1)
    return rest.split()[0] != "Z" and name.startswith(programs)


@test
def a_kvm_that_does_not_work_is_left_out():
    lab, early, late = ntfs_lab()
    stuck = StuckKVM(lab)
    target = lab.path("files")
    result = lab.run(
        "files", "latest", "image", "/etc", "--copy-to", target, "--recovery-key-file", lab.recovery,
        env={**stuck.environment, "LIFEBOAT_APPLIANCE_TIMEOUT": "15"}, timeout=1200).expect(0)
    equal(open(f"{target}/etc/a b/late", "rb").read(), late, "a file")
    equal(sorted(entry["name"] for entry in result.json["entries"]), ["a b", "early"], "names")
    emulated = ["accel=tcg" in arguments for _, arguments in stuck.started()]
    # On a slow host, time may be up before libguestfs has come to start the first one.
    check(emulated in ([False, True], [True]), f"machines that were emulated: {emulated}")
    check(result.err.count(b"without KVM") == 1, f"the user was not told once: {result.err!r}")
    stuck.check_nothing_is_left()


@test
def an_interruption_ends_the_machine_of_libguestfs():
    lab, _, _ = ntfs_lab()
    stuck = StuckKVM(lab)
    process = lab.start(
        "files", "latest", "image", "/etc", "--recovery-key-file", lab.recovery,
        env={**stuck.environment, "LIFEBOAT_APPLIANCE_TIMEOUT": "86400"})
    lab.cleanups.append(process.kill)
    deadline = time.monotonic() + 600
    while not stuck.started():
        check(process.poll() is None and time.monotonic() < deadline, "no machine is started")
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    code, _ = wait(process, 60)
    equal(code, 130, "exit code")
    equal(len(stuck.started()), 1, "machines")
    stuck.check_nothing_is_left()


if __name__ == "__main__":
    main()
