"""What a host without the recovery key can read, and what leaks elsewhere: nothing."""
import hashlib
import hmac
import os
import random
import re
import struct
import time

from harness import *

MARKER = b"MARKER-OF-A-SECRET-DOCUMENT-"


def marked_image(path, size):
    source = random.Random(1)
    with open(path, "wb") as file:
        for _ in range(size // (256 * KIB)):
            line = MARKER + b"%016x\n" % source.getrandbits(64)
            file.write((line * (128 * KIB // len(line) + 1))[:128 * KIB])
            file.write(source.randbytes(128 * KIB - len(MARKER)) + MARKER)
    return path


def files(*folders):
    for top in folders:
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    yield path, file.read()


def cbor(data, at=0):
    """Decodes what Lifeboat writes: numbers, bytes, text, lists, maps, booleans."""
    head = data[at]
    major, low = head >> 5, head & 31
    if major == 7:
        return low == 21, at + 1
    at += 1
    if low >= 24:
        width = 1 << (low - 24)
        low = int.from_bytes(data[at:at + width], "big")
        at += width
    if major == 0:
        return low, at
    if major in (2, 3):
        piece = data[at:at + low]
        return (piece if major == 2 else piece.decode()), at + low
    items = []
    for _ in range(low * (2 if major == 5 else 1)):
        item, at = cbor(data, at)
        items.append(item)
    return (dict(zip(items[::2], items[1::2])) if major == 5 else items), at


def encode(value):
    """The deterministic encoding of the head of a key slot."""
    def head(major, number):
        if number < 24:
            return bytes([major << 5 | number])
        for low, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
            if number < 1 << 8 * width:
                return bytes([major << 5 | low]) + number.to_bytes(width, "big")
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(encode, value))
    return head(5, len(value)) + b"".join(
        encode(k) + encode(v) for k, v in sorted(value.items()))


def hkdf(secret, salt, info):
    key = hmac.new(salt, secret, hashlib.sha256).digest()
    return hmac.new(key, info + b"\x01", hashlib.sha256).digest()


def opener(key):
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    cipher = AESGCM(key)

    def open_sealed(counter, associated, sealed):
        return cipher.decrypt(bytes(4) + struct.pack("<Q", counter), sealed, associated)
    return open_sealed


class Host:
    """Everything that a host can open with its password: a thief's view of it."""

    def __init__(self, lab, password):
        self.lab = lab
        self.opened = []
        name = next(iter(lab.objects("keys/")))
        slot = self.read(name)
        payload, _ = cbor(slot[12:])
        head = {k: v for k, v in payload.items() if k < 6}
        log_cost, block, lanes = payload[3]
        key = hashlib.scrypt(password, salt=payload[4], n=1 << log_cost, r=block, p=lanes,
                             maxmem=1 << 28, dklen=32)
        keys, _ = cbor(opener(key)(
            0, slot[:8] + encode(head), payload[6]))
        self.repository, self.domain, self.secret = keys[1], keys[4], keys[5]
        self.keys = keys

    def read(self, name):
        return open(os.path.join(self.lab.repo, name), "rb").read()

    def data_packs(self):
        """Directories of data packs: what a host can know of them; and their key tables."""
        for name in self.lab.objects("packs/"):
            data = self.read(name)
            header, content, count = data[:72], data[6], data[7]
            keyed = opener(hkdf(self.secret, header[40:72], b"lifeboat pack directory"))
            trailer = keyed(0, header, data[-32:])
            start = struct.unpack("<Q", trailer[:8])[0]
            directory = keyed(1, header, data[start:-32])
            self.opened.append(directory)
            frames, _ = struct.unpack("<II", directory[:8])
            entries = [struct.unpack("<IIIHBBQ", directory[8 + 24 * i:32 + 24 * i])
                       for i in range(frames)]
            width = 1168 if content == 1 else 32
            table = [data[72 + width * i:72 + width * (i + 1)] for i in range(count)]
            yield content, data, entries, table


@test
def a_host_cannot_read_back_what_it_stored():
    lab = Lab(password="the host's password")
    image = marked_image(lab.path("disk"), 8 * MIB)
    point = lab.backup(f"disk={image}").expect(0).json["point"]
    change_image(image, 1)
    lab.backup(f"disk={image}").expect(0)
    for options in ([], ["--resume"], ["--in-place"]):
        result = lab.restore(point, lab.path("target"), *options, secret=lab.secret).expect(2, 12)
        check("recovery key" in result.told(), result.told())
    lab.restore(point, lab.path("target"), secret=["--recovery-key-file", lab.password]).expect(12)
    check(not os.path.exists(lab.path("target")), "something was restored")
    # The program says no; but what would a thief's own program get out of it?
    host = Host(lab, b"the host's password")
    recovery = open(lab.recovery).read().splitlines()
    raw = bytes.fromhex("".join("".join(line.split()[1:9]) for line in recovery[1:]))
    seed, root = raw[16:48], raw[48:80]
    held = b"".join(data for _, data in files(lab.state, lab.cache)) + b"".join(
        v for v in host.keys.values() if isinstance(v, bytes))
    for name, secret in (("recovery seed", seed), ("root key", root)):
        check(secret not in held and secret.hex().encode() not in held,
              f"the host holds the {name}")
    # Keys that a host can derive: none opens a data frame.
    sealed = tried = 0
    for content, data, frames, table in host.data_packs():
        if content != 1:
            continue
        for offset, length, _, _, index, _, counter in frames:
            sealed += 1
            encapsulation = table[index][:1120]
            key_id = hashlib.sha256(encapsulation).digest()
            associated = b"LBFR" + host.repository + key_id + struct.pack("<Q", counter)
            labels = [b"lifeboat metadata frame", b"lifeboat frame key", b"lifeboat pack directory",
                      b"lifeboat chunk id", b"lifeboat frame key" + host.repository + host.domain]
            salts = [data[40:72], encapsulation, key_id, host.repository, table[index]]
            candidates = [hkdf(host.secret, s, i) for s in salts for i in labels]
            candidates += [host.secret, host.keys[3], table[index][1120:1152], key_id]
            for candidate in candidates:
                tried += 1
                try:
                    opener(candidate)(counter, associated, data[offset:offset + length])
                except Exception:
                    continue
                raise Failure("a host's key opens a data frame")
    check(sealed >= 2 and tried > 40, f"only {sealed} frames were tried")
    check(not any(MARKER in piece for piece in host.opened), "a marker in a directory")
    # The chunk ids are known to it, as they must be; without the key nobody can guess contents.
    first = open(image, "rb").read(64 * KIB)
    for path, data in files(lab.repo):
        check(hashlib.sha256(first).digest() not in data, f"{path} holds the hash of a chunk")


@test
def nothing_leaks_in_clear():
    lab = Lab(password="the password itself")
    image = marked_image(lab.path("disk"), 8 * MIB)
    lab.run("backup", "--machine", "secret-machine-name", f"secret-volume-name={image}",
            "--tag", "secret-tag=secret-value", *lab.secret).expect(0)
    lab.run("verify", *lab.secret).expect(0)
    lab.run("key", "add", "--new-key-file", lab.path("second.key"), "--label", "secret-label",
            *lab.secret).expect(0)
    words = [MARKER, b"secret-machine-name", b"secret-volume-name", b"secret-tag", b"secret-value",
             b"secret-label", b"the password itself"]
    if len(os.uname().nodename) >= 6:
        words.append(os.uname().nodename.encode())
    for path, data in files(lab.repo):
        for word in words:
            check(word not in data, f"{path} holds {word}")
    for path, data in files(lab.state, lab.cache):
        for word in (MARKER, b"the password itself"):
            check(word not in data, f"{path} holds {word}")
        check(os.stat(path).st_mode & 0o077 == 0, f"{path} can be read by others")


@test
def equal_content_looks_different_in_two_repositories():
    labs = [Lab(), Lab()]
    image = marked_image(labs[0].path("disk"), 2 * MIB)
    pieces = []
    for lab in labs:
        lab.backup(f"disk={image}").expect(0)
        pieces.append({data[i:i + 32] for _, data in files(lab.repo)
                       for i in range(0, len(data) - 31, 32)})
    common = pieces[0] & pieces[1] - {bytes(32)}
    check(len(common) <= 2, f"{len(common)} pieces are the same in both")


@test
def secrets_are_not_on_the_command_line_nor_in_core_files():
    lab = Lab(password="the password itself")
    image = make_image(lab.path("disk"), 96 * MIB, 1)
    process = lab.start("backup", f"disk={image}", *lab.secret)
    seen = False
    while process.poll() is None:
        try:
            command = open(f"/proc/{process.pid}/cmdline", "rb").read()
            environment = open(f"/proc/{process.pid}/environ", "rb").read()
            limits = open(f"/proc/{process.pid}/limits").read()
        except OSError:
            continue
        if b"lifeboat" not in command.split(b"\0")[0] and b"backup" not in command:
            continue
        check(b"the password itself" not in command + environment, "a password shows")
        core = re.search(r"Max core file size\s+(\S+)", limits)
        if core and core.group(1) == "0":
            seen = True
        time.sleep(0.005)
    check(seen, "the running program may leave core files")


main()
