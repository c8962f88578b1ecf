"""
The frame format, byte by byte.

Every frame is a head of 24 bytes, little-endian, and a payload:

    offset  size  type  meaning
    0       4     u32   length of the payload
    4       1     u8    kind, one of the constants below
    5       1     u8    codec of a PREDICT, one of the constants below; else 0
    6       2     u16   of a REPLY or PROFILED: a status code (`link.codes`); of a TIMES: 1 if the
                        worker runs its requests in turn, so that more may be sent ahead; of a
                        PREDICT: how many requests are in the worker, with this one; else 0
    8       8     u64   number of the request or profile, chosen by the engine; 0 outside them
    16      8     f64   deadline of a PREDICT, in seconds of CLOCK_MONOTONIC, which all processes
                        share; 0 for none
    24      n           payload

A launcher has one socket, its link, and a worker has four. The engine makes each pair of sockets
and hands the other end over: a launcher gets its link when it is started, a worker its four with
the LAUNCH, and a copy of a launcher its link and its output with the FORK (SCM_RIGHTS). The first
frame on a link, and of a worker on `control`, is a HELLO, a JSON object:

    {"link": LINK_VERSION, "pid": ..., and of a launcher
     "forks": bool, "failure": text or "", "code": the content hash of what it runs}

After that:

    channel    engine sends                               the process sends
    link       LAUNCH (JSON: what the worker loads), FORK
    control    WARMED, STOP                               READY (JSON), FAILED (text), HEARTBEAT
               PROFILE (JSON), END_PROFILE                PROFILED (a profile, or one sentence)
    data,bulk  PREDICT (request body), CANCEL             REPLY (response body, or one sentence)
                                                          TIMES, before the REPLYs of one batch
    log                                                   what it prints, without frames

`bulk` carries the payloads above BULK_SIZE, so that they do not delay the small ones on `data`.
The codec says how the bodies of a PREDICT and of its answer are encoded. A TIMES tells of the
requests that are answered next on its channel, as five u32: the rows of a run of the model, how
many requests these are, and the microseconds that decoding, running and encoding all of them took.
Where they took several runs, more TIMES follow, of 0 requests, with the rows of the others.

A PROFILE has the worker profiled for some seconds, or until an END_PROFILE; one PROFILED answers
it, which is empty where nothing ran. Its JSON: {"seconds": ..., "levels": {name: int}}, and the
levels are the processor's own.
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
"""A worker's sockets, in the order in which a LAUNCH brings them."""

ARRAY_PROTO = 0
"""Codec: `PredictRequest` and `PredictResponse` of `proto/predict.proto`."""
EAS_JSON = 1
"""Codec: JSON as the EAS routes take it."""
TFS_PREDICT_JSON = 2
TFS_CLASSIFY_JSON = 3
TFS_REGRESS_JSON = 4
"""Codecs: JSON as the three REST routes of TensorFlow Serving take it."""
TENSOR_PROTO = 5
TENSOR_CONTENT = 6
"""Codecs: `PredictRequest` of TensorFlow Serving; answers in typed fields or `tensor_content`."""
CLASSIFY_PROTO = 7
REGRESS_PROTO = 8
MULTI_INFERENCE = 9
"""Codecs: `ClassificationRequest`, `RegressionRequest`, `MultiInferenceRequest`, also of theirs."""

HEAD = struct.Struct("<IBBHQd")
HEAD_SIZE = HEAD.size

RUN_TIMES = struct.Struct("<IIIII")
"""The payload of a TIMES."""

BULK_SIZE = 64 * 1024
"""Payloads above this many bytes travel on the bulk channel."""

MAX_PAYLOAD = 0xFFFFFFFF
"""What the length of a frame can say."""

Frame = Tuple[int, int, int, int, float, Any]
"""kind, codec, status, request number, deadline, payload: plain, as tens of thousands a second."""


class LinkError(ConnectionError):
    """
    The other side of the link is gone.

    Sockets raise other ConnectionErrors when they are the first to find that.
    """


def pack(kind: int, payload: bytes = b"", number: int = 0, status: int = 0) -> bytes:
    """Return a whole frame; for control messages, where one copy of the payload does not matter."""
    return HEAD.pack(len(payload), kind, 0, status, number, 0.0) + payload
