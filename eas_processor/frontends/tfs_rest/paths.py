"""Parses the request targets of TensorFlow Serving's REST interface."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from eas_processor.frontends.tfs_models import Wanted

PREFIX = b"/v1/"

_LARGEST = 2**63 - 1
_MOST_DIGITS = len(str(_LARGEST))
_VERSION = rb"(?:/(?:versions/(?P<version>[0-9]+)|labels/(?P<label>[^/:]+)))?"
# They match whole targets including the query string. The verb's case is checked by the caller.
_POST = re.compile(
    rb"/v1/models/(?P<name>[^/:]+)" + _VERSION + rb":(?P<verb>[a-z]+)", re.IGNORECASE
)
_GET = re.compile(
    rb"/v1/models(?:/(?P<name>[^/:]+))?" + _VERSION + rb"(?P<metadata>/metadata)?", re.IGNORECASE
)


class Target(NamedTuple):
    """
    A model, and one version by its number or its label; without both, the latest.

    `verb` is the part after the colon, or b"metadata", or empty for the status. `too_large` are
    the digits of a version number that does not fit into 64 bits.
    """

    name: bytes
    version: int | None
    label: str | None
    verb: bytes
    too_large: bytes = b""

    @property
    def wanted(self) -> Wanted:
        """The model and its version, without the verb."""
        return Wanted(self.name, self.version, self.label)


def parse(method: bytes, target: bytes) -> Target | None:
    """Return the parsed target of a request, or None if it is malformed."""
    match = (_POST if method == b"POST" else _GET).fullmatch(target)
    if match is None:
        return None
    found = match.groupdict()
    name, label = found["name"] or b"", found["label"]
    digits = found["version"]
    version = None if digits is None else _number(digits)
    too_large = digits if digits is not None and version is None else b""
    return Target(
        unquote_to_bytes(name),
        version,
        None if label is None else unquote_to_bytes(label).decode(errors="replace"),
        found.get("verb") or (b"metadata" if found.get("metadata") else b""),
        too_large,
    )


def _number(digits: bytes) -> int | None:
    """Return a signed 64-bit number, or None for a larger one."""
    # Python refuses to convert thousands of digits, even leading zeros.
    shortest = digits.lstrip(b"0") or b"0"
    number = int(shortest) if len(shortest) <= _MOST_DIGITS else _LARGEST + 1
    return number if number <= _LARGEST else None
