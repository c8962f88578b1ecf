"""
The frame format, byte by byte.

Every frame has a head of 24 bytes, little-endian, and a payload:

    offset  size  type  meaning
    0       4     u32   length of the payload
    4       1     u8    kind, one of the constants below
    5       1     u8    codec of a PREDICT, one of the constants below; else 0
    6       2     u16   REPLY and PROFILED: a status code (`link.codes`)
                        TIMES: 1 if the worker runs requests one after the other, so that the
                        engine may send more of them ahead
                        PREDICT: how many requests the worker now holds, this one included
                        all other kinds: 0
    8       8     u64   number of the request or profile, chosen by the engine; else 0
    16      8     f64   deadline of a PREDICT, in seconds of CLOCK_MONOTONIC, which all processes
                        share; 0 for none
    24      n           payload

A launcher has one socket, its link, and a worker has four. The engine makes each pair of sockets
and passes one end on: to a launcher when it starts, to a worker four with the LAUNCH, and to a
spare its link and its output with the FORK (SCM_RIGHTS). The first frame from each process, which
a launcher sends on its link and a worker on `control`, is a HELLO with a JSON object:

    {"link": LINK_VERSION, "pid": ...,
     and from launchers: "forks": bool, "failure": text or "", "code": the hash of its code}

After that:

    channel    engine sends                               the process sends
    link       LAUNCH (JSON: what the worker loads), FORK
    control    WARMED, STOP                               READY (JSON), FAILED (text), HEARTBEAT
               PROFILE (JSON), END_PROFILE                PROFILED (a profile, or one sentence)
    data,bulk  PREDICT (request body), CANCEL             REPLY (response body, or one sentence)
                                                          TIMES, before the REPLYs of one batch
    log                                                   its output as plain text, not in frames

`bulk` carries the payloads above BULK_SIZE, so that they do not delay the small ones on `data`.
The codec of a PREDICT is the encoding of its body and of the answer. A TIMES describes the
requests whose REPLYs follow on its channel, as five u32: the rows of one run of the model, the
number of requests, and the microseconds that decoding, running and encoding all of them took. If
these requests took several runs, one more TIMES follows for each further run, with its rows and 0
requests.

A PROFILE profiles the worker for some seconds, or until an END_PROFILE. The payload is JSON:
{"seconds": ..., "levels": {name: int}}, where each processor defines its levels. One PROFILED
answers it, and is empty if nothing ran meanwhile.
"""

import struct
from typing import Any, Tuple

LINK_VERSION = 5

HELLO = 1
LAUNCH = 2
FORK = 3
READY = 4
FAILED = 5
HEARTBEAT = 6
WARMED = 7
STOP = 8
PROFILE = 9
END_PROFILE = 10
PROFILED = 11
PREDICT = 16
CANCEL = 17
REPLY = 18
TIMES = 20

CHANNELS = "control", "data", "bulk", "log"
"""The names of a worker's sockets, in the order in which a LAUNCH passes them."""

ARRAY_PROTO = 0
"""Codec: `PredictRequest` and `PredictResponse` of `proto/predict.proto`."""
EAS_JSON = 1
"""Codec: the JSON of the EAS routes."""
TFS_PREDICT_JSON = 2
TFS_CLASSIFY_JSON = 3
TFS_REGRESS_JSON = 4
"""Codecs: the JSON of TensorFlow Serving's three REST routes."""
TENSOR_PROTO = 5
TENSOR_CONTENT = 6
"""Codecs: TensorFlow Serving's `PredictRequest`, answered in typed fields or `tensor_content`."""
CLASSIFY_PROTO = 7
REGRESS_PROTO = 8
MULTI_INFERENCE = 9
"""Codecs: its `ClassificationRequest`, `RegressionRequest` and `MultiInferenceRequest`."""

HEAD = struct.Struct("<IBBHQd")
HEAD_SIZE = HEAD.size

RUN_TIMES = struct.Struct("<IIIII")
"""The payload of a TIMES: rows, requests, then microseconds of decoding, running, encoding."""

BULK_SIZE = 64 * 1024
"""Payloads above this many bytes travel on the bulk channel."""

MAX_PAYLOAD = 0xFFFFFFFF
"""The largest payload that the length in a head can express."""

Frame = Tuple[int, int, int, int, float, Any]
"""
Kind, codec, status, request number, deadline, payload.

A plain tuple, because tens of thousands are made each second.
"""


class LinkError(ConnectionError):
    """
    The other side of the link is gone.

    A socket may raise another ConnectionError for the same reason, so callers catch that class.
    """


def pack(kind: int, payload: bytes = b"", number: int = 0, status: int = 0) -> bytes:
    """Return a frame as bytes; it copies the payload, so requests and replies do not use it."""
    return HEAD.pack(len(payload), kind, 0, status, number, 0.0) + payload
