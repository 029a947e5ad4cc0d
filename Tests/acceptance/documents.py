"""The fenced blocks of the documents."""
import dataclasses
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@dataclasses.dataclass(frozen=True)
class Block:
    document: str
    line: int
    heading: str
    language: str
    text: str

    @property
    def name(self):
        return f"{self.document}:{self.line}"

    @property
    def file(self):
        """The file that the block is, if its first line is a comment that begins with a path."""
        found = re.match(r"# ([~/][^\s,]+)", self.text)
        return found[1] if found and self.language != "sh" else None


def blocks(document):
    """All fenced blocks of a document, in their order."""
    found, heading, begun = [], "", None
    with open(os.path.join(ROOT, document), encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.startswith("```"):
                if begun is None:
                    begun, language, lines = number, line[3:].strip(), []
                else:
                    found.append(Block(document, begun, heading, language, "".join(lines)))
                    begun = None
            elif begun is not None:
                lines.append(line)
            elif line.startswith("#"):
                heading = line.lstrip("#").strip()
    return found
