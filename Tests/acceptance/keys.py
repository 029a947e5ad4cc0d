"""Secrets that are wrong; parts of the recovery key; members; rotations, also interrupted ones."""
import binascii
import glob
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time

from harness import *


@test
def passwords():
    lab = Lab(password="correct horse")
    image = make_image(lab.path("disk"), MIB, 1)
    lab.backup(image).expect(0)

    def points(data, mode=0o600, name="try"):
        path = lab.path(name)
        if os.path.exists(path):
            os.unlink(path)
        path = lab.write(name, data)
        os.chmod(path, mode)
        return lab.run("points", "--password-file", path)

    points(b"correct horse\n").expect(0)
    points(b"correct horse\r\nsecond line\n").expect(0)
    points(b"correct horse").expect(0)
    for wrong in (b"correct horse \n", b" correct horse\n", b"Correct horse\n", b"x\n"):
        points(wrong).expect(12)
    result = points(b"").expect(2, 12, 13, 21)
    check("empty" in result.told() or "password" in result.told(), result.told())
    points(b"\n").expect(2, 12, 13, 21)
    points(b"x" * 5000 + b"\n").expect(2, 12, 21)
    loose = points(b"correct horse\n", mode=0o644).expect(0)
    check(b"warning" in loose.err, "no warning of a file that everybody may read")
    result = lab.run("points", "--password-file", lab.path("nothing")).expect(13)
    check(lab.path("nothing") in result.told(), result.told())
    result = lab.run("points", "--password-file", lab.root).expect(2, 12, 13, 21, 23, 25)
    lab.run("points", "--password-command", "echo correct horse").expect(0)
    lab.run("points", "--password-command", "echo wrong").expect(12)
    result = lab.run("points", "--password-command", "exit 3")
    check(result.code not in (0, 1), f"a command that fails: {result.code}")
    lab.run("points").expect(2)
    equal(len(lab.points()), 1, "points")


@test
def an_unreadable_password_file():
    if not IS_ROOT or not shutil.which("setpriv"):
        return
    lab = Lab(password="a")
    for folder, _, names in os.walk(lab.root):
        os.chmod(folder, 0o777)
        for name in names:
            os.chmod(os.path.join(folder, name), 0o644)
    os.chmod(lab.password, 0o600)
    result = lab.run(
        "points", *lab.secret,
        prefix=["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"])
    result.expect(25)
    check(lab.password in result.told(), result.told())


@test
def recovery_keys():
    lab, other = Lab(), Lab()
    image = make_image(lab.path("disk"), 3 * MIB, 1)
    point = lab.backup(f"disk={image}").expect(0).json["point"]
    other.backup(f"disk={image}").expect(0)
    result = lab.restore(point, lab.path("t"), secret=["--recovery-key-file", other.recovery])
    result.expect(12)
    check("belongs to repository" in result.told(), result.told())
    text = open(lab.recovery).read()
    lines = text.splitlines()
    for number in range(1, 6):
        broken = list(lines)
        digit = broken[number][10]
        broken[number] = broken[number][:10] + ("0" if digit != "0" else "1") + broken[number][11:]
        path = lab.write("mistyped", "\n".join(broken).encode())
        result = lab.restore(point, lab.path("t"), secret=["--recovery-key-file", path]).expect(12)
        check(f"line {number}" in result.told(), f"line {number} is not named: {result.told()}")
    for name, data in (("swapped lines", [lines[0], lines[2], lines[1], *lines[3:]]),
                       ("a line less", lines[:-1]), ("empty", []), ("a key file", None)):
        path = lab.write("broken", "\n".join(data).encode() if data is not None
                         else open(lab.key, "rb").read())
        result = lab.restore(point, lab.path("t"), secret=["--recovery-key-file", path])
        check(result.code == 12, f"{name}: {result.code}")
    # Typed by a person: other case, spaces, blank lines and notes.
    typed = lab.write("typed", ("# from the safe\n\n" + "\n\n".join(
        "  " + line.replace(" ", "  ") if i else line for i, line in enumerate(lines))).encode())
    found, result = lab.restored_digest(point)
    result = lab.restore(point, lab.path("typed-out"), secret=["--recovery-key-file", typed])
    result.expect(0)
    equal(digest(lab.path("typed-out")), digest(image), "restored bytes")
    # A key of this repository with another seed or root: one digit changed and the checksum right.
    raw = bytearray(bytes.fromhex("".join("".join(line.split()[1:9]) for line in lines[1:])))
    for place, codes in ((0, (12,)), (20, (12, 20)), (60, (12, 21))):
        wrong = bytearray(raw)
        wrong[place] ^= 1
        path = lab.write("forged", b"LIFEBOAT-RECOVERY-KEY-0:" + wrong.hex().upper().encode())
        result = lab.restore(point, lab.path("t"), secret=["--recovery-key-file", path])
        check(result.code in codes, f"byte {place} of the key: {result.code} {result.told()[:200]}")
    path = lab.write("code", b"LIFEBOAT-RECOVERY-KEY-0:" + raw.hex().upper().encode())
    lab.restore(point, lab.path("code-out"), secret=["--recovery-key-file", path]).expect(0)
    check(not os.path.exists(lab.path("t")), "a refused restore left a target")
    lab.run("points", "--recovery-key-file", lab.recovery).expect(0)


@test
def a_wrong_recovery_key_damages_nothing():
    """A seed that is wrong must not make whole packs look damaged, and have them set aside."""
    lab = Lab()
    image = make_image(lab.path("disk"), 3 * MIB, 1)
    point = lab.backup(f"disk={image}").expect(0).json["point"]
    lines = open(lab.recovery).read().splitlines()
    raw = bytearray(bytes.fromhex("".join("".join(line.split()[1:9]) for line in lines[1:])))
    raw[20] ^= 1
    path = lab.write("forged", b"LIFEBOAT-RECOVERY-KEY-0:" + raw.hex().upper().encode())
    for options in ([], ["--read-data"]):
        result = lab.verify(*options, "--recovery-key-file", path, *lab.secret)
        check(result.code != 0, "a wrong recovery key passes a verification")
        equal(lab.objects("damaged/"), {}, "packs set aside")
        check(result.code in (12, 21), f"verify with a wrong seed: {result.code}")
    result = lab.restore(point, lab.path("t"), secret=["--recovery-key-file", path, *lab.secret])
    check(result.code in (12, 21), f"restore with a wrong seed and a key file: {result.code}")
    lab.expect_restores({point: digest(image)})


@test
def adding_and_removing_keys():
    lab = Lab()
    image = make_image(lab.path("disk"), MIB, 1)
    points = {lab.backup(f"disk={image}").expect(0).json["point"]: digest(image)}
    only = lab.run("key", "list", *lab.secret).expect(0).json["keys"]
    equal(len(only), 1, "keys")
    result = lab.run("key", "remove", only[0]["id"], *lab.secret).expect(21)
    check("last" in result.told(), result.told())
    password = lab.write("password", b"second\n")
    os.chmod(password, 0o600)
    lab.run("key", "add", "--new-password-file", password, "--label", "x", *lab.secret).expect(0)
    lab.run("points", "--password-file", password).expect(0)
    lab.run("key", "add", "--new-key-file", lab.key, *lab.secret).expect(14)
    other = lab.path("third.key")
    lab.run("key", "add", "--new-key-file", other, "--password-file", password).expect(0)
    equal(os.stat(other).st_mode & 0o777, 0o600, "mode of a key file")
    lab.run("key", "remove", only[0]["id"][:6], "--key-file", other).expect(0)
    lab.run("points", *lab.secret).expect(12)
    lab.run("points", "--key-file", other).expect(0)
    lab.run("key", "remove", "", "--key-file", other).expect(2, 13)
    lab.run("key", "remove", "zz", "--key-file", other).expect(13)
    lab.run("points", "--key-file", password).expect(12)
    result = lab.run("key", "list", "--password-file", password).expect(0)
    equal([k["current"] for k in result.json["keys"] if k["kind"] == "password"], [True], "current")
    equal(len(result.json["keys"]), 2, "keys")
    for point, expected in points.items():
        found, _ = lab.restored_digest(point)
        equal(found, expected, "restored bytes")


@test
def keys_of_another_repository():
    lab, other = Lab(), Lab()
    lab.run("points", "--key-file", other.key).expect(12)
    # A foreign slot put into the store opens nothing.
    name = next(iter(other.objects("keys/")))
    shutil.copy(os.path.join(other.repo, name), os.path.join(lab.repo, name))
    result = lab.run("points", "--key-file", other.key).expect(12, 21)
    lab.run("points", *lab.secret).expect(0)
    # Nor does an exchanged configuration: the root key is pinned.
    for folder in ("config", "roster"):
        shutil.rmtree(os.path.join(lab.repo, folder))
        shutil.copytree(os.path.join(other.repo, folder), os.path.join(lab.repo, folder))
    image = make_image(lab.path("disk"), MIB, 1)
    result = lab.backup(image)
    check(result.code in (12, 21), f"an exchanged configuration: {result.code}")


# Parts of the recovery key, as formats/keys.md has them; the arithmetic is another program's.

def checksum(data):
    return f"{binascii.crc_hqx(data, 0xffff):04x}"


def write_part(lab, name, set_id, number, needed, total, repository, data):
    head = set_id.to_bytes(2, "big") + bytes([number, needed, total])
    lines = [f"lifeboat recovery key part {number}",
             f"set {set_id:04x} part {number} of {total} needed {needed} " + checksum(head + bytes(1))]
    content = repository + data
    for line in range(1, 7):
        row = content[line * 16 - 16:line * 16]
        groups = " ".join(row[i:i + 2].hex() for i in range(0, 16, 2))
        lines.append(f"{line} {groups} {checksum(head + bytes([line]) + row)}")
    return lab.write(name, ("\n".join(lines) + "\n").encode())


def read_part(path):
    """Part, needed, total, repository, the part's bytes; checks every checksum."""
    with open(path) as file:
        lines = file.read().splitlines()
    equal(len(lines), 8, f"lines of {path}")
    words = lines[1].split()
    equal([words[i] for i in (0, 2, 4, 6)], ["set", "part", "of", "needed"], "second line")
    number, total, needed = int(words[3]), int(words[5]), int(words[7])
    equal(lines[0], f"lifeboat recovery key part {number}", "first line")
    head = bytes.fromhex(words[1]) + bytes([number, needed, total])
    equal(words[8], checksum(head + bytes(1)), "checksum of the second line")
    content = b""
    for line in range(1, 7):
        words = lines[line + 1].split()
        row = bytes.fromhex("".join(words[1:9]))
        equal((words[0], words[9]), (str(line), checksum(head + bytes([line]) + row)), "a line")
        content += row
    return number, needed, total, content[:16], content[16:]


def key_bytes(path):
    with open(path) as file:
        lines = file.read().splitlines()
    return bytes.fromhex("".join("".join(line.split()[1:9]) for line in lines[1:]))


def split(lab, directory, parts, needed):
    return lab.run("key", "split", "--recovery-key-file", lab.recovery, "--parts", parts,
                   "--needed", needed, "--directory", directory, needs_repository=False)


def join(lab, target, *parts):
    return lab.run("key", "join", *parts, "--recovery-key-file", target, needs_repository=False)


@test
def parts_of_the_recovery_key():
    lab = Lab()
    image = make_image(lab.path("disk"), 3 * MIB, 1)
    point = lab.backup(f"disk={image}").expect(0).json["point"]
    folder = lab.path("parts")
    result = split(lab, folder, 5, 3).expect(0)
    repository = key_bytes(lab.recovery)[:16].hex()
    equal((result.json["repository"], result.json["needed"], result.json["total"]),
          (repository, 3, 5), "what split says")
    files = [part["file"] for part in result.json["parts"]]
    equal(files, [f"{folder}/recovery-part-{n}.txt" for n in range(1, 6)], "files")
    for part in result.json["parts"]:
        for path in (part["file"], part["page"]):
            equal(os.stat(path).st_mode & 0o777, 0o600, f"mode of {path}")
        with open(part["page"]) as page, open(part["file"]) as text:
            page = page.read()
            check(all(f"<li>{line}</li>" in page for line in text.read().splitlines()), "a page")
            check("<svg" in page, "a page without a code")
    secret = open(files[0]).read().splitlines()[3][2:41]
    check(secret.encode() not in result.out + result.err, "split shows a part")
    # Nothing is written over, also where only one file is in the way.
    before = {path: open(path).read() for path in glob.glob(folder + "/*")}
    split(lab, folder, 2, 2).expect(14)
    os.rename(files[4], files[4] + ".away")
    split(lab, folder, 5, 3).expect(14)
    check(not os.path.exists(files[4]), "a refused split left a part")
    os.rename(files[4] + ".away", files[4])
    equal({path: open(path).read() for path in glob.glob(folder + "/*")}, before, "files")
    # Every three restore; no two do.
    joined = lab.path("joined.key")
    for chosen in itertools.combinations(files, 3):
        result = join(lab, joined, *reversed(chosen)).expect(0)
        equal(os.stat(joined).st_mode & 0o777, 0o600, "mode of the joined key")
        equal(open(joined).read(), open(lab.recovery).read(), "joined key")
        join(lab, joined, *chosen).expect(14)
        os.unlink(joined)
    for chosen in itertools.combinations(files, 2):
        result = join(lab, joined, *chosen).expect(21)
        check("1 more" in result.told(), result.told())
    joiner = os.path.join(os.path.dirname(__file__), "../../formats/reader/join_recovery_parts.py")
    run = subprocess.run([sys.executable, joiner, *files[2:]], capture_output=True, text=True)
    equal(run.stdout, open(lab.recovery).read(), f"what the second joiner makes ({run.stderr})")
    join(lab, joined, *files).expect(0)
    lab.restore(point, lab.path("out"), secret=["--recovery-key-file", joined]).expect(0)
    equal(digest(lab.path("out")), digest(image), "restored bytes")
    os.unlink(joined)
    # What does not belong together.
    result = join(lab, joined, files[0], files[1], files[0]).expect(21)
    check("part 1 is given twice" in result.told(), result.told())
    other = [part["file"] for part in split(lab, lab.path("other"), 5, 3).expect(0).json["parts"]]
    result = join(lab, joined, files[0], other[1], files[2]).expect(21)
    check("another set" in result.told() and other[1] in result.told(), result.told())
    result = join(lab, joined, files[0], files[1], lab.recovery).expect(12)
    result = join(lab, joined, files[0], files[1], lab.path("nothing")).expect(13)
    result = lab.restore(point, lab.path("t"), secret=["--recovery-key-file", files[0]]).expect(12)
    check("key join" in result.told(), result.told())
    # A mistyped digit is named, with its file and line.
    lines = open(files[1]).read().splitlines()
    for number in range(1, 7):
        broken = list(lines)
        digit = broken[number + 1][10]
        broken[number + 1] = (broken[number + 1][:10] + ("0" if digit != "0" else "1")
                              + broken[number + 1][11:])
        path = lab.write("mistyped", "\n".join(broken).encode())
        result = join(lab, joined, files[0], path, files[2]).expect(12)
        check(f"line {number} of part 2" in result.told() and path in result.told(), result.told())
    # A part with right checksums and one bit changed.
    number, needed, total, repository, data = read_part(files[1])
    set_id = int(lines[1].split()[1], 16)
    wrong = bytes([data[0] ^ 1]) + data[1:]
    path = write_part(lab, "forged", set_id, number, needed, total, repository, wrong)
    result = join(lab, joined, files[0], path, files[2]).expect(12)
    check("do not fit together" in result.told(), result.told())
    check(not os.path.exists(joined), "a refused join left a key")
    # One line from the code of the page.
    content = set_id.to_bytes(2, "big") + bytes([number, needed, total]) + repository + data
    code = "LIFEBOAT-RECOVERY-PART-0:" + (content.hex() + checksum(content)).upper()
    join(lab, joined, files[0], lab.write("code", code.encode()), files[2]).expect(0)
    equal(open(joined).read(), open(lab.recovery).read(), "key joined from a code")
    for wrong in (("0", "0"), ("17", "3"), ("3", "4"), ("3", "0")):
        split(lab, lab.path("never"), *wrong).expect(2)
    check(not os.path.exists(lab.path("never")), "a wrong command line left a directory")


@test
def parts_and_another_implementation():
    from shamir_mnemonic import shamir
    lab = Lab()
    image = make_image(lab.path("disk"), MIB, 1)
    point = lab.backup(f"disk={image}").expect(0).json["point"]
    key = key_bytes(lab.recovery)
    for seed in seeds():
        source = random.Random(f"parts {seed}")
        total = source.randrange(1, 17)
        needed = source.randrange(1, total + 1)
        folder = lab.path(f"parts-{seed}")
        files = [part["file"] for part in split(lab, folder, total, needed).expect(0).json["parts"]]
        shares = []
        for path in files:
            number, *says, repository, data = read_part(path)
            equal((says, repository), ([needed, total], key[:16]), "what a part says")
            shares.append(shamir.RawShare(number - 1, data))
        equal(shamir._recover_secret(needed, source.sample(shares, needed)), key, "joined there")
        shares = shamir._split_secret(needed, total, key)
        set_id = source.randrange(1 << 16)
        files = [write_part(lab, f"{seed}-{share.x}", set_id, share.x + 1, needed, total, key[:16],
                            share.data) for share in source.sample(shares, needed)]
        joined = lab.path(f"joined-{seed}.key")
        result = join(lab, joined, *files).expect(0)
        equal(result.json["parts"], [read_part(path)[0] for path in files], "parts")
        equal(open(joined).read(), open(lab.recovery).read(), "joined here")
    lab.restore(point, lab.path("out"), secret=["--recovery-key-file", joined]).expect(0)
    equal(digest(lab.path("out")), digest(image), "restored bytes")


class Host:
    """Another host that uses a lab's repository, with a key file and directories of its own."""

    def __init__(self, lab, name, *options, recovery=None):
        self.lab, self.name, self.key = lab, name, lab.path(name + ".key")
        self.env = dict(
            LIFEBOAT_STATE_DIR=lab.path(name + "-state"), LIFEBOAT_CACHE_DIR=lab.path(name + "-cache"))
        result = lab.run(
            "key", "enrol", "--label", name, "--new-key-file", self.key, "--recovery-key-file",
            recovery or lab.recovery, *options).expect(0)
        self.member = result.json["member"]["id"]

    def run(self, *arguments):
        return self.lab.run(*arguments, "--key-file", self.key, env=self.env)

    def backup(self, image):
        return self.run("backup", "--machine", self.name, f"disk={image}")


def members(lab, recovery=None):
    found = lab.run("key", "list", "--recovery-key-file", recovery or lab.recovery).expect(0)
    return {member["label"]: member for member in found.json["members"]}


def restores(lab, point, image_digest, recovery):
    found, result = lab.restored_digest(point, recovery=recovery)
    check(found is not None, f"point {point[:12]} does not restore: {result.told()}")
    equal(found, image_digest, f"restored bytes of point {point[:12]}")


def expect_all(lab, points, recovery):
    for point, expected in points.items():
        restores(lab, point, expected, recovery)


@test
def members_of_a_repository():
    lab = Lab()
    image = make_image(lab.path("disk"), 2 * MIB, 1)
    points = {lab.backup(f"disk={image}").expect(0).json["point"]: digest(image)}
    second = Host(lab, "second", "--role", "writer")
    apart = Host(lab, "apart", "--role", "writer", "--domain", "new")
    beside = Host(
        lab, "beside", "--role", "writer", "--domain", members(lab)["apart"]["domain"][:8])
    keeper = Host(lab, "keeper", "--role", "keeper")
    listed = members(lab)
    equal(len(listed), 5, "members")
    equal(listed["keeper"]["role"], "keeper", "role")
    check(listed["apart"]["domain"] != listed["second"]["domain"], "a new domain is no new one")
    equal(listed["apart"]["domain"], listed["beside"]["domain"], "domain by its prefix")
    equal({member["state"] for member in listed.values()}, {"active"}, "states")
    # Writers of a domain share what they store; those of another do not.
    for host, shares in ((second, True), (apart, False), (beside, True)):
        result = host.backup(image).expect(0).json
        equal(result["volumes"][0]["bytes_new"] == 0, shares, f"{host.name} shares")
        points[result["point"]] = digest(image)
        equal(host.run("index", "rebuild").code, 0, "index rebuild")
    result = keeper.backup(image).expect(21)
    check("only a writer" in result.told(), result.told())
    expect_all(lab, points, lab.recovery)
    equal(len(keeper.run("points").expect(0).json["points"]), 4, "points that a keeper sees")
    equal(len(second.run("points").expect(0).json["points"]), 2, "points of one domain")
    for wrong in (["--role", "owner"], []):
        result = lab.run("key", "enrol", *wrong, "--new-key-file", lab.path("x"),
                         "--recovery-key-file", lab.recovery)
        equal(result.code, 2, "exit code of a role that is none")
    result = lab.run("key", "enrol", "--role", "writer", "--new-key-file", second.key,
                     "--recovery-key-file", lab.recovery).expect(14)
    lab.run("key", "enrol", "--role", "writer", "--domain", "zz", "--new-key-file", lab.path("x"),
            "--recovery-key-file", lab.recovery).expect(13)
    # Revoked: what was stored stays, and nothing is added any more.
    result = lab.run("key", "revoke", second.member, "--recovery-key-file", lab.recovery).expect(0)
    equal(result.json["member"]["state"], "revoked", "state")
    lab.run("key", "revoke", second.member[:12], "--recovery-key-file", lab.recovery).expect(0)
    lab.run("key", "revoke", "zz", "--recovery-key-file", lab.recovery).expect(13)
    change_image(image, 2)
    result = second.backup(image).expect(21)
    check("revoked" in result.told(), result.told())
    points[lab.backup(f"disk={image}").expect(0).json["point"]] = digest(image)
    expect_all(lab, points, lab.recovery)
    lab.verify_data().expect(0)


@test
def rotation():
    lab = Lab()
    second = Host(lab, "second", "--role", "writer", "--domain", "new")
    image = make_image(lab.path("disk"), 2 * MIB, 1)
    points = {lab.backup(f"disk={image}").expect(0).json["point"]: digest(image)}
    points[second.backup(image).expect(0).json["point"]] = digest(image)
    keys = [lab.recovery]
    for number in range(3):
        new = lab.path(f"new-{number}.key")
        result = lab.run("key", "rotate", "--recovery-key-file", keys[-1],
                         "--new-recovery-key-file", new).expect(0)
        for path in (new, new + ".html"):
            equal(os.stat(path).st_mode & 0o777, 0o600, f"mode of {path}")
        equal(result.json["recovery_page"], new + ".html", "page")
        keys.append(new)
        change_image(image, number)
        points[lab.backup(f"disk={image}").expect(0).json["point"]] = digest(image)
        points[second.backup(image).expect(0).json["point"]] = digest(image)
        for old in keys[:-1]:
            result = lab.restore(
                next(iter(points)), lab.path("t"), secret=["--recovery-key-file", old]).expect(12)
            check("replaced by a rotation on 2" in result.told(), result.told())
            # Again with the old key: told before the new file is looked at.
            result = lab.run("key", "rotate", "--recovery-key-file", old,
                             "--new-recovery-key-file", new).expect(12)
            check("replaced by a rotation" in result.told(), result.told())
        expect_all(lab, points, new)
    result = lab.run("key", "rotate", "--recovery-key-file", keys[-1],
                     "--new-recovery-key-file", keys[0]).expect(14)
    check("still in force" in result.told(), result.told())
    expect_all(lab, points, keys[-1])
    # A host that is enrolled after all that, and one that is revoked.
    third = Host(lab, "third", "--role", "writer", recovery=keys[-1])
    points[third.backup(image).expect(0).json["point"]] = digest(image)
    lab.run("key", "revoke", third.member, "--recovery-key-file", keys[-1]).expect(0)
    third.backup(image).expect(21)
    lab.run("key", "revoke", second.member, "--recovery-key-file", keys[0]).expect(12)
    expect_all(lab, points, keys[-1])
    lab.recovery = keys[-1]
    lab.verify_data().expect(0)


@test
def a_repository_that_is_set_back():
    lab = Lab()
    image = make_image(lab.path("disk"), MIB, 1)
    lab.backup(f"disk={image}").expect(0)
    earlier = lab.path("earlier")
    shutil.copytree(lab.repo, earlier)
    new = lab.path("new.key")
    lab.run("key", "rotate", "--recovery-key-file", lab.recovery,
            "--new-recovery-key-file", new).expect(0)
    lab.points()
    shutil.rmtree(os.path.join(lab.repo, "config"))
    shutil.copytree(os.path.join(earlier, "config"), os.path.join(lab.repo, "config"))
    for secret in (lab.secret, ["--recovery-key-file", lab.recovery],
                   ["--recovery-key-file", new]):
        result = lab.run("points", *secret).expect(21)
        check("set back" in result.told(), result.told())


def interrupted(lab, source, longest, *arguments):
    """Runs something and kills it after a random time; its exit code."""
    process = lab.start(*arguments)
    time.sleep(source.uniform(0, longest))
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    return process.wait()


@test
def killed_rotations_and_enrolments():
    for seed in seeds(1):
        print(f"# seed {seed}", flush=True)
        source = random.Random(seed)
        lab = Lab()
        image = make_image(lab.path("disk"), MIB, seed)
        points = {lab.backup(f"disk={image}").expect(0).json["point"]: digest(image)}
        begun = time.monotonic()
        lab.run("key", "list", "--recovery-key-file", lab.recovery).expect(0)
        longest = 1.6 * (time.monotonic() - begun)
        current, outcomes, kills = lab.recovery, {}, 0
        wanted, number = 10 if QUICK else 60, -1
        while kills < wanted:
            number += 1
            check(number < 10 * wanted, f"only {kills} kills")
            if number % 2 == 0:
                new = lab.path(f"rotated-{number}.key")
                code = interrupted(
                    lab, source, longest, "key", "rotate", "--recovery-key-file", current,
                    "--new-recovery-key-file", new)
                works = [path for path in (current, new) if os.path.exists(path) and
                         lab.run("points", "--recovery-key-file", path).code == 0]
                equal(len(works), 1, f"keys that work after round {number}")
                outcome = "rotated" if works[0] == new else "not rotated"
                current = works[0]
            else:
                before = len(lab.run("key", "list", "--recovery-key-file", current)
                             .expect(0).json["members"])
                key = lab.path(f"member-{number}.key")
                code = interrupted(
                    lab, source, longest, "key", "enrol", "--role", "writer", "--new-key-file",
                    key, "--recovery-key-file", current,
                    *(["--domain", "new"] if source.random() < 0.3 else []))
                after = len(lab.run("key", "list", "--recovery-key-file", current)
                            .expect(0).json["members"])
                check(after - before in (0, 1), f"{after - before} members more")
                env = dict(LIFEBOAT_STATE_DIR=lab.path(f"s{number}"))
                if after > before:
                    check(os.path.exists(key), "a member without a key file")
                    lab.run("points", "--key-file", key, env=env).expect(0)
                elif os.path.exists(key):
                    lab.run("points", "--key-file", key, env=env).expect(12, 21)
                outcome = "enrolled" if after > before else "not enrolled"
            kills += code == -signal.SIGKILL
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            change_image(image, number, count=3)
            point = lab.backup(f"disk={image}").expect(0).json["point"]
            points[point] = digest(image)
            restores(lab, point, points[point], current)
        print(f"# {kills} kills: {outcomes}", flush=True)
        expect_all(lab, points, current)
        lab.recovery = current
        lab.verify_data().expect(0)

@test
def killed_revocations():
    for seed in seeds(1):
        source = random.Random(seed)
        lab = Lab()
        image = make_image(lab.path("disk"), MIB, seed)
        points, states = {}, {}
        begun = time.monotonic()
        lab.run("key", "list", "--recovery-key-file", lab.recovery).expect(0)
        longest = 2 * (time.monotonic() - begun)
        for number in range(3 if QUICK else 10):
            host = Host(lab, f"host{number}", "--role", "writer")
            points[host.backup(image).expect(0).json["point"]] = digest(image)
            interrupted(lab, source, longest, "key", "revoke", host.member,
                        "--recovery-key-file", lab.recovery)
            state = members(lab)[host.name]["state"]
            states[state] = states.get(state, 0) + 1
            if state != "active":
                host.backup(image).expect(21)
            lab.run("key", "revoke", host.member, "--recovery-key-file", lab.recovery).expect(0)
            equal(members(lab)[host.name]["state"], "revoked", "state")
            host.backup(image).expect(21)
        print(f"# {states}", flush=True)
        expect_all(lab, points, lab.recovery)
        lab.verify_data().expect(0)


main()
