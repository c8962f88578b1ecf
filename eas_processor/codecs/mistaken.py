"""What a body that cannot be read probably is, by its first bytes, and which header says so."""

import re
from typing import Any

_OTHER = "which is not understood: send it as it is, or compressed by gzip with Content-Encoding"
_COMPRESSED = (
    (b"\x1f\x8b", "it begins as gzip does: say so with Content-Encoding: gzip"),
    (b"\x28\xb5\x2f\xfd", f"it begins as zstd does, {_OTHER}"),
    (b"\x04\x22\x4d\x18", f"it begins as lz4 does, {_OTHER}"),
    (b"\xff\x06\x00\x00sNaPpY", f"it begins as snappy does, {_OTHER}"),
    (b"\x78\x01", f"it begins as zlib does, {_OTHER}"),
    (b"\x78\x5e", f"it begins as zlib does, {_OTHER}"),
    (b"\x78\x9c", f"it begins as zlib does, {_OTHER}"),
    (b"\x78\xda", f"it begins as zlib does, {_OTHER}"),
)
_JSON = re.compile(rb"(\xef\xbb\xbf)?\s*(\{\s*[\"}]|\[)")
# A signature name of printable characters, or an input with its name: fields 1 and 2.
_PREDICT_REQUEST = re.compile(rb"\n[\x01-\x7f][\w/.:-]+\x12|\x12[\x01-\xff]{1,4}\n", re.DOTALL)

# Java's SDK compresses to raw snappy and lz4, which have no mark of their own: they begin with a
# length, and the first bytes of a `PredictRequest` as they are.
_RAW = re.compile(
    rb"(?P<snappy>[\x80-\xff]{0,4}[\x01-\x7f](?:[%s]|\xf0.|\xf4..)[\n\x12])"
    rb"|(?P<lz4>(?:[\x10-\xef]|[\xf0-\xff]\xff*[^\xff])[\n\x12])"
    % b"".join(re.escape(bytes([tag])) for tag in range(0, 0xF0, 4)),
    re.DOTALL,
)


def hint_for_array_proto(body: Any) -> str:
    """Return what a body that is no `PredictRequest` probably is, '' where nothing shows it."""
    begin = bytes(body[:64])
    if _JSON.match(begin):
        return "it begins as JSON does: say so with Content-Type: application/json"
    hint = _compression(begin)
    raw = None if hint or _PREDICT_REQUEST.match(begin) else _RAW.match(begin)
    return hint if raw is None else "it may be compressed by {}, {}".format(raw.lastgroup, _OTHER)


def hint_for_json(body: Any) -> str:
    """Return what a body that is no JSON probably is, '' where nothing shows it."""
    begin = bytes(body[:64])
    if _PREDICT_REQUEST.match(begin):
        return (
            "it begins as a PredictRequest does: say so with Content-Type: application/octet-stream"
        )
    return _compression(begin)


def _compression(begin: bytes) -> str:
    for magic, sentence in _COMPRESSED:
        if begin.startswith(magic):
            return sentence
    return ""
