"""Wrong, missing, mistyped and foreign secrets."""
import os
import shutil

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


main()
