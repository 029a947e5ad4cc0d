#!/usr/bin/env python3
"""Joins parts of a recovery key, written from formats/keys.md alone: needs nothing but Python.

    join_recovery_parts.py PART... > recovery.key

Exit codes: 0 done, 1 a part or the set of them is wrong, 2 usage.
"""

import binascii
import hmac
import sys

CODE = "LIFEBOAT-RECOVERY-PART-0:"


class Fault(Exception):
    """What is wrong, as one sentence."""


def need(condition, message):
    if not condition:
        raise Fault(message)


def checksum(data):
    return f"{binascii.crc_hqx(data, 0xFFFF):04x}"


def from_hex(text):
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def groups(data):
    return " ".join(data[at:at + 2].hex() for at in range(0, 16, 2))


def parse_part(text):
    """A part's set (set, needed, total, repository), number and 80 bytes."""
    rows = [row.split() for row in text.splitlines()]
    rows = [row for row in rows if row and not row[0].startswith("#")]
    if len(rows) == 1 and rows[0][0].startswith(CODE):
        data = from_hex("".join(rows[0])[len(CODE):])
        need(len(data) == 103 and checksum(data[:-2]) == data[-2:].hex(), "the code is incomplete")
        head, content = data[:5], data[5:101]
    else:
        need(rows and rows[0][:4] == ["lifeboat", "recovery", "key", "part"],
             "this is no part of a recovery key")
        words = rows[1] if len(rows) > 1 else []
        try:
            need(len(words) == 9 and words[0:7:2] == ["set", "part", "of", "needed"], "")
            number, total, needed = map(int, words[3:8:2])
            head = from_hex(words[1]) + bytes([number, needed, total])
            need(checksum(head + b"\0") == words[8].lower(), "")
        except (Fault, ValueError):
            raise Fault('the second line, "set ...", is mistyped') from None
        need(rows[0][4:] == [str(number)], "the first two lines name different parts")
        content = b""
        for line in range(1, 7):
            words = rows[line + 1] if len(rows) > line + 1 else []
            data = from_hex("".join(words[1:9]))
            need(len(words) == 10 and words[0] == str(line) and len(data) == 16
                 and checksum(head + bytes([line]) + data) == words[9].lower(),
                 f"line {line} is mistyped, missing or of another part")
            content += data
        need(len(rows) == 8, "there is something behind line 6")
    number, needed, total = head[2:]
    need(1 <= number <= total <= 16 and 1 <= needed <= total, "there is no such part")
    return (head[:2], needed, total, content[:16]), number, content[16:]


def product(left, right):
    """In GF(256)."""
    result = 0
    while right:
        result ^= left if right & 1 else 0
        left = left << 1 ^ (0x11B if left & 0x80 else 0)
        right >>= 1
    return result


def quotient(left, right):
    return next(value for value in range(256) if product(value, right) == left)


def value_at(place, points):
    """The polynomials' values, by Lagrange's formula."""
    result = bytes(80)
    for x, data in points.items():
        weight = 1
        for other in points:
            if other != x:
                weight = product(weight, quotient(place ^ other, x ^ other))
        result = bytes(old ^ product(byte, weight) for old, byte in zip(result, data))
    return result


def join(texts):
    """The 80 bytes of the recovery key."""
    group, points = None, {}
    for text in texts:
        name, number, data = parse_part(text)
        need(group in (None, name), "the parts are of different sets")
        need(number - 1 not in points, f"part {number} is given twice")
        group, points[number - 1] = name, data
    need(points, "no part is given")
    _, needed, _, repository = group
    need(len(points) >= needed, f"{needed - len(points)} more parts are needed")
    if needed == 1:
        key = next(iter(points.values()))
        need(set(points.values()) == {key}, "the parts do not fit together")
    else:
        key, digest = value_at(255, points), value_at(254, points)
        need(hmac.digest(digest[4:], key, "sha256")[:4] == digest[:4],
             "the parts do not fit together")
    need(key[:16] == repository, "the parts make the key of another repository")
    return key


def key_text(key):
    """The text of a recovery key."""
    rows = [key[at:at + 16] for at in range(0, 80, 16)]
    lines = [f"{number + 1} {groups(row)} {checksum(bytes([number]) + row)}"
             for number, row in enumerate(rows)]
    return "\n".join(["lifeboat recovery key 0", *lines]) + "\n"


def main(paths):
    if not paths:
        print(__doc__, file=sys.stderr)
        return 2
    texts = []
    try:
        for path in paths:
            with open(path, encoding="utf-8") as file:
                texts.append(file.read())
            try:
                parse_part(texts[-1])
            except Fault as fault:
                raise Fault(f"{path}: {fault}") from None
        sys.stdout.write(key_text(join(texts)))
        return 0
    except (Fault, OSError, UnicodeDecodeError) as fault:
        print(f"join_recovery_parts: {fault}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
