"""Finds the line of output that explains a process's end, rather than the last stack frame."""

from __future__ import annotations

import re

from eas_processor.process_limit import is_shortage

_LONGEST = 1000

# Fatal errors: log lines of TensorFlow and Abseil, and messages of the C++ runtime and of Python.
# The source file before the message is left out.
_FATAL = re.compile(
    r"^(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: F |F\d{4} )\S* ?(?:[^\]]*\] )?(?P<logged>.+)"
    r"|^(?P<said>(?:Fatal Python error: |terminate called |OMP: Error |\S*: symbol lookup error: "
    r"|\*\*\* (?:stack smashing|buffer overflow)|malloc\(\)|free\(\)|double free|corrupted ).*)"
)
_WHAT = re.compile(r"^\s*what\(\):\s+(.*)")

# Stack frames, and the lines printed around them.
_FRAMES = re.compile(
    r"^\s|^@\s+0x|^#\d+ |^\[?0x[0-9a-f]+\b|^(?:\*\*\*|PC:|Aborted|Stack trace|Original stack trace)"
    r"|^Traceback |^(?:Current thread|Thread) 0x"
    r"|^(?:Errors may have originated|Extension modules: )"
)

# Lines that Python and TensorFlow add to the message of an exception.
_IN_MESSAGES = re.compile(
    r"^\s*(?:File \"|Traceback \(most recent|\[\[|Original stack trace for|Detected at node"
    r"|Errors may have originated|Input Source operations)"
)


def without_frames(text: str) -> str:
    """Return an error text on one line, without the stack frames in it."""
    lines = text.splitlines()
    kept = []
    for line, before in zip(lines, ["", *lines], strict=False):
        is_source = before.lstrip().startswith('File "') and line.startswith("    ")
        if not is_source and not _IN_MESSAGES.match(line):
            kept.append(line.strip())
    return " ".join(filter(None, kept)) or text.strip()


class LastWords:
    """Keeps the line of a process's output that best explains how it ended."""

    def __init__(self) -> None:
        self._last = ""
        self._fatal = ""

    def note(self, line: str) -> None:
        """Take the next line into account."""
        if not self._fatal and (found := _FATAL.match(line)):
            self._fatal = (found["logged"] or found["said"])[:_LONGEST].rstrip()
        elif not self._fatal and is_shortage(line):
            self._fatal = line[:_LONGEST]
        elif self._fatal.startswith("terminate called") and (found := _WHAT.match(line)):
            self._fatal = f"{self._fatal}: {found[1]}"[:_LONGEST]
        if not _FRAMES.match(line):
            self._last = line[:_LONGEST]

    def __str__(self) -> str:
        """Return the first fatal error, or else the last line that is not a stack frame."""
        return self._fatal or self._last
