"""The refusal of a body in another encoding names the header to set."""

import gzip
import json
import zlib

import numpy as np
import pytest

import eas_wire as wire
from eas_processor.codecs.array_proto import ArrayProto
from eas_processor.codecs.eas_json.codec import EasJson
from eas_processor.codecs.errors import CodecError

JSON = json.dumps({"signature_name": "s", "inputs": {"x": [[1.0, 2.0]] * 100}}).encode()
TENSOR = wire.Tensor(wire.DT_FLOAT, np.ones((100, 2), np.float32))
AS_JSON = "it looks like JSON: send the header Content-Type: application/json"
AS_GZIP = "it looks like gzip: send the header Content-Encoding: gzip"


def request(signature):
    return wire.encode_request(wire.Request(signature, {"x": TENSOR}, []))


@pytest.mark.parametrize(
    "body, hint",
    [
        (JSON, AS_JSON),
        (b"\n  " + JSON, AS_JSON),
        (b"\xef\xbb\xbf" + JSON, AS_JSON),
        (b'[{"x": 1}]', AS_JSON),
        (gzip.compress(request("s")), AS_GZIP),
        (gzip.compress(JSON), AS_GZIP),
        (zlib.compress(request("s")), "it looks like zlib, which is not supported: send it"),
        (b"\x28\xb5\x2f\xfd" + bytes(range(40)), "it looks like zstd"),
        (b"\x04\x22\x4d\x18" + bytes(range(40)), "it looks like lz4"),
        (b"\xff\x06\x00\x00sNaPpY" + bytes(range(40)), "it looks like snappy"),
    ],
)
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_predict_request_that_is_something_else(body, hint, kind):
    with pytest.raises(wire.WireError) as caught:
        ArrayProto().decode(kind(body), None)
    assert f"; {hint}" in str(caught.value)
    assert caught.value.code == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    "body, hint",
    [
        (gzip.compress(JSON), AS_GZIP),
        (request("serving_default"), "it looks like a PredictRequest: send the header"),
        (request(""), "Content-Type: application/octet-stream"),
    ],
)
def test_json_that_is_something_else(body, hint):
    with pytest.raises(CodecError) as caught:
        EasJson().decode(body, None)
    assert str(caught.value).startswith("the body is not JSON: ")
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    "begin, kind",
    [
        # `Snappy.compress` and `LZ4Compressor.compress` of a request of 836 bytes: the length of
        # all, the length of what comes as it is, and that.
        (
            b"\xc4\x06\x68\n\x01s\x12\xbc\x06\n\x01x\x12\xb6\x06\x08\x01\x12\x05\n\x03\x64\x02",
            "snappy",
        ),
        (b"\xc4\x06\xf0\x41\n\x01s\x12\xbc\x06\n\x01x", "snappy"),
        (b"\xff\x0c\n\x01s\x12\xbc\x06\n\x01x\x12\xb6\x06\x08\x01\x12\x05", "lz4"),
        (b"\xd0\n\x01s\x12\xbc\x06\n\x01x\x12\xb6\x06", "lz4"),
    ],
)
def test_what_javas_sdk_compresses_without_a_mark(begin, kind):
    with pytest.raises(wire.WireError) as caught:
        ArrayProto().decode(begin + bytes(range(128, 160)), None)
    assert "it may be compressed by " + kind in str(caught.value)


@pytest.mark.parametrize("body", [b"\xff\xff", request("s")[:-3], request("")[:-3], b"hello"])
def test_what_shows_nothing_gets_no_hint(body):
    with pytest.raises(wire.WireError) as caught:
        ArrayProto().decode(body, None)
    assert "it begins" not in str(caught.value)
    assert "it may be" not in str(caught.value)


@pytest.mark.parametrize("body", [b'{"inputs": ', b"hello", b"\xff\xff", b"\n\n{"])
def test_json_with_a_fault_gets_none(body):
    with pytest.raises(CodecError) as caught:
        EasJson().decode(body, None)
    assert "it begins" not in str(caught.value)
