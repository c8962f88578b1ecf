"""Every code block of the documentation: fenced or indented, with its kind and its page."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from docs.reader import ROOT

PAGES = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md")
    for path in ROOT.glob(pattern)
    if "build" not in path.parts
)
GUESSED = "guessed"
"""The rest of the fence where there is none."""
_LIST_ITEM = re.compile(r"\s*(?:[*-]|\d+\.) ")
_PROGRAMS = {
    "curl",
    "docker",
    "eascmd",
    "export",
    "git",
    "kubectl",
    "make",
    "pip",
    "python",
    "systemd-run",
    "tensorboard",
    "tensorflow_model_server",
    "uv",
}
"""The commands that a block without a kind may begin with."""
_VARIABLE = re.compile(r"[A-Z_]+=(?:\$\([^)]*\)|\S+) ")


class Snippet(NamedTuple):
    """A block: `kind` is the first word of its fence, or a guess where it is indented."""

    page: str
    line: int
    kind: str
    rest: str
    text: str

    @property
    def first_line(self) -> str:
        return self.text.partition("\n")[0].strip()

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def snippets(page: str) -> list[Snippet]:
    """Return the blocks of a page, which is a path below the repository's root."""
    lines = (ROOT / page).read_text("utf-8").splitlines()
    return [
        Snippet(page, first + 1, *_kind(info, text), text)
        for first, info, text in (*_fenced(lines), *_indented(lines))
    ]


def all_snippets() -> list[Snippet]:
    """Return the blocks of all pages."""
    return [each for page in PAGES for each in snippets(page)]


def commands(text: str) -> list[str]:
    """Return the commands of a shell block; one may go over several lines, by `\\` or in quotes."""
    found, begun = [], ""
    for line in text.splitlines():
        begun = f"{begun}\n{line}" if begun else line
        if begun.endswith("\\"):
            continue
        try:
            words = shlex.split(begun, comments=True)
        except ValueError:
            continue
        if words:
            found.append(begun.strip())
        begun = ""
    assert not begun, f"this command has no end: {begun}"
    return found


def _fenced(lines: list[str]) -> Iterator[tuple[int, str, str]]:
    start = None
    for number, line in enumerate(lines):
        assert not re.match(r"\s+```", line), f"the fence in line {number + 1} is indented"
        if not line.startswith("```"):
            continue
        if start is None:
            start = number
        else:
            yield start, lines[start][3:], "\n".join(lines[start + 1 : number]) + "\n"
            start = None
    assert start is None, f"the fence in line {start} is not closed"


def _indented(lines: list[str]) -> Iterator[tuple[int, str, str]]:
    fenced = in_list = False
    start = None
    for number, line in enumerate([*lines, "end"]):
        if line.startswith("```"):
            fenced = not fenced
        if start is not None and line.strip() and not line.startswith("    "):
            text = "\n".join(each[4:] for each in lines[start:number])
            yield start, "", text.rstrip() + "\n"
            start = None
        if not line.startswith(" ") and line.strip():
            in_list = bool(_LIST_ITEM.match(line))
        after_blank = number == 0 or not lines[number - 1].strip()
        code = line.startswith("    ") and after_blank and not (fenced or in_list)
        if start is None and code:
            start = number


def _kind(info: str, text: str) -> tuple[str, str]:
    words = _VARIABLE.sub("", text).split()
    is_command = Path(words[0]).name in _PROGRAMS
    if info and (is_command or info != "console"):
        kind, _, rest = info.partition(" ")
        return kind, rest
    if is_command:
        return "sh", ""
    if words[0].startswith("{"):
        return "json", ""
    if words[0] in ("async", "client", "from", "import", "with"):
        return "python", GUESSED
    return "plain", ""
