#!/usr/bin/env python3
"""Tests of the second reader: python3 -m unittest formats/reader/test_reader.py

`Writer` below is an independent writer of small repositories, made from formats/ like the reader.
It keeps the pages honest: what they contradict or leave out, it cannot write.
"""

import hashlib
import hmac
import io
import json
import os
import pathlib
import random
import struct
import sys
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout

import zstandard
from cryptography.hazmat.primitives.asymmetric import ed25519, mlkem, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import lifeboat_reader as reader  # noqa: E402

FIXTURES = HERE.parent.parent / "fixtures" / "v1"
CHUNK = 16384
PREFIX = bytes([1, 0, 0, 0])


# A writer of small repositories


def cbor(value):
    """Deterministic CBOR, written a second time so that the reader's is not its own judge."""

    def head(major, number):
        if number < 24:
            return bytes([major << 5 | number])
        for info, (width, form) in enumerate(((1, ">B"), (2, ">H"), (4, ">I"), (8, ">Q")), 24):
            if number < 1 << (8 * width):
                return bytes([major << 5 | info]) + struct.pack(form, number)
        raise ValueError(number)

    if value is True or value is False:
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    return head(5, len(value)) + b"".join(cbor(k) + cbor(value[k]) for k in sorted(value))


def envelope(magic, payload, key=None):
    body = cbor(payload)
    data = magic + PREFIX + struct.pack("<I", len(body)) + body
    return data + key.sign(data) if key else data


def public(key):
    return key.public_key().public_bytes_raw()


def gcm(key, counter, associated, plain):
    return AESGCM(key).encrypt(bytes(4) + struct.pack("<Q", counter), plain, associated)


def xwing_public(seed):
    expanded = hashlib.shake_256(seed).digest(96)
    lattice = mlkem.MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
    curve = x25519.X25519PrivateKey.from_private_bytes(expanded[64:])
    return lattice.public_key().public_bytes_raw() + public(curve)


def xwing_encapsulate(public_key):
    first, lattice_text = mlkem.MLKEM768PublicKey.from_public_bytes(public_key[:1184]).encapsulate()
    ephemeral = x25519.X25519PrivateKey.generate()
    curve_key = public_key[1184:]
    second = ephemeral.exchange(x25519.X25519PublicKey.from_public_bytes(curve_key))
    curve_text = public(ephemeral)
    label = bytes.fromhex("5c2e2f2f5e5c")
    shared = hashlib.sha3_256(first + second + curve_text + curve_key + label).digest()
    return shared, lattice_text + curve_text


def hpke_seal(public_key, info, plain):
    shared, encapsulation = xwing_encapsulate(public_key)
    key, nonce = reader.hpke_key_schedule(shared, info)
    return encapsulation, AESGCM(key).encrypt(nonce, plain, b"")


class Writer:
    """Writes one repository with a writer and a keeper, and as many points as are asked for."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.id, self.domain, self.writer = os.urandom(16), os.urandom(16), os.urandom(16)
        self.keeper, self.seed = os.urandom(16), os.urandom(32)
        self.incarnation, self.watch = incarnation(self.writer), incarnation(self.keeper)
        self.root = ed25519.Ed25519PrivateKey.generate()
        self.signing = ed25519.Ed25519PrivateKey.generate()
        self.keeping = ed25519.Ed25519PrivateKey.generate()
        self.secret = os.urandom(32)
        self.public = xwing_public(self.seed)
        self.chunk_key = reader.hkdf(self.secret, self.id, b"lifeboat chunk id")
        self.node_key = reader.hkdf(self.secret, self.id, b"lifeboat node id")
        self.entries, self.kept, self.known, self.facts = [], [], {}, {}
        info = b"lifeboat domain secret" + self.id + self.domain
        encapsulation, sealed = hpke_seal(self.public, info, self.secret)
        self.put("config/0000000001", envelope(b"LBCF", {
            1: self.id, 2: CHUNK, 3: public(self.root), 4: self.public, 5: 1,
            6: [{1: self.domain, 2: encapsulation, 3: sealed}], 7: 1, 8: bytes(32), 9: [], 10: 0,
            11: bytes(32), 12: 0}, self.root))
        members = [{1: self.writer, 2: 1, 3: public(self.signing), 4: self.domain, 5: b"", 7: 1},
                   {1: self.keeper, 2: 2, 3: public(self.keeping), 4: self.domain, 5: b"", 7: 1}]
        first = envelope(b"LBRO", {1: self.id, 2: 1, 3: bytes(32), 4: []}, self.root)
        self.put("roster/0000000001", first)
        previous = hashlib.sha256(first).digest()
        self.put("roster/0000000002", envelope(
            b"LBRO", {1: self.id, 2: 2, 3: previous, 4: members}, self.root))
        raw = self.root.private_bytes_raw()
        (self.path / "recovery.key").write_text(recovery_file(self.id + self.seed + raw))

    def rotate(self):
        """Puts a second configuration, with a new recovery key; the old one stays for reading."""
        old = dict(seed=self.seed, public=self.public, root=self.root)
        self.seed, self.root = os.urandom(32), ed25519.Ed25519PrivateKey.generate()
        self.public = xwing_public(self.seed)
        domain = hpke_seal(
            self.public, b"lifeboat domain secret" + self.id + self.domain, self.secret)
        earlier = hpke_seal(
            self.public, b"lifeboat earlier recovery seed" + self.id
            + hashlib.sha256(old["public"]).digest(), old["seed"])
        digests = [hashlib.sha256((self.path / name).read_bytes()).digest()
                   for name in ("config/0000000001", "roster/0000000002")]
        self.put("config/0000000002", envelope(b"LBCF", {
            1: self.id, 2: CHUNK, 3: public(self.root), 4: self.public, 5: 2,
            6: [{1: self.domain, 2: domain[0], 3: domain[1]}], 7: 2, 8: digests[0],
            9: [{1: old["public"], 2: earlier[0], 3: earlier[1]}], 10: 2, 11: digests[1],
            12: 0}, old["root"]))
        (self.path / "old.key").write_bytes((self.path / "recovery.key").read_bytes())
        raw = self.root.private_bytes_raw()
        (self.path / "recovery.key").write_text(recovery_file(self.id + self.seed + raw))

    def revoke(self, heads):
        """Puts a third roster, in which the writer is revoked; the keeper stays."""
        previous = hashlib.sha256((self.path / "roster/0000000002").read_bytes()).digest()
        self.put("roster/0000000003", envelope(b"LBRO", {
            1: self.id, 2: 3, 3: previous, 4: [{
                1: self.writer, 2: 1, 3: public(self.signing), 4: self.domain, 5: b"", 6: heads,
                7: 1, 8: True}, {
                1: self.keeper, 2: 2, 3: public(self.keeping), 4: self.domain, 5: b"", 7: 1}]},
            self.root))

    def put(self, name, data):
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def pack(self, content, frames):
        """A pack whose frames are lists of (id, bytes)."""
        salt, frame_key = os.urandom(32), os.urandom(32)
        header = b"LBPK" + struct.pack("<HBB", 1, content, 1) + self.id + self.domain + salt
        if content == 1:
            info = b"lifeboat frame key" + self.id + self.domain
            entry, sealed = hpke_seal(self.public, info, frame_key)
            data = header + entry + sealed
        else:
            entry = os.urandom(32)
            frame_key = reader.hkdf(self.secret, entry, b"lifeboat metadata frame")
            data = header + entry
        key_id = hashlib.sha256(entry).digest()
        records, slots = b"", b""
        for number, frame in enumerate(frames):
            plain = b"".join(piece for _, piece in frame)
            packed = zstandard.ZstdCompressor().compress(plain)
            encoding = 1 if len(packed) < len(plain) else 0
            associated = b"LBFR" + self.id + key_id + struct.pack("<Q", 100 + number)
            sealed = gcm(frame_key, 100 + number, associated, packed if encoding else plain)
            records += struct.pack("<IIIHBBQ", len(data), len(sealed), len(plain), len(frame),
                                   0, encoding, 100 + number)
            slots += b"".join(name + struct.pack("<I", len(piece)) for name, piece in frame)
            data += sealed
        directory = struct.pack("<II", len(frames), len(slots) // 36) + records + slots
        least = len(data) + len(directory) + 48
        directory += bytes(reader.size_class(least) - least)
        key = reader.hkdf(self.secret, salt, b"lifeboat pack directory")
        offset = struct.pack("<QQ", len(data), 0)
        data += gcm(key, 1, header, directory) + gcm(key, 0, header, offset)
        name = hashlib.sha256(data).digest()
        self.put(f"packs/{name.hex()[:2]}/{name.hex()}", data)
        for number, frame in enumerate(frames):
            for slot, (identifier, _) in enumerate(frame):
                self.known[identifier] = (name, number, slot)
        return name

    def run(self, identifiers):
        salt = os.urandom(32)
        header = b"LBIX" + PREFIX + self.id + self.domain + self.writer + salt
        packs = sorted({self.known[identifier][0] for identifier in identifiers})
        bits = 0
        while bits < 24 and len(identifiers) >> bits > 64:
            bits += 1
        heads = sorted(int.from_bytes(it[:8], "big") for it in identifiers)
        shift = 64 - (heads[-1] - heads[0]).bit_length() if heads[-1] > heads[0] else 63
        plain = struct.pack("<QIBBBBQQ", len(heads), len(packs), bits, 0, shift, 0, heads[0], 0)
        plain += b"".join(packs)
        for bucket in range(1 << bits):
            inside = [it for it in heads if (it - heads[0] << shift) >> (64 - bits) <= bucket]
            plain += struct.pack("<Q", len(inside))
        for identifier in sorted(identifiers):
            pack, frame, slot = self.known[identifier]
            plain += identifier + struct.pack("<IHH", packs.index(pack), frame, slot)
        plain += bytes(reader.size_class(len(plain)) - len(plain))
        key = reader.hkdf(self.secret, salt, b"lifeboat index run")
        blocks = [plain[at:at + 65536] for at in range(0, len(plain), 65536)]
        data = header
        for number, block in enumerate(blocks):
            data += gcm(key, number, header + bytes([number == len(blocks) - 1]), block)
        data += self.signing.sign(b"LBIX" + hashlib.sha256(data).digest())
        name = hashlib.sha256(data).digest()
        self.put(f"index/{name.hex()}", data)
        return name

    def block_map(self, content, chunks, nodes):
        """Root and levels of a volume; new chunks and nodes are added to the two dictionaries."""
        ids = []
        for at in range(0, len(content), CHUNK):
            piece = content[at:at + CHUNK]
            identifier = hmac.digest(self.chunk_key, piece, "sha256") if any(piece) else bytes(32)
            if any(piece):
                chunks[identifier] = piece
            ids.append(identifier)
        level = 0
        while ids and (level == 0 or len(ids) > 1):
            above = []
            for at in range(0, len(ids), 32):
                children = ids[at:at + 32]
                while children and not any(children[-1]):
                    children.pop()
                node = bytes([level, len(children)]) + b"".join(children)
                above.append(hmac.digest(self.node_key, node, "sha256") if children else bytes(32))
                if children:
                    nodes[above[-1]] = node
            ids, level = above, level + 1
        return (ids[0] if ids else bytes(32)), level

    def point(self, volumes, frame_slots=8, replaced=(), packs=()):
        """Adds a point; the name of its log entry."""
        chunks, nodes, records = {}, {}, []
        for name, content in volumes.items():
            root, levels = self.block_map(content, chunks, nodes)
            records.append({1: name, 2: len(content), 3: root, 4: levels, 5: "crash", 6: "full",
                            7: len(content), 8: 0, 9: 0, 10: 0, 11: 0, 12: []})
        packs, added = list(packs), []
        for content, pieces in ((1, chunks), (2, nodes)):
            new = [(name, data) for name, data in pieces.items() if name not in self.known]
            frames = [new[at:at + frame_slots] for at in range(0, len(new), frame_slots)]
            if frames:
                packs.append(self.pack(content, frames))
                added += [name for name, _ in new]
        runs = [self.run(added)] if added else []
        if replaced:
            runs = [self.run(list(self.known))]
        body = cbor({1: "web1", 2: "host", 3: 1000, 4: 2000, 5: "crash", 6: bytes(32),
                     7: [["env", "test"]], 8: records, 9: "test"})
        return self.append(body, packs, runs, replaced)

    def append(self, body, packs=(), runs=(), replaced=(), heads=(), **further):
        """Adds an entry of the writer, with a point unless `body` is None."""
        fields = {8: list(heads), 12: b"".join(packs), 13: b"".join(runs), 14: b"".join(replaced)}
        if body is not None:
            salt = os.urandom(32)
            key = reader.hkdf(self.secret, salt, b"lifeboat point body")
            plain = struct.pack("<I", len(body)) + body
            plain += bytes(reader.size_class(len(plain) + 56) - len(plain) - 56)
            prefix = b"LBPT" + PREFIX
            associated = prefix + self.id + self.domain + self.writer
            sealed = prefix + salt + gcm(key, 0, associated, plain)
            fields[11] = hashlib.sha256(sealed).digest()
            self.put(f"points/{fields[11].hex()}", sealed)
        entry = self.entry(self.writer, self.signing, self.entries, fields | further.get("extra", {}))
        name = hashlib.sha256(entry).digest()
        if body is not None:
            self.facts[name] = {
                1: name, 2: self.incarnation, 3: len(self.entries), 4: self.writer,
                5: self.domain, 6: fields[11], 7: 1000 * len(self.entries), 8: 0, 9: 0}
        return name.hex()

    def keep(self, **fields):
        """Adds an entry of the keeper, with fields by their numbers."""
        entry = self.entry(self.keeper, self.keeping, self.kept,
                           {int(key[1:]): value for key, value in fields.items()})
        return hashlib.sha256(entry).digest()

    def entry(self, member, key, entries, fields):
        sequence = len(entries) + 1
        previous = hashlib.sha256(entries[-1]).digest() if entries else bytes(32)
        fields = {number: value for number, value in fields.items() if value not in (b"", [])}
        entry = envelope(b"LBLG", {
            1: self.id, 2: member, 3: incarnation(member), 4: sequence, 5: previous,
            6: self.domain, 7: 1000 * sequence} | fields, key)
        self.put(f"log/{incarnation(member).hex()}/{sequence:016d}", entry)
        entries.append(entry)
        return entry

    def tags(self, point, tags):
        """Sealed tags of a point."""
        salt = os.urandom(32)
        key = reader.hkdf(self.secret, salt, b"lifeboat point tags")
        place = self.id + self.domain + bytes.fromhex(point)
        return salt + gcm(key, 0, place, cbor([[key, tags[key]] for key in sorted(tags)]))

    def checkpoint(self, ordinal=1, key=None, **changes):
        """Sums everything up, stores it, and has the keeper name it."""
        packs, runs, forgotten = set(), set(), set()
        for entry in map(payload, self.entries + self.kept):
            packs |= set(cut(entry.get(12, b"")))
            runs |= set(cut(entry.get(13, b"")))
            forgotten |= set(cut(entry.get(19, b"")))
        for entry in map(payload, self.entries + self.kept):
            runs -= set(cut(entry.get(14, b"")))
        logs = [{1: member, 2: [incarnation(member), len(entries),
                                hashlib.sha256(entries[-1]).digest()],
                 3: 0, 4: [], 5: [], 6: [], 7: False}
                for member, entries in ((self.writer, self.entries), (self.keeper, self.kept))
                if entries]
        points = [fact for name, fact in self.facts.items() if name not in forgotten]
        data = envelope(b"LBCP", {
            1: self.id, 2: self.keeper, 3: ordinal, 4: 1, 5: logs, 6: points,
            7: [[self.writer, self.domain, b"".join(packs)]],
            8: [[self.writer, self.domain, b"".join(runs)]], 9: [], 10: b"", 11: [], 12: b"",
            **changes.get("fields", {})}, key or self.keeping)
        digest = hashlib.sha256(data).digest()
        name = f"checkpoints/{ordinal:016d}-{digest.hex()}"
        self.put(name, data)
        self.keep(_25=[ordinal, digest])
        return name


def incarnation(member, number=1):
    low = (int.from_bytes(member[12:], "big") + number) % (1 << 32)
    return member[:12] + low.to_bytes(4, "big")


def payload(entry):
    return reader.decode_cbor(entry[12:-64], "entry")


def cut(joined):
    return [joined[at:at + 32] for at in range(0, len(joined), 32)]


def recovery_file(key):
    lines = ["lifeboat recovery key 0"]
    for number in range(5):
        part = key[16 * number:16 * number + 16]
        crc = 0xFFFF
        for byte in bytes([number]) + part:
            crc ^= byte << 8
            for _ in range(8):
                crc = (crc << 1 ^ 0x1021) & 0xFFFF if crc & 0x8000 else crc << 1
        groups = [part[at:at + 2].hex() for at in range(0, 16, 2)]
        lines.append(f"{number + 1} {' '.join(groups)} {crc:04x}")
    return "\n".join(lines) + "\n"


def call(*arguments):
    """Exit code, standard output and standard error of a command."""
    output, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        code = reader.main([str(argument) for argument in arguments])
    return code, output.getvalue(), errors.getvalue()


# The tests


class CBORTests(unittest.TestCase):
    def test_round_trip(self):
        values = [0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**64 - 1, b"", b"x" * 300,
                  "", "zoë", [], [1, [b"2", "3"]], {}, {1: 2, 24: [True, False], 256: {0: b""}}]
        for value in values:
            self.assertEqual(reader.decode_cbor(cbor(value), "x"), value)
            self.assertEqual(reader.encode_cbor(value), cbor(value))

    def test_refusals(self):
        wrong = {
            "nothing": "", "trailing byte": "0000", "0 in two bytes": "1800", "24 as 16 bits":
            "190018", "255 as 32 bits": "1a000000ff", "as 64 bits": "1b00000000ffffffff",
            "long length": "5801ff", "negative": "20", "tag": "c000", "null": "f6", "float":
            "f90000", "simple": "f8ff", "indefinite array": "9fff", "indefinite bytes": "5f4100ff",
            "descending keys": "a202000100", "equal keys": "a201000100", "text key": "a1616100",
            "map cut": "a101", "array beyond": "9bffffffffffffffff", "bytes beyond": "42ff",
            "not UTF-8": "61ff", "surrogate": "63eda080", "nested": "81" * 12 + "00",
        }
        for name, text in wrong.items():
            with self.subTest(name), self.assertRaises(reader.Fault):
                reader.decode_cbor(bytes.fromhex(text), "x")
        reader.decode_cbor(bytes.fromhex("81" * 11 + "00"), "x")


class SmallPartTests(unittest.TestCase):
    def test_size_classes(self):
        table = {0: 1024, 1: 1024, 1024: 1024, 1025: 1040, 1040: 1040, 2047: 2048, 2048: 2048,
                 2049: 2080, 65536: 65536, 65537: 66560, 32 << 20: 32 << 20,
                 (32 << 20) + 1: (32 << 20) + (512 << 10)}
        for count, padded in table.items():
            self.assertEqual(reader.size_class(count), padded, count)
        generator, last = random.Random(1), 0
        for count in sorted(generator.randrange(1 << 34) for _ in range(2000)):
            padded = reader.size_class(count)
            self.assertTrue(count <= padded and last <= padded)
            self.assertTrue(count <= 1024 or (padded - count) * 64 < count)
            self.assertEqual(reader.size_class(padded), padded)
            last = padded

    def test_levels(self):
        table = {0: 0, 1: 1, 32: 1, 33: 2, 1024: 2, 1025: 3, 32768: 3, 32769: 4, 1 << 50: 10}
        for count, levels in table.items():
            self.assertEqual(reader.level_count(count), levels, count)

    def test_recovery_key(self):
        key = bytes(range(80))
        text = recovery_file(key)
        self.assertIn("1 0001 0203 0405 0607 0809 0a0b 0c0d 0e0f 96d1\n", text)
        self.assertEqual(reader.parse_recovery_key(text), key)
        self.assertEqual(reader.parse_recovery_key("# safe\n\n" + text.upper().replace(
            "LIFEBOAT RECOVERY KEY", "lifeboat recovery key")), key)
        code = "LIFEBOAT-RECOVERY-KEY-0:" + key.hex().upper()
        self.assertEqual(reader.parse_recovery_key(code), key)
        for wrong in (text.replace("0607", "0670"), text.replace("2 ", "3 ", 1), text[:-3],
                      code[:-1], "", "lifeboat recovery key 1\n"):
            with self.assertRaises(reader.WrongKey):
                reader.parse_recovery_key(wrong)

    def test_hpke(self):
        # RFC 9180, DHKEM(X25519) with HKDF-SHA-256 and AES-256-GCM: the part that KEMs share.
        key, nonce = reader.hpke_key_schedule(bytes.fromhex(VECTOR["shared_secret"]),
                                              bytes.fromhex(VECTOR["info"]), kem=0x20)
        self.assertEqual((key.hex(), nonce.hex()), (VECTOR["key"], VECTOR["base_nonce"]))

    def test_x_wing(self):
        for _ in range(3):
            seed = os.urandom(32)
            shared, encapsulation = xwing_encapsulate(xwing_public(seed))
            self.assertEqual(len(encapsulation), 1120)
            self.assertEqual(reader.xwing_decapsulate(seed, encapsulation), shared)
            encapsulation, sealed = hpke_seal(xwing_public(seed), b"info", b"secret")
            opened = reader.hpke_open(seed, encapsulation, sealed, b"info", "x")
            self.assertEqual(opened, b"secret")
            with self.assertRaises(reader.Fault):
                reader.hpke_open(seed, encapsulation, sealed, b"other", "x")


VECTOR = {
    "shared_secret": "3101c54c3a4f87439eaac080699ed9bbcc726ffe44e860c0424ccb7e3e2ead7b",
    "info": "4f6465206f6e2061204772656369616e2055726e",
    "key": "f50b0609186798729ed0564b36ef2ef8044f1f9d05636874d1f46c819c7a669f",
    "base_nonce": "151d9929e2449747889bc923",
}


class WrittenRepositoryTests(unittest.TestCase):
    """Reads back what the writer above wrote."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.repo = self.folder / "repo"
        self.repo.mkdir()
        self.writer = Writer(self.repo)
        generator = random.Random(7)
        big = bytearray(generator.randbytes(40 * CHUNK) + bytes(30 * CHUNK) + b"end" * 1000)
        big[5 * CHUNK:9 * CHUNK] = bytes(4 * CHUNK)
        self.volumes = {"root": bytes(big), "zero": bytes(100_000), "none": b"", "tiny": b"abc"}
        self.first = self.writer.point(self.volumes)
        big[3] ^= 1
        self.grown = {"root": bytes(big) + b"more" * 10 * CHUNK, "tiny": b""}
        self.second = self.writer.point(self.grown)
        self.key = ("--recovery-key-file", self.repo / "recovery.key")

    def restored(self, point, volume, *options):
        target = self.folder / f"out{len(os.listdir(self.folder))}"
        code, _, errors = call("restore", self.repo, point, volume, target, *self.key, *options)
        return (code, target.read_bytes() if target.exists() else None, errors)

    def object(self, folder, size=None):
        """The first object of a folder, or the one of packs that is larger or smaller."""
        found = sorted(it for it in (self.repo / folder).rglob("*") if it.is_file())
        return max(found, key=lambda it: it.stat().st_size) if size == "large" else found[0]

    def test_restores(self):
        for point, volumes in ((self.first, self.volumes), (self.second, self.grown)):
            for name, content in volumes.items():
                for options in ((), ("--without-index",)):
                    self.assertEqual(self.restored(point, name, *options), (0, content, ""))
        self.assertEqual(self.restored("latest", "tiny"), (0, b"", ""))

    def test_points(self):
        code, output, errors = call("points", self.repo, *self.key)
        self.assertEqual((code, errors), (0, ""))
        self.assertEqual([line.split()[0] for line in output.splitlines()],
                         [self.first, self.second])

    def test_verifies(self):
        self.assertEqual(call("verify", self.repo)[::2], (0, ""))
        self.assertEqual(call("verify", self.repo, *self.key)[::2], (0, ""))

    def test_merged_index(self):
        runs = [bytes.fromhex(path.name) for path in (self.repo / "index").iterdir()]
        merged = self.writer.point({"root": b"x"}, replaced=runs)
        for name in runs:
            (self.repo / "index" / name.hex()).unlink()
        self.assertEqual(call("verify", self.repo, *self.key)[::2], (0, ""))
        self.assertEqual(self.restored(merged, "root")[1], b"x")
        self.assertEqual(self.restored(self.first, "root")[1], self.volumes["root"])

    def test_healed_chunk(self):
        """A damaged pack whose chunks are in another pack too costs nothing."""
        pack = self.object("packs", "large")
        pieces = {}
        self.writer.block_map(self.volumes["root"], pieces, {})
        healed = self.writer.pack(1, [list(pieces.items())])
        self.writer.append(None, packs=[healed], runs=[self.writer.run(list(pieces))])
        (self.repo / "damaged").mkdir()
        (self.repo / "damaged" / pack.name).write_text("damaged\n")
        pack.unlink()
        self.assertEqual(self.restored(self.first, "root")[1], self.volumes["root"])
        self.assertEqual(self.restored(self.first, "root", "--without-index")[1],
                         self.volumes["root"])

    def test_newer_version(self):
        for folder in ("config", "roster", "log", "points", "packs", "index"):
            path = self.object(folder)
            data = path.read_bytes()
            codes = set()
            for version in (0, 2):
                path.write_bytes(data[:4] + bytes([version]) + data[5:])
                code, _, errors = call("verify", self.repo, *self.key)
                codes.add(code)
            path.write_bytes(data)
            self.assertEqual(len(codes), 1)
            # Bodies, packs and runs are covered by digests: damage may be told first.
            self.assertIn(code, (3,) if folder in ("config", "roster", "log") else (1, 3), errors)

    def test_every_flipped_bit_is_noticed(self):
        generator = random.Random(11)
        files = [path for path in self.repo.rglob("*") if path.is_file()]
        for path in sorted(files):
            if path.name == "recovery.key":
                continue
            data = path.read_bytes()
            for _ in range(4):
                at = generator.randrange(len(data))
                changed = bytearray(data)
                changed[at] ^= 1 << generator.randrange(8)
                path.write_bytes(changed)
                code, _, errors = call("verify", self.repo)
                self.assertNotEqual((code, errors), (0, ""), f"{path}, byte {at}")
                for name, content in self.volumes.items():
                    result = self.restored(self.first, name)
                    self.assertIn(result[1], (None, content), f"{path}, byte {at}")
            path.write_bytes(data)

    def test_missing_objects_are_noticed(self):
        files = [path for path in self.repo.rglob("*") if path.is_file()]
        last = f"{len(self.writer.entries):016d}"
        for path in sorted(files):
            # Nobody remembers the newest entry of the only log.
            if path.name == "recovery.key" or path.name == last and path.parts[-3] == "log":
                continue
            if path.name == "0000000002":
                continue
            data = path.read_bytes()
            path.unlink()
            code, _, errors = call("verify", self.repo)
            self.assertNotEqual((code, errors), (0, ""), str(path))
            path.write_bytes(data)

    def test_remembered_heads(self):
        digest = hashlib.sha256(b"what is gone").digest()
        self.writer.append(None, heads=[[os.urandom(16), 3, digest]])
        code, _, errors = call("verify", self.repo)
        self.assertEqual(code, 1)
        self.assertIn("somebody removed or exchanged it", errors)

    def test_rotation(self):
        self.writer.rotate()
        third = self.writer.point({"root": b"new"})
        for point, content in ((self.first, self.volumes["root"]), (third, b"new")):
            self.assertEqual(self.restored(point, "root"), (0, content, ""))
        old = ("--recovery-key-file", self.repo / "old.key")
        code, _, errors = call("points", self.repo, *old)
        self.assertEqual(code, 4)
        self.assertIn("replaced by a rotation", errors)
        # A roster by the old root key, after the confirmed one.
        stranger = Writer(self.folder / "stranger")
        forged = envelope(b"LBRO", {
            1: self.writer.id, 2: 3, 3: hashlib.sha256(
                (self.repo / "roster/0000000002").read_bytes()).digest(), 4: []}, stranger.root)
        self.writer.put("roster/0000000003", forged)
        self.assertEqual(call("points", self.repo, *self.key)[0], 1)

    def test_revoked_writer(self):
        entries = self.writer.entries
        self.writer.revoke([[self.writer.incarnation, len(entries), bytes.fromhex(self.second)]])
        self.assertEqual(call("verify", self.repo, *self.key)[::2], (0, ""))
        self.writer.point({"root": b"too late"})
        code, output, _ = call("points", self.repo, *self.key)
        self.assertEqual((code, len(output.splitlines())), (0, 2))

    def points(self):
        code, output, errors = call("points", self.repo, *self.key)
        return code, [line.split()[0] for line in output.splitlines()], errors

    def delete_entries(self, *numbers, log=None):
        for number in numbers:
            log = log or self.writer.incarnation
            (self.repo / f"log/{log.hex()}/{number:016d}").unlink()

    def test_forgotten_points(self):
        self.writer.keep(_19=bytes.fromhex(self.first))
        self.assertEqual(self.points(), (0, [self.second], ""))
        body = self.writer.facts[bytes.fromhex(self.first)][6].hex()
        (self.repo / "points" / body).unlink()
        self.assertEqual(call("verify", self.repo, *self.key)[::2], (0, ""))
        self.assertEqual(self.restored(self.second, "root")[1], self.grown["root"])

    def test_checkpoint(self):
        """Covered entries are gone, and everything is still there."""
        self.writer.keep(_20=bytes.fromhex(self.first))
        self.writer.checkpoint()
        third = self.writer.point({"root": b"behind"})
        self.delete_entries(1, 2)
        self.delete_entries(1, log=self.writer.watch)
        self.assertEqual(self.points(), (0, [self.first, self.second, third], ""))
        self.assertEqual(call("verify", self.repo, *self.key)[::2], (0, ""))
        for point, content in ((self.first, self.volumes["root"]), (third, b"behind")):
            for options in ((), ("--without-index",)):
                self.assertEqual(self.restored(point, "root", *options), (0, content, ""))
        self.writer.keep(_19=bytes.fromhex(self.second))
        self.writer.checkpoint(2)
        self.assertEqual(self.points(), (0, [self.first, third], ""))

    def test_wrong_checkpoints(self):
        """A checkpoint that is no keeper's is told, and the entries are used."""
        stranger = ed25519.Ed25519PrivateKey.generate()
        changes = [{"key": stranger}, {"key": self.writer.signing}, {"fields": {1: bytes(16)}},
                   {"key": self.writer.signing, "fields": {2: self.writer.writer}},
                   {"fields": {3: 99}}]
        for ordinal, change in enumerate(changes, 1):
            self.writer.checkpoint(ordinal, **change)
            code, points, errors = self.points()
            self.assertEqual((code, points), (1, [self.first, self.second]))
            self.assertIn("checkpoints/", errors)
        name = self.writer.checkpoint(9)
        self.assertEqual(self.points(), (0, [self.first, self.second], ""))
        data = (self.repo / name).read_bytes()
        (self.repo / name).unlink()
        self.assertIn("is missing", self.points()[2])
        (self.repo / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        self.assertEqual(self.points()[:2], (1, [self.first, self.second]))

    def test_fenced_log(self):
        """What stands behind the end of a fenced log does not exist, and is no damage."""
        head = [self.writer.incarnation, 2, bytes.fromhex(self.second)]
        self.writer.keep(_22=[self.writer.incarnation])
        self.writer.keep(_23=[head])
        late = self.writer.point({"root": b"late"})
        self.assertEqual(self.points(), (0, [self.first, self.second], ""))
        self.writer.keep(_8=[[self.writer.incarnation, 3, bytes.fromhex(late)]])
        self.delete_entries(3)
        self.assertEqual(call("verify", self.repo, *self.key)[::2], (0, ""))

    def test_what_only_keepers_may_say(self):
        for field, value in ((19, bytes.fromhex(self.first)), (22, [bytes(16)]), (26, bytes(32)),
                             (16, b"\1" + bytes(32)), (25, [1, bytes(32)])):
            self.writer.append(None, extra={field: value})
            code, points, errors = self.points()
            self.assertEqual((code, points), (1, [self.first, self.second]))
            self.assertIn("what its member may not say", errors)
            self.delete_entries(len(self.writer.entries))
            self.writer.entries.pop()
        self.writer.keep(_11=bytes(31) + b"1")
        self.assertIn("what its member may not say", self.points()[2])

    def test_tags(self):
        self.writer.keep(_15=[[bytes.fromhex(self.first), self.writer.tags(self.first, {"a": "1"})]])
        self.assertIn("a=1\n", call("points", self.repo, *self.key)[1])
        self.writer.append(None, extra={
            15: [[bytes.fromhex(self.first), self.writer.tags(self.first, {"b": "2"})]]})
        output = call("points", self.repo, *self.key)[1].splitlines()
        self.assertTrue(output[0].endswith(" b=2") and output[1].endswith(" env=test"), output)

    def test_replaced_runs(self):
        """A writer replaces its own runs only; doomed packs are not looked for."""
        runs = [bytes.fromhex(path.name) for path in (self.repo / "index").iterdir()]
        everything = self.writer.run(list(self.writer.known))
        self.writer.keep(_13=everything, _14=b"".join(runs))
        for name in runs:
            (self.repo / "index" / name.hex()).unlink()
        self.writer.append(None, replaced=[everything])
        self.assertEqual(call("verify", self.repo, *self.key)[::2], (0, ""))
        pack = self.object("packs", "large")
        self.writer.keep(_18=b"\1" + bytes.fromhex(pack.name))
        pack.unlink()
        self.assertEqual(call("verify", self.repo)[::2], (0, ""))

    def test_wrong_key(self):
        other = self.folder / "other"
        other.mkdir()
        key = ("--recovery-key-file", Writer(other).path / "recovery.key")
        self.assertEqual(call("points", self.repo, *key)[0], 4)

    def test_never_overwrites(self):
        target = self.folder / "precious"
        target.write_text("precious")
        self.assertEqual(call("restore", self.repo, "latest", "root", target, *self.key)[0], 1)
        self.assertEqual(target.read_text(), "precious")


class GoldenRepositoryTests(unittest.TestCase):
    def test_golden_repositories(self):
        folders = sorted(FIXTURES.glob("*")) if FIXTURES.is_dir() else []
        folders = [folder for folder in folders if folder.is_dir()]
        self.assertTrue(folders, f"there is no golden repository in {FIXTURES}")
        for folder in folders:
            key = ("--recovery-key-file", folder / "recovery.key")
            expected = json.loads((folder / "expected.json").read_text())
            repo, damage = folder / "repository", folder / "damage.json"
            damage = json.loads(damage.read_text()) if damage.exists() else None
            # A pack that was set aside is gone, whether its chunks were stored again or not.
            marked = [path.name for path in repo.glob("damaged/*") if len(path.name) == 64]
            for options in ((), key):
                code, _, errors = call("verify", repo, *options)
                faults = [line for line in errors.splitlines()
                          if not any(f"{name} is missing" in line for name in marked)]
                if damage:
                    self.check_damage(damage, faults, bool(options))
                    faults = []
                self.assertEqual((code, faults), (1 if marked or damage else 0, []), folder)
            for point, volumes in expected.items():
                for volume, digest in volumes.items():
                    for options in ((), ("--without-index",)):
                        with self.subTest(f"{folder.name} {point} {volume} {options}"):
                            self.check(repo, key, point, volume, digest, options, damage)

    def check_damage(self, damage, faults, with_key):
        """All damaged objects are named, and nothing else: but for what others say of them."""
        logs = [name.split("/") for name in damage["objects"] if name.startswith("log/")]
        hints = [f"entry {int(number)} of log {log}" for _, log, number in logs]
        lost = [f"of {volume} of {point} is lost" for point, volumes in damage["volumes"].items()
                for volume in volumes] if with_key else []
        for told in damage["objects"] + lost:
            self.assertTrue(any(told in fault for fault in faults), told)
        for fault in faults:
            self.assertTrue(any(it in fault for it in damage["objects"] + hints + lost), fault)

    def check(self, repo, key, point, volume, digest, options, damage):
        with tempfile.TemporaryDirectory() as temporary:
            target = pathlib.Path(temporary) / "volume"
            code, output, errors = call("restore", repo, point, volume, target, *key, *options)
            self.assertEqual((code, output, not errors), (1 if damage else 0, "", not damage))
            with open(target, "rb") as file:
                self.assertEqual(hashlib.file_digest(file, "sha256").hexdigest(), digest)


if __name__ == "__main__":
    unittest.main()
