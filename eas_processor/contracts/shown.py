"""What clients are told of why a service does not answer: nothing of where its files are."""

from __future__ import annotations

import re

# A path keeps its last part. A quoted one may have blanks in it; a URL is none.
_QUOTED = re.compile(r"(?P<quote>['\"])/[^'\"]*/(?=[^'\"]*(?P=quote))")
_DIRECTORIES = re.compile(r"(?<![\w./~])/(?!/)(?:[^\s/'\"]+/)+")
_TRACEBACK = "Traceback (most recent call last)"


def for_clients(reason: str) -> str:
    """Return the reason of a failed start on one line, without tracebacks and directories."""
    sentence = " ".join(reason.partition(_TRACEBACK)[0].split())
    return _DIRECTORIES.sub("", _QUOTED.sub(r"\g<quote>", sentence))
