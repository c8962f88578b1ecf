"""Error texts for clients, without the paths of the server's files."""

from __future__ import annotations

import re

# The last part of a path is kept. A quoted path may contain blanks. URLs are not matched.
_QUOTED = re.compile(r"(?P<quote>['\"])/[^'\"]*/(?=[^'\"]*(?P=quote))")
_DIRECTORIES = re.compile(r"(?<![\w./~])/(?!/)(?:[^\s/'\"]+/)+")
_TRACEBACK = "Traceback (most recent call last)"


def for_clients(reason: str) -> str:
    """Return why a start failed, on one line and without tracebacks and directories."""
    sentence = " ".join(reason.partition(_TRACEBACK)[0].split())
    return _DIRECTORIES.sub("", _QUOTED.sub(r"\g<quote>", sentence))
