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


def hint_for_array_proto(body: Any) -> str:
    """Return what a body that is no `PredictRequest` probably is, '' where nothing shows it."""
    begin = bytes(body[:64])
    if _JSON.match(begin):
        return "it begins as JSON does: say so with Content-Type: application/json"
    return _compression(begin)


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
