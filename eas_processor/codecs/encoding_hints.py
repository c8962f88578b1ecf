"""Recognise bodies in an unexpected encoding by their first bytes, and suggest what to change."""

import re
from typing import Any

_OTHER = "which is not supported: send it uncompressed, or as gzip with Content-Encoding: gzip"
_COMPRESSED = (
    (b"\x1f\x8b", "it looks like gzip: send the header Content-Encoding: gzip"),
    (b"\x28\xb5\x2f\xfd", f"it looks like zstd, {_OTHER}"),
    (b"\x04\x22\x4d\x18", f"it looks like lz4, {_OTHER}"),
    (b"\xff\x06\x00\x00sNaPpY", f"it looks like snappy, {_OTHER}"),
    (b"\x78\x01", f"it looks like zlib, {_OTHER}"),
    (b"\x78\x5e", f"it looks like zlib, {_OTHER}"),
    (b"\x78\x9c", f"it looks like zlib, {_OTHER}"),
    (b"\x78\xda", f"it looks like zlib, {_OTHER}"),
)
_JSON = re.compile(rb"(\xef\xbb\xbf)?\s*(\{\s*[\"}]|\[)")
# Field 1, a signature name of printable characters, or field 2, an input with its name.
_PREDICT_REQUEST = re.compile(rb"\n[\x01-\x7f][\w/.:-]+\x12|\x12[\x01-\xff]{1,4}\n", re.DOTALL)

# The Java SDK compresses to raw snappy and lz4, which have no magic number. They begin with a
# length, and then with the first bytes of the `PredictRequest` in plain form.
_RAW = re.compile(
    rb"(?P<snappy>[\x80-\xff]{0,4}[\x01-\x7f](?:[%s]|\xf0.|\xf4..)[\n\x12])"
    rb"|(?P<lz4>(?:[\x10-\xef]|[\xf0-\xff]\xff*[^\xff])[\n\x12])"
    % b"".join(re.escape(bytes([tag])) for tag in range(0, 0xF0, 4)),
    re.DOTALL,
)


def hint_for_array_proto(body: Any) -> str:
    """Return a hint for a body that is not a `PredictRequest`, or "" if it is not recognised."""
    begin = bytes(body[:64])
    if _JSON.match(begin):
        return "it looks like JSON: send the header Content-Type: application/json"
    hint = _compression(begin)
    raw = None if hint or _PREDICT_REQUEST.match(begin) else _RAW.match(begin)
    return hint if raw is None else "it may be compressed by {}, {}".format(raw.lastgroup, _OTHER)


def hint_for_json(body: Any) -> str:
    """Return a hint for a body that is not JSON, or "" if it is not recognised."""
    begin = bytes(body[:64])
    if _PREDICT_REQUEST.match(begin):
        return (
            "it looks like a PredictRequest: send the header Content-Type: application/octet-stream"
        )
    return _compression(begin)


def _compression(begin: bytes) -> str:
    for magic, sentence in _COMPRESSED:
        if begin.startswith(magic):
            return sentence
    return ""
