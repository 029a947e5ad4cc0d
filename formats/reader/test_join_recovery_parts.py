#!/usr/bin/env python3
"""Tests of the second joiner, with the examples that stand in formats/keys.md."""

import pathlib
import re
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import join_recovery_parts as joiner  # noqa: E402


def examples(title):
    """The blocks of the page that begin with a title, and number of lines."""
    page = (HERE.parent / "keys.md").read_text(encoding="utf-8")
    return re.findall(rf"^{title}[^`\n]*\n(?:(?:set|\d) .*\n)+", page, re.MULTILINE)


class JoinTests(unittest.TestCase):
    def setUp(self):
        self.key, = examples("lifeboat recovery key 0")
        self.parts = examples("lifeboat recovery key part")

    def test_the_page(self):
        self.assertEqual(len(self.parts), 2)
        key = joiner.join(self.parts)
        self.assertEqual(key, bytes(range(80)))
        self.assertEqual(joiner.join(self.parts[::-1]), key)
        self.assertEqual(joiner.key_text(key), self.key)

    def test_a_code(self):
        (name, needed, total, repository), number, data = joiner.parse_part(self.parts[0])
        content = name + bytes([number, needed, total]) + repository + data
        code = joiner.CODE + (content.hex() + joiner.checksum(content)).upper()
        self.assertEqual(joiner.join([code, self.parts[1]]), bytes(range(80)))
        with self.assertRaises(joiner.Fault):
            joiner.parse_part(code[:-1] + "1")

    def test_refusals(self):
        first, third = self.parts
        forged = bytearray(joiner.parse_part(first)[2])
        for wrong, why in (
                ([], "no part"), ([first], "1 more"), ([first, first], "twice"),
                ([first, self.key], "no part of a recovery key"),
                ([first, third.replace("set 5f3a", "set 5f3b")], "second line"),
                ([first, third.replace("part 3\n", "part 2\n")], "different parts"),
                ([first, third + "7 x\n"], "behind line 6"),
                ([first, third.replace("\n6 71", "\n6 72")], "line 6"),
                ([first, "".join(third.splitlines(True)[:-1])], "line 6"),
                ([first, third.replace(third.splitlines()[3], first.splitlines()[3])], "line 2")):
            with self.assertRaisesRegex(joiner.Fault, why):
                joiner.join(wrong)
        forged[70] ^= 1
        (name, needed, total, repository), number, _ = joiner.parse_part(first)
        content = name + bytes([number, needed, total]) + repository + forged
        code = joiner.CODE + content.hex() + joiner.checksum(content)
        with self.assertRaisesRegex(joiner.Fault, "do not fit"):
            joiner.join([code, third])


if __name__ == "__main__":
    unittest.main()
