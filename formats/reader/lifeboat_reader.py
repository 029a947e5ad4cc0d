#!/usr/bin/env python3
"""A second reader of Lifeboat repositories, written from formats/ alone.

It is slow and small on purpose: it does what formats/ says, in that order. It needs Python 3.11,
`cryptography` 48 or newer and `zstandard`, and never writes into a repository.

    lifeboat_reader.py points  REPO --recovery-key-file K
    lifeboat_reader.py restore REPO POINT VOLUME OUT --recovery-key-file K [--without-index]
    lifeboat_reader.py verify  REPO [--recovery-key-file K]

Exit codes: 0 all is well, 1 damaged, missing or refused, 2 usage, 3 newer format, 4 wrong key.
"""

import argparse, binascii, collections, functools, hashlib, hmac, itertools, os, re, struct
import sys, time

import zstandard
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, mlkem, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ZERO, FAN_OUT, BLOCK, HEAD = bytes(32), 32, 65536, (16, int, 32)
OBJECT_LIMIT, FRAME_LIMIT = 64 << 20, 4 << 20
# What is wrong, with which object, as one sentence.
class Fault(Exception): exit_code = 1
class Unsupported(Exception): exit_code = 3
class WrongKey(Exception): exit_code = 4
def need(condition, message, fault=Fault):
    if not condition: raise fault(message)
def sha256(data): return hashlib.sha256(data).digest()
def size_class(count):
    """The smallest size class that holds `count` bytes: formats/README.md, "Padding"."""
    step = 1 << max(count.bit_length() - 7, 0)
    return 1024 if count <= 1024 else (count + step - 1) // step * step
# CBOR: formats/objects.md
def decode_cbor(data, subject):
    """Decodes one value that fills `data`; every value has one encoding, others are refused."""
    try:
        value, _ = cbor_value(data, 0, 0)
        need(value is not None and encode_cbor(value) == data, f"{subject}: CBOR of another form")
        return value
    except (IndexError, UnicodeDecodeError):
        raise Fault(f"{subject}: malformed CBOR") from None
def encode_cbor(value):
    if type(value) is bool: return b"\xf5" if value else b"\xf4"
    kinds = {int: 0, bytes: 2, str: 3, list: 4, dict: 5}
    content = value.encode() if type(value) is str else value
    number = value if type(value) is int else len(content)
    width = next((w for w in range(4) if number < 1 << (8 << w)), 3)
    head = bytes([number]) if number < 24 else bytes([24 + width]) + number.to_bytes(1 << width)
    head = bytes([kinds[type(value)] << 5 | head[0]]) + head[1:]
    if type(value) is dict:
        content = [part for key in sorted(value) for part in (key, value[key])]
    if type(content) is list: content = b"".join(map(encode_cbor, content))
    return head + (content if type(content) is bytes else b"")
def cbor_value(data, at, depth):
    """A value and where the next one begins; None for what is not used here, depth is limited."""
    major, number, at = data[at] >> 5, data[at] & 31, at + 1
    if depth == 12 or major in (1, 6): raise IndexError
    if 24 <= number < 28:
        width = 1 << (number - 24)
        number, at = int.from_bytes(data[at:at + width], "big"), at + width
    if major in (0, 7): return number if major == 0 else {20: False, 21: True}.get(number), at
    if major in (2, 3):
        piece = data[at:at + number]
        return piece if major == 2 else piece.decode("utf-8"), at + len(piece)
    values = []
    for _ in range(number * (major - 3)):
        value, at = cbor_value(data, at, depth + 1)
        values.append(value)
    if None in values or (major == 5 and any(type(key) is not int for key in values[::2])):
        raise IndexError
    return values if major == 4 else dict(zip(values[::2], values[1::2])), at

class Fields:
    """A CBOR map whose fields are checked as they are read; unknown fields are ignored."""
    def __init__(self, value, subject):
        need(type(value) is dict, f"{subject} is not a map")
        self.fields, self.subject = value, subject
    def get(self, key, kind, limit=(1 << 64) - 1, absent=None):
        value = self.fields.get(key, absent)
        need(type(value) is kind, f"field {key} of {self.subject} is no {kind.__name__}")
        need(kind is not int or value <= limit, f"field {key} of {self.subject} is {value}")
        return value
    def data(self, key, count, absent=None):
        value = self.get(key, bytes, absent=absent)
        need(len(value) == count, f"field {key} of {self.subject} has {len(value)} bytes")
        return value
    def maps(self, key): return [Fields(it, f"an item of field {key} of {self.subject}")
                for it in self.get(key, list)]
    def digests(self, key, width=32):
        """What stands behind each other in one byte string."""
        joined = self.get(key, bytes, absent=b"")
        need(len(joined) % width == 0, f"field {key} of {self.subject} holds a cut digest")
        return [joined[at:at + width] for at in range(0, len(joined), width)]
    def references(self, key):
        """Objects, each a kind and a digest in 33 bytes."""
        found = self.digests(key, 33)
        need(all(it[0] in (1, 2, 3) for it in found), f"{self.subject} refers to what is unknown",
             Unsupported)
        return found
    def tuples(self, key, *kinds):
        """A list of arrays of certain types; a number stands for bytes of that count."""
        for it in (found := self.get(key, list, absent=[])):
            need(type(it) is list and len(it) == len(kinds) and all(
                type(part) is kind or type(part) is bytes and len(part) == kind
                for part, kind in zip(it, kinds)), f"field {key} of {self.subject} is malformed")
        return found
    def tuple(self, key, *kinds):
        return Fields({0: [self.fields[key]]}, self.subject).tuples(0, *kinds)[0]
# Keys: formats/keys.md
def from_hex(text): return bytes.fromhex(text) if re.fullmatch("([0-9a-fA-F]{2})*", text) else b""
def parse_recovery_key(text):
    """The 80 bytes of a recovery key file, or of the text of its QR code."""
    rows = [row for row in map(str.strip, text.splitlines()) if row and not row.startswith("#")]
    if len(rows) == 1 and rows[0].startswith("LIFEBOAT-RECOVERY-KEY-0:"):
        need(len(key := from_hex(rows[0][24:])) == 80, "the code is incomplete", WrongKey)
        return key
    need(len(rows) == 6 and rows[0].startswith("lifeboat recovery key 0"),
         'this is no recovery key: it begins with "lifeboat recovery key 0"', WrongKey)
    key = b""
    for number, parts in enumerate(map(str.split, rows[1:])):
        part = from_hex("".join(parts[1:9]))
        need(len(parts) == 10 and parts[0] == str(number + 1) and len(part) == 16
             and parts[9].lower() == f"{binascii.crc_hqx(bytes([number]) + part, 0xFFFF):04x}",
             f"line {number + 1} of the recovery key is mistyped", WrongKey)
        key += part
    return key
def hkdf(secret, salt, info):
    return HKDF(hashes.SHA256(), 32, salt, info).derive(secret)
def open_gcm(key, counter, associated, sealed, subject):
    """AES-256-GCM under the nonce that a counter stands for."""
    try:
        return AESGCM(key).decrypt(bytes(4) + struct.pack("<Q", counter), bytes(sealed), associated)
    except (InvalidTag, ValueError):
        raise Fault(f"{subject} does not authenticate") from None
def xwing_decapsulate(seed, encapsulation):
    """X-Wing (draft-connolly-cfrg-xwing-kem): ML-KEM-768 with X25519."""
    expanded = hashlib.shake_256(seed).digest(96)
    curve = x25519.X25519PrivateKey.from_private_bytes(expanded[64:])
    lattice = mlkem.MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
    first = lattice.decapsulate(encapsulation[:1088])
    second = curve.exchange(x25519.X25519PublicKey.from_public_bytes(encapsulation[1088:]))
    public = curve.public_key().public_bytes_raw()
    return hashlib.sha3_256(first + second + encapsulation[1088:] + public + b"\\.//^\\").digest()
def hpke_key_schedule(shared, info, kem=0x647A):
    """RFC 9180, base mode, HKDF-SHA-256, AES-256-GCM: the key and the nonce of message 0."""
    suite = b"HPKE" + struct.pack(">HHH", kem, 1, 2)
    def extract(salt, label, secret):
        return hmac.digest(salt or ZERO, b"HPKE-v1" + suite + label + secret, "sha256")
    def expand(key, label, context, count):
        full = struct.pack(">H", count) + b"HPKE-v1" + suite + label + context
        return hmac.digest(key, full + b"\x01", "sha256")[:count]
    context = b"\x00" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", info)
    secret = extract(shared, b"secret", b"")
    return expand(secret, b"key", context, 32), expand(secret, b"base_nonce", context, 12)
def hpke_open(seed, encapsulation, sealed, info, subject):
    """What was sealed to the recovery key, once, with empty associated data."""
    need(seed, f"{subject} needs the recovery key", WrongKey)
    try:
        key, nonce = hpke_key_schedule(xwing_decapsulate(seed, encapsulation), info)
        return AESGCM(key).decrypt(nonce, sealed, b"")
    except (InvalidTag, ValueError):
        raise Fault(f"{subject} is not opened by this recovery key") from None
# Objects: formats/README.md, formats/objects.md
class Store:
    def __init__(self, path): self.path = path
    def list(self, folder):
        path = os.path.join(self.path, folder)
        return sorted(os.listdir(path)) if os.path.isdir(path) else []
    def has(self, name): return os.path.isfile(os.path.join(self.path, name))
    def size(self, name):
        need(self.has(name), f"{name} is missing")
        return os.path.getsize(os.path.join(self.path, name))
    def get(self, name, limit=OBJECT_LIMIT):
        size = self.size(name)
        need(size <= limit, f"{name} has {size} bytes, more than it may have")
        return self.read(name, 0, size)
    def read(self, name, offset, count):
        need(self.size(name) >= offset + count, f"{name} ends before byte {offset + count}")
        with open(os.path.join(self.path, name), "rb") as file:
            file.seek(offset)
            return file.read(count)
def check_prefix(data, magic, subject):
    need(len(data) >= 8 and data[:4] == magic, f"{subject} does not begin with {magic.decode()}")
    version = data[4] | data[5] << 8
    need(version == 1, f"{subject} has format version {version}", Unsupported)
class Signed(Fields):
    def __init__(self, store, name, magic):
        data = store.get(name)
        check_prefix(data, magic, name)
        need(len(data) == 76 + int.from_bytes(data[8:12], "little"), f"{name} has another length")
        super().__init__(decode_cbor(data[12:-64], name), name)
        self.name, self.digest = name, sha256(data)
        self.signed, self.signature = data[:-64], data[-64:]
    def is_by(self, public): return is_signed(public, self.signature, self.signed)
    def check(self, public): need(self.is_by(public), f"the signature of {self.name} is wrong")
def is_signed(public, signature, data):
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
        return True
    except (InvalidSignature, ValueError):
        return False
def numbered(store, folder, width):
    """The names of a folder as numbers; all have `width` decimal digits."""
    for name in (names := store.list(folder)):
        need(re.fullmatch("[0-9]{%d}" % width, name), f"{folder}/{name} does not belong there")
    return sorted(map(int, names))
class Entry(Signed): # formats/log.md
    def __init__(self, store, name):
        super().__init__(store, name, b"LBLG")
        self.repository, self.member, self.incarnation = (self.data(key, 16) for key in (1, 2, 3))
        self.sequence, self.previous = self.get(4, int), self.data(5, 32)
        self.domain, self.time = self.data(6, 16), self.get(7, int)
        self.heads, self.body = self.tuples(8, *HEAD), self.data(11, 32, ZERO)
        self.packs, self.runs, self.replaced = map(self.digests, (12, 13, 14))
        self.edits, self.doomed = self.tuples(15, 32, bytes), self.references(18)
        self.forgotten, self.ends = self.digests(19), self.tuples(23, *HEAD)
        self.checkpoint = self.tuple(25, int, 32) if 25 in self.fields else None
Domain = collections.namedtuple("Domain", "id secret chunk_key node_key")
Volume = collections.namedtuple("Volume", "name size root levels consistency")
Record = collections.namedtuple("Record", "digest time member domain body tags")
Point = collections.namedtuple("Point", "record machine host begun consistency volumes tags")

class Repository:
    """An open repository: its configuration, roster and logs, all checked."""
    def __init__(self, store, recovery=None):
        self.store, self.recovery, self.problems, self.logs = store, recovery, [], {}
        self.seed = recovery[16:48] if recovery else None
        self.seeds = [self.seed]
        for step in (self.read_configuration, self.read_roster, self.read_logs, self.sum_up): step()
    def attempt(self, action, *arguments): # a fault becomes a problem that is told at the end
        try:
            return action(*arguments)
        except Fault as fault:
            self.problems.append(str(fault))
    # Configuration and roster: formats/objects.md
    def read_configuration(self):
        need(self.store.has("config/0000000001"), f"{self.store.path}: no repository here")
        number, previous, roots, first = 0, ZERO, [], None
        while self.store.has(name := f"config/{number + 1:010d}"):
            number, fields = number + 1, Signed(self.store, name, b"LBCF")
            # Each is signed by the root key of the one before it, the first by its own.
            roots.append(fields.data(3, 32))
            fields.check(roots[-2:][0])
            confirmed = fields.get(10, int), fields.data(11, 32)
            need((fields.get(7, int), fields.data(8, 32)) == (number, previous)
                 and (confirmed[0] == 0) == (number == 1), f"{name} belongs elsewhere")
            kept = fields.data(1, 16), fields.get(2, int, 4 << 20)
            first, previous = first or kept, fields.digest
            need(kept == first and (number == 1 or confirmed[0] >= self.confirmed[0]),
                 f"{name} does not follow from the one before it")
            self.confirmed = confirmed
        (self.id, self.chunk_size), self.roots, self.root_key = first, roots, roots[-1]
        need(self.chunk_size >= 16384 and self.chunk_size & (self.chunk_size - 1) == 0,
             f"{name} has chunk size {self.chunk_size}")
        self.domains = {it.data(1, 16): (it.data(2, 1120), it.data(3, 48)) for it in fields.maps(6)}
        if self.recovery:
            root = ed25519.Ed25519PrivateKey.from_private_bytes(self.recovery[48:]).public_key()
            root = root.public_bytes_raw()
            need(root == self.root_key or root not in roots,
                 "this recovery key was replaced by a rotation", WrongKey)
            need((self.recovery[:16], root) == (self.id, self.root_key),
                 f"the recovery key is not that of repository {self.id.hex()}", WrongKey)
            for earlier in reversed(fields.maps(9)):
                info = b"lifeboat earlier recovery seed" + self.id + sha256(earlier.data(1, 1216))
                self.seeds.append(hpke_open(self.seed, earlier.data(2, 1120), earlier.data(3, 48),
                                            info, "an earlier key"))
    def read_roster(self):
        previous, number = ZERO, max(1, self.confirmed[0])
        need(self.store.has(f"roster/{number:010d}"), "a roster object is missing")
        while self.store.has(name := f"roster/{number:010d}"):
            fields = Signed(self.store, name, b"LBRO")
            if number == self.confirmed[0]:
                need(fields.digest == self.confirmed[1], f"{name} is not the one confirmed")
            else:
                fields.check(self.root_key)
                need(fields.data(3, 32) == previous, f"{name} does not follow the one before it")
            need((fields.data(1, 16), fields.get(2, int)) == (self.id, number),
                 f"{name} belongs elsewhere")
            previous, self.members, self.revoked = fields.digest, {}, {}
            for it in fields.maps(4):
                need((role := it.get(2, int)) in (1, 2), f"{name} has an unknown role", Unsupported)
                self.members[it.data(1, 16)] = it.data(3, 32), it.data(4, 16), role
                if 6 in it.fields:
                    self.revoked[it.data(1, 16)] = {log: end for log, end, _ in it.tuples(6, *HEAD)}
            number += 1
    def member(self, writer, subject):
        need(writer in self.members, f"{subject} is by {writer.hex()}, who is not in the roster")
        return self.members[writer]
    def check_signer(self, fields):
        public, domain, role = self.member(fields.data(2, 16), fields.name)
        fields.check(public)
        return domain, role
    # Logs: formats/log.md, formats/checkpoint.md
    def read_logs(self):
        """Keepers' logs from the checkpoint on that their last entries name, then writers'."""
        self.bases, self.ends, self.checkpoint, names = {}, {}, None, set()
        self.last = {log: max(numbered(self.store, f"log/{log.hex()}", 16), default=0)
                     for log in map(from_hex, self.store.list("log")) if self.owner(log)}
        heads, self.absent, absent_packs = self.attempt(self.read_view) or (None, [], [])
        self.absent_packs = set(absent_packs)
        if heads is not None:
            shown = {log: end for log, end, _ in heads}
            self.last = {log: min(end, shown.get(log, 0)) for log, end in self.last.items()}
        keepers = [log for log in self.last if self.members[self.owner(log)][2] == 2]
        for log in filter(lambda log: self.limit(log, self.last[log]), keepers):
            entry = self.attempt(self.read_entry, log, self.limit(log, self.last[log]), None)
            names |= {tuple(entry.checkpoint)} if entry and entry.checkpoint else set()
        for ordinal, digest in sorted(names, reverse=True):
            self.checkpoint = self.checkpoint or self.attempt(self.read_checkpoint, ordinal, digest)
        for log in keepers + [log for log in self.last if log not in keepers]:
            self.read_log(log)
        for entry in self.entries(): self.check_heads(entry.heads, entry.name)
        if heads: self.check_heads(heads, "the view of this replica")
    def read_view(self): # formats/replica.md
        """What a replica has whole: heads, and points and packs it has not; `None` is no view."""
        if not self.store.has("replica/mark"): return None
        numbers = [int(it) for it in self.store.list("replica") if it != "mark"]
        if not numbers: return [], [], []
        data = self.store.get(name := f"replica/{max(numbers):016d}")
        check_prefix(data, b"LBRV", name)
        need(len(data) == 12 + int.from_bytes(data[8:12], "little"), f"{name} has another length")
        frame = Fields(decode_cbor(data[12:], name), name)
        content = frame.get(1, bytes)
        need(binascii.crc32(content) == frame.get(2, int), f"the checksum of {name} is wrong")
        view = Fields(decode_cbor(content, name), name)
        need((view.data(1, 16), view.get(2, int)) == (self.id, max(numbers)),
             f"{name} belongs elsewhere")
        return view.tuples(4, *HEAD), view.digests(5), view.digests(6)
    def owner(self, log):
        """The member whose incarnation this is, if it is anybody's."""
        return next((it for it in self.members if it[:12] == log[:12] and len(log) == 16), None)
    def limit(self, log, last):
        """The last entry of a log that may count: roster and fences end logs."""
        revoked = self.revoked.get(self.owner(log), {log: last})
        return min(last, self.ends.get(log, last), revoked.get(log, 0))
    def read_checkpoint(self, ordinal, digest):
        name = f"checkpoints/{ordinal:016d}-{digest.hex()}"
        _, role = self.check_signer(fields := Signed(self.store, name, b"LBCP"))
        need((fields.data(1, 16), fields.get(3, int), role, fields.digest)
             == (self.id, ordinal, 2, digest), f"{name} belongs elsewhere or has changed")
        for log in fields.maps(5):
            log.get(2, list)
            incarnation, *base = log.tuple(2, *HEAD)
            self.bases[incarnation] = base
            if log.get(7, bool): self.ends[incarnation] = self.bases[incarnation][0]
        return fields
    def read_log(self, log):
        (start, previous), entries = self.bases.get(log, (0, ZERO)), []
        for number in range(start + 1, self.limit(log, self.last[log]) + 1):
            entry = self.attempt(self.read_entry, log, number, previous)
            entries += [entry] if entry else []
            previous = entry.digest if entry else None
            for fenced, end, _ in entry.ends if entry else []:
                self.ends[fenced] = min(end, self.ends.get(fenced, end))
        self.logs[log] = entries
    def read_entry(self, log, number, previous):
        name = f"log/{log.hex()}/{number:016d}"
        domain, role = self.check_signer(entry := Entry(self.store, name))
        need((entry.repository, entry.incarnation, entry.sequence, entry.member)
             == (self.id, log, number, self.owner(log)) and (role == 2 or entry.domain == domain),
             f"{name} belongs elsewhere")
        need(not any(entry.body) if role == 2 else not entry.fields.keys() & range(16, 28),
             f"{name} says what its member may not say")
        need(previous in (None, entry.previous), f"{name} does not follow the entry before it")
        return entry
    def entries(self): return [entry for log in self.logs.values() for entry in log]
    def check_heads(self, heads, subject):
        """Whether all that somebody has seen is still there, or summed up, or does not count."""
        for log, sequence, digest in heads:
            known = {entry.sequence: entry.digest for entry in self.logs.get(log, [])}
            start, known[start] = self.bases.get(log, (0, ZERO))
            if start <= sequence <= self.limit(log, sequence) and known.get(sequence) != digest:
                self.problems.append(f"{subject} has seen entry {sequence} of log "
                                     f"{log.hex()}: somebody removed or exchanged it")
    def sum_up(self):
        """What the checkpoint and the entries behind it say together: formats/collection.md."""
        self.records, packs, owners = {}, {}, {}
        gone, doomed, replaced, edits = set(), set(), set(), []
        if base := self.checkpoint:
            for it in filter(lambda it: 10 not in it.fields, base.maps(6)):
                known = it.data(1, 32), it.get(7, int), it.data(4, 16), it.data(5, 16)
                tags = it.get(12, bytes, absent=b"")
                self.records[known[0]] = Record(*known, it.data(6, 32), tags)
            for key, known in ((7, packs), (8, owners)):
                for member, _, joined in base.tuples(key, 16, 16, bytes):
                    for at in range(0, len(joined), 32): known[joined[at:at + 32]] = member
            doomed |= set(base.references(10))
        is_keeper = lambda entry: self.members[entry.member][2] == 2
        for entry in self.entries():
            if any(entry.body):
                self.records[entry.digest] = Record(entry.digest, entry.time, entry.member,
                                                    entry.domain, entry.body, b"")
            for key, known in ((entry.packs, packs), (entry.runs, owners)):
                known.update({name: entry.member for name in key if name not in known})
            doomed, gone = doomed | set(entry.doomed), gone | set(entry.forgotten)
        for entry in self.entries():
            replaced |= {run for run in entry.replaced
                         if is_keeper(entry) or owners.get(run) == entry.member}
            edits += [(entry.time, entry.digest, point, sealed) for point, sealed in entry.edits
                      if point in self.records
                      and (is_keeper(entry) or self.records[point].member == entry.member)]
        for _, _, point, sealed in sorted(edits):
            self.records[point] = self.records[point]._replace(tags=sealed)
        gone |= set(self.absent)
        self.records = {it: self.records[it] for it in self.records if it not in gone}
        self.packs = [name for name in packs
                      if b"\1" + name not in doomed and name not in self.absent_packs]
        self.runs = [name for name in owners.keys() - replaced if b"\2" + name not in doomed]
    @functools.cache
    def domain(self, identifier): # formats/point.md
        need(identifier in self.domains, f"there is no domain {identifier.hex()}")
        info = b"lifeboat domain secret" + self.id + identifier
        secret = hpke_open(self.seed, *self.domains[identifier], info, "the domain secret")
        return Domain(identifier, secret, hkdf(secret, self.id, b"lifeboat chunk id"),
                      hkdf(secret, self.id, b"lifeboat node id"))
    def body_object(self, record):
        data = self.store.get(name := f"points/{record.body.hex()}")
        need(sha256(data) == record.body, f"{name} is not what its log entry names")
        check_prefix(data, b"LBPT", name)
        need(len(data) == size_class(len(data)), f"{name} is not padded to a size class")
        return name, data
    def point(self, record):
        name, data = self.body_object(record)
        domain = self.domain(record.domain)
        key = hkdf(domain.secret, data[8:40], b"lifeboat point body")
        place = data[:8] + self.id + record.domain + record.member
        plain = open_gcm(key, 0, place, data[40:], name)
        end = 4 + int.from_bytes(plain[:4], "little")
        need(end <= len(plain) and not any(plain[end:]), f"{name} is padded with more than zeros")
        fields, volumes = Fields(decode_cbor(plain[4:end], name), name), {}
        for volume in fields.maps(8):
            it = Volume(volume.get(1, str), volume.get(2, int, (1 << 63) - 1),
                        volume.data(3, 32), volume.get(4, int, 12), volume.get(5, str))
            right = it.root == ZERO or it.levels == level_count(-(-it.size // self.chunk_size))
            need(right, f"volume {it.name} of {name} cannot have {it.levels} levels")
            need(it.name not in volumes, f"{name} has two volumes named {it.name}")
            volumes[it.name] = it
        if record.tags:
            key = hkdf(domain.secret, record.tags[:32], b"lifeboat point tags")
            place = self.id + record.domain + record.digest
            tags = self.attempt(open_gcm, key, 0, place, record.tags[32:], f"the tags of {name}")
            fields.fields[7] = decode_cbor(tags, name) if tags else fields.get(7, list)
        return Point(record, fields.get(1, str), fields.get(2, str), fields.get(3, int),
                     fields.get(5, str), volumes, dict(fields.tuples(7, str, str)))
    def points(self):
        points = [self.attempt(self.point, record) for record in self.records.values()]
        return sorted(filter(None, points), key=lambda it: (it.record.time, it.record.digest))
    def find_point(self, text):
        found = points = self.points()
        if text != "latest":
            found = [point for point in points if point.record.digest.hex().startswith(text)]
            need(len(found) == 1, f"{len(found)} points have an id that begins with {text}")
        need(len({it.machine for it in found}) == 1, "not the points of one machine: give an id")
        return found[-1]
    # Where chunks and nodes are: formats/pack.md, formats/index.md
    @functools.cache
    def pack(self, name): return Pack(self, name)
    def locations(self, without_index=False):
        """From id to all its places (pack, frame, slot), those in good packs first."""
        places = collections.defaultdict(list)
        damaged = {from_hex(name) for name in self.store.list("damaged") if len(name) == 64}
        if without_index:
            there = lambda name: name not in damaged or self.store.has(pack_path(name))
            for name in filter(there, self.packs):
                pack = self.attempt(self.pack, name)
                for frame, slots in enumerate(pack.slots if pack else []):
                    for slot, (identifier, _) in enumerate(slots):
                        places[identifier].append((name, frame, slot))
        else:
            for name in self.runs:
                for identifier, place in self.attempt(read_run, self, name) or []:
                    places[identifier].append(place)
        for known in places.values(): known.sort(key=lambda place: place[0] in damaged)
        return places
    def fetch(self, places, identifier, key, what):
        """The bytes with this id, from the first place where they are right."""
        faults = []
        for name, frame, slot in places.get(identifier, []):
            try:
                pack = self.pack(name)
                where = f"slot {slot} of frame {frame} of {pack.object}"
                known = frame < len(pack.slots) and slot < len(pack.slots[frame])
                data = pack.frame(frame)[slot] if known else b""
                need(hmac.digest(key, data, "sha256") == identifier, f"{where} has another id")
                return data
            except Fault as fault:
                faults.append(str(fault))
        raise Fault(f"{what} is lost: " + ("; ".join(faults) or "no known pack holds it"))
    # Block map: formats/block-map.md
    def chunks(self, point, volume, places):
        """All chunks of a volume that hold something: number, length, id."""
        count = -(-volume.size // self.chunk_size)
        node_key = self.domain(point.record.domain).node_key
        def walk(identifier, level, first):
            what = f"node {identifier.hex()} of level {level} of volume {volume.name}"
            data = self.fetch(places, identifier, node_key, what)
            for number, child in enumerate(decode_node(data, level, what)):
                start = first + number * FAN_OUT**level
                if child == ZERO: continue
                need(start < count, f"{what} has a child beyond the volume's end")
                if level > 0: yield from walk(child, level - 1, start)
                else:
                    yield start, min(self.chunk_size, volume.size - start * self.chunk_size), child
        if volume.root != ZERO: yield from walk(volume.root, volume.levels - 1, 0)
def level_count(chunk_count):
    return next(n for n in range(1, 14) if FAN_OUT**n >= chunk_count) if chunk_count else 0
def decode_node(data, level, what):
    need(len(data) >= 34 and data[0] == level and 1 <= data[1] <= FAN_OUT
         and len(data) == 2 + 32 * data[1] and data[-32:] != ZERO, f"{what} is malformed")
    return [data[at:at + 32] for at in range(2, len(data), 32)]
def pack_path(name): return f"packs/{name.hex()[:2]}/{name.hex()}"
class Pack:
    """A pack's header, key table and directory: formats/pack.md."""
    def __init__(self, repository, name):
        self.repository, self.name = repository, name
        self.object = subject = pack_path(name)
        size = (store := repository.store).size(subject)
        need(1024 <= size <= OBJECT_LIMIT and size == size_class(size),
             f"{subject} has an impossible size of {size} bytes")
        check_prefix(header := store.read(subject, 0, 72), b"LBPK", subject)
        self.content, key_count = header[6], header[7]
        need(self.content in (1, 2) and key_count > 0 and header[8:24] == repository.id,
             f"{subject} has a malformed header or belongs to another repository")
        self.domain = repository.domain(header[24:40])
        key_size = 1168 if self.content == 1 else 32
        first, end = 72 + key_count * key_size, size - 32
        need(first <= end, f"{subject} ends inside its key table")
        self.entries = [store.read(subject, at, key_size) for at in range(72, first, key_size)]
        key = hkdf(self.domain.secret, header[40:], b"lifeboat pack directory")
        trailer = open_gcm(key, 0, header, store.read(subject, end, 32), f"trailer of {subject}")
        offset, zero = struct.unpack("<QQ", trailer)
        need(first <= offset <= end - 24 and zero == 0, f"{subject} has an impossible trailer")
        plain = open_gcm(key, 1, header, store.read(subject, offset, end - offset), subject)
        self.read_directory(plain, first, offset, key_count)
    def read_directory(self, plain, end, frames_end, key_count):
        subject = f"the directory of {self.object}"
        frame_count, slot_count = struct.unpack_from("<II", plain)
        total = (at := 8 + 24 * frame_count) + 36 * slot_count
        need(frame_count <= 65535 and total <= len(plain) and not any(plain[total:]),
             f"{subject} has wrong counts or is not padded with zeros")
        self.frames, self.slots = [], []
        for number in range(frame_count):
            frame = struct.unpack_from("<IIIHBBQ", plain, 8 + 24 * number)
            offset, sealed, length, slots, key_index, encoding, _ = frame
            need(offset >= end and sealed >= 16 and offset + sealed <= frames_end
                 and length <= FRAME_LIMIT and key_index < key_count and encoding <= 1
                 and at + 36 * slots <= total, f"{subject} has an impossible frame {number}")
            end = offset + sealed
            records = [struct.unpack_from("<32sI", plain, at + 36 * slot) for slot in range(slots)]
            need(sum(size for _, size in records) == length, f"{subject} has wrong slot lengths")
            self.frames, self.slots = self.frames + [frame], self.slots + [records]
            at += 36 * slots
        need(at == total, f"{subject} counts its slots wrongly")
    @functools.cache
    def key(self, index):
        entry, what = self.entries[index], f"a key of {self.object}"
        if self.content == 2:
            return hkdf(self.domain.secret, entry, b"lifeboat metadata frame"), sha256(entry)
        info = b"lifeboat frame key" + self.repository.id + self.domain.id
        for seed in (seeds := self.repository.seeds):
            try:
                return hpke_open(seed, entry[:1120], entry[1120:], info, what), sha256(entry[:1120])
            except Fault:
                if seed is seeds[-1]: raise
    @functools.lru_cache(8)
    def frame(self, number):
        offset, sealed, length, _, key_index, encoding, counter = self.frames[number]
        subject = f"frame {number} (bytes {offset} to {offset + sealed}) of {self.object}"
        key, key_id = self.key(key_index)
        associated = b"LBFR" + self.repository.id + key_id + struct.pack("<Q", counter)
        plain = self.repository.store.read(self.object, offset, sealed)
        plain = open_gcm(key, counter, associated, plain, subject)
        if encoding == 1: plain = decompress(plain, length, subject)
        need(len(plain) == length, f"{subject} has {len(plain)} bytes instead of {length}")
        ends = list(itertools.accumulate(size for _, size in self.slots[number]))
        return [plain[start:end] for start, end in zip([0] + ends, ends)]
def decompress(data, length, subject):
    try:
        need(zstandard.frame_content_size(data) == length, f"{subject} states another length")
        decoder = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
        plain = decoder.decompress(data)
    except zstandard.ZstdError as error:
        raise Fault(f"{subject} does not decompress: {error}") from None
    need(decoder.eof and not decoder.unused_data, f"{subject} is not one zstd frame")
    return plain
# Index: formats/index.md
def named_object(repository, subject, magic, limit):
    """An object that is named by the SHA-256 of its bytes."""
    data = repository.store.get(subject, limit)
    need(sha256(data).hex() == subject[-64:], f"{subject} has changed: its name is not its hash")
    check_prefix(data, magic, subject)
    need(len(data) >= 1024 and data[8:24] == repository.id,
         f"{subject} is too short or belongs to another repository")
    return data
def read_run_object(repository, name):
    """The bytes of a run whose name and signature are right, without the signature."""
    subject = f"index/{name.hex()}"
    data = named_object(repository, subject, b"LBIX", 2 << 30)
    public, domain, role = repository.member(data[40:56], subject)
    need(role == 2 or data[24:40] == domain, f"{subject} is of another domain than its writer")
    need(is_signed(public, data[-64:], b"LBIX" + sha256(data[:-64])), f"{subject} is not signed")
    return data[:-64]
def read_run(repository, name):
    """The entries of an index run: id and (pack, frame, slot)."""
    subject, data, plain = f"index/{name.hex()}", read_run_object(repository, name), bytearray()
    header = data[:88]
    key = hkdf(repository.domain(data[24:40]).secret, data[56:88], b"lifeboat index run")
    for number, at in enumerate(range(88, len(data), BLOCK + 16)):
        block = data[at:at + BLOCK + 16]
        associated = header + bytes([at + len(block) == len(data)])
        plain += open_gcm(key, number, associated, block, f"block {number} of {subject}")
    total, pack_count, bits, _, shift, zero, base, zeros = struct.unpack_from("<QIBBBBQQ", plain)
    right_bits = next(b for b in range(25) if b == 24 or total >> b <= 64)
    first = (fan_out := 32 + 32 * pack_count) + (8 << right_bits)
    end = first + 40 * total
    need(bits == right_bits and not zero | zeros and 1 <= total <= 1 << 18
         and len(plain) == size_class(end) and not any(plain[end:]),
         f"{subject} has an impossible table or wrong padding")
    packs = [bytes(plain[at:at + 32]) for at in range(32, fan_out, 32)]
    counts, result, last = [0] * (1 << bits), [], b""
    for at in range(first, end, 40):
        identifier, pack, frame, slot = struct.unpack_from("<32sIHH", plain, at)
        need(identifier >= last and pack < pack_count, subject + " has an impossible entry")
        last, distance = identifier, int.from_bytes(identifier[:8], "big") - base
        need(0 <= distance << shift < 1 << 64, subject + " has an entry that is in no bucket")
        counts[distance << shift >> (64 - bits)] += 1
        result.append((identifier, (packs[pack], frame, slot)))
    table = struct.unpack_from(f"<{len(counts)}Q", plain, fan_out)
    need(table == tuple(itertools.accumulate(counts)), f"{subject} has a wrong fan-out table")
    return result
# The commands
def restore(repository, point, volume_name, target, without_index=False):
    """Writes a volume to a new file; an unfinished one keeps the name OUT.partial."""
    need(volume_name in point.volumes, f"no volume {volume_name}, only {', '.join(point.volumes)}")
    need(not os.path.exists(target), f"{target} exists already; nothing was overwritten")
    volume, places = point.volumes[volume_name], repository.locations(without_index)
    key = repository.domain(point.record.domain).chunk_key
    with open(target + ".partial", "wb") as output:
        output.truncate(volume.size)
        for number, size, identifier in repository.chunks(point, volume, places):
            offset = number * repository.chunk_size
            what = f"chunk {number} (from byte {offset}) of volume {volume_name}"
            data = repository.fetch(places, identifier, key, what)
            need(len(data) == size, f"{what} has {len(data)} bytes")
            os.pwrite(output.fileno(), data, offset)
    os.rename(target + ".partial", target)
def verify(repository):
    """Checks all objects by names and signatures, and with the recovery key every byte."""
    work = [(repository.body_object, it) for it in repository.records.values()]
    work += [(read_run_object, repository, it) for it in repository.runs]
    work += [(named_object, repository, pack_path(it), b"LBPK", OBJECT_LIMIT)
             for it in repository.packs]
    work += [(check_check_record, repository, it) for it in repository.store.list("checks")]
    for it in work: repository.attempt(*it)
    print(f"{len(repository.entries())} log entries, {len(repository.runs)} index runs, "
          f"{len(repository.packs)} packs: names, chains and signatures checked")
    if repository.recovery:
        repository.attempt(check_content, repository)
        print("every frame, chunk and node was read and checked")
def check_check_record(repository, name):
    fields = Signed(repository.store, name := f"checks/{name}", b"LBCK")
    need(fields.data(1, 16) == repository.id, f"{name} belongs to another repository")
    by_root = fields.data(2, 16) == repository.id
    if not by_root: repository.check_signer(fields)
    need(not by_root or any(map(fields.is_by, repository.roots)), f"{name} is not signed")
    repository.check_heads(fields.tuples(7, *HEAD), name)
def check_content(repository):
    problems, sizes = repository.problems, collections.defaultdict(set)
    for name in repository.packs:
        pack = repository.attempt(repository.pack, name)
        for frame, slots in enumerate(pack.slots if pack else []):
            key = pack.domain.chunk_key if pack.content == 1 else pack.domain.node_key
            data = repository.attempt(pack.frame, frame) or []
            for slot, ((identifier, size), plain) in enumerate(zip(slots, data)):
                sizes[identifier].add(size)
                if hmac.digest(key, plain, "sha256") != identifier:
                    problems.append(f"slot {slot} of frame {frame} of {pack.object} has another id")
    found = repository.locations(without_index=True)
    for identifier, places in repository.locations().items():
        there = lambda name: name in repository.packs and repository.store.has(pack_path(name))
        if not {it for it in places if there(it[0])} <= set(found[identifier]):
            problems.append(f"the index has a wrong place for {identifier.hex()}")
    for point in repository.points():
        for volume in point.volumes.values():
            for number, size, identifier in repository.chunks(point, volume, found):
                if size not in sizes[identifier]:
                    problems.append(f"chunk {number} of {volume.name} of "
                                    f"{point.record.digest.hex()} is lost")
def list_points(repository):
    for point in repository.points():
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(point.record.time // 1000))
        print(point.record.digest.hex(), when, point.machine, point.consistency,
              *(f"{volume.name} {volume.size}" for volume in point.volumes.values()),
              *(f"{key}={value}" for key, value in point.tags.items()))
def main(arguments):
    parser = argparse.ArgumentParser(description="a second reader of Lifeboat repositories")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in ("points", "restore", "verify"):
        sub = commands.add_parser(command)
        for name in ("repo", "point", "volume", "out")[:4 if command == "restore" else 1]:
            sub.add_argument(name)
        sub.add_argument("--without-index", action="store_true")
        sub.add_argument("--recovery-key-file", required=command != "verify")
    options, recovery = parser.parse_args(arguments), None
    try:
        if path := options.recovery_key_file:
            with open(path, encoding="utf-8") as file: recovery = parse_recovery_key(file.read())
        repository = Repository(Store(options.repo), recovery)
        if options.command == "restore":
            point = repository.find_point(options.point)
            restore(repository, point, options.volume, options.out, options.without_index)
        else: {"points": list_points, "verify": verify}[options.command](repository)
        problems = list(dict.fromkeys(repository.problems))
    except (Fault, Unsupported, WrongKey, OSError, UnicodeDecodeError) as fault:
        problems = [fault]
    for problem in problems: print(f"lifeboat_reader: {problem}", file=sys.stderr)
    return max((getattr(problem, "exit_code", 1) for problem in problems), default=0)
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
