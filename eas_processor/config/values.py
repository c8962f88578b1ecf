"""The types of values in a service file: patterns, and the rules that errors state for them."""

from __future__ import annotations

import re
from typing import Annotated

from msgspec import Meta

# `$` also matches before a newline at the end, and JSON Schema does not have `\Z`.
_END = r"(?![\s\S])"
NAME_PATTERN = rf"^[A-Za-z0-9_][A-Za-z0-9_.-]{{0,63}}{_END}"
TOKEN_PATTERN = rf"^[!-~]{{0,512}}{_END}"
PEER_PATTERN = rf"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{{1,5}}(=[0-9]{{1,6}})?{_END}"

NAME_RULE = "1 to 64 letters, digits, '_', '-' or '.', not beginning with '-' or '.'"
TOKEN_RULE = "text of up to 512 visible ASCII characters without spaces"
PEER_RULE = "HOST:PORT or HOST:PORT=WEIGHT, such as 10.0.0.2:8080=50"
SHARE_RULE = "a number of instances or a percentage such as '20%'"

_INT_MAX = 2**31 - 1
Count = Annotated[int, Meta(ge=0, le=_INT_MAX)]
Positive = Annotated[int, Meta(ge=1, le=_INT_MAX)]
Few = Annotated[int, Meta(ge=1, le=1024)]
TokenText = Annotated[str, Meta(pattern=TOKEN_PATTERN)]
PeerText = Annotated[str, Meta(pattern=PEER_PATTERN)]
Frontend = Annotated[str, Meta(pattern=rf"^(eas|tfs|grpc){_END}")]
Share = Count | Annotated[str, Meta(pattern=rf"^[0-9]+%?{_END}")]


def is_service_name(name: str) -> bool:
    """Return whether a name is valid for a service; a model's name may have any character."""
    return re.match(NAME_PATTERN, name) is not None
