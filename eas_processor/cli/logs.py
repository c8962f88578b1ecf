"""
Set up the log: readable on a terminal, one JSON object on each line elsewhere.

A process that serves never waits for a reader of stdout or stderr. Its output goes to a queue
(`log_queue`), which drops and counts the records that are not read in time.
"""

from __future__ import annotations

import atexit
import io
import json
import logging
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from typing import Any, TextIO, cast

from eas_processor.log_queue import LineQueue

log = logging.getLogger("eas_processor")

_OURS = ("eas_processor", "eas_prediction", "eas_wire")
_END_S = 1.0
"""How long the process waits at its end until the queued output is written."""
_MAX_RECORD = 8 * 1024
_MAX_TRACEBACK = 32 * 1024


def cut(text: str, limit: int) -> str:
    """Return `text` with at most about `limit` characters: its beginning and its end."""
    if len(text) <= limit:
        return text
    first = limit // 4
    last = limit - first
    return f"{text[:first]} ... {len(text) - limit} characters left out ... {text[-last:]}"


class JsonLines(logging.Formatter):
    """One JSON object for each record: time, level, logger, message, and the record's facts."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        written = json.dumps(line)
        if len(written) > _MAX_RECORD:
            # Message and path may be long, and JSON writes a character with up to six.
            written = json.dumps(_with_short_texts(line, _MAX_RECORD // 12))
        if record.exc_info:
            traceback = cut(self.formatException(record.exc_info), _MAX_TRACEBACK)
            written = f'{written[:-1]}, "traceback": {json.dumps(traceback)}}}'
        return written


def _with_short_texts(line: dict[str, Any], limit: int) -> dict[str, Any]:
    return {k: cut(v, limit) if isinstance(v, str) else v for k, v in line.items()}


class Readable(logging.Formatter):
    """Time, level and message; the facts of a record follow as `name=value`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        return cut(super().format(record), _MAX_TRACEBACK if record.exc_info else _MAX_RECORD)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        facts = getattr(record, "facts", {})
        return " ".join([super().formatMessage(record), *(f"{k}={v}" for k, v in facts.items())])


def log_handler(stream: TextIO, *, readable: bool = False) -> logging.Handler:
    """Return a handler for `stream`: text for a terminal or if `readable`, else JSON."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(stream, readable))
    return handler


def set_up(*, verbose: bool, readable: bool = False) -> None:
    """
    Send the log of this process to stderr, without ever waiting for its reader.

    It is readable text on a terminal, and elsewhere if `readable` is set.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # The parent process closed it; the next file or socket would get its number.
            stream = open(os.devnull, mode)  # noqa: SIM115 - until the process ends
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
    replaced = (sys.stdout, sys.stderr) != (sys.__stdout__, sys.__stderr__)  # by a test
    handler = log_handler(sys.stderr, readable=readable) if replaced else _queue_output(readable)
    # Detailed logs of packages can contain secrets: urllib3 logs each query, and the query of a
    # presigned URL is a secret.
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    if verbose:
        for name in _OURS:
            logging.getLogger(name).setLevel(logging.DEBUG)


class QueuedHandler(logging.Handler):
    """Puts records into a queue, in the format and encoding of `stream`."""

    def __init__(self, stream: TextIO, descriptor: int, *, readable: bool = False) -> None:
        super().__init__()
        self.setFormatter(_formatter(stream, readable))
        self._encoding = stream.encoding or "utf-8"
        self.queue = LineQueue(descriptor, self._notice)

    def emit(self, record: logging.LogRecord) -> None:
        if self.queue.dropping:
            self.queue.drop()
            return
        try:
            line = self._encoded(record)
        except Exception as error:
            # The default handler prints to stderr, which may block.
            line = self._encoded(_record("a log record cannot be written: %r", error))
        self.queue.put(line)

    def _encoded(self, record: logging.LogRecord) -> bytes:
        return (self.format(record) + "\n").encode(self._encoding, "backslashreplace")

    def _notice(self, count: int) -> bytes:
        return self._encoded(_record("%d log record(s) were dropped: their reader is slow", count))


def _record(message: str, argument: object) -> logging.LogRecord:
    return logging.LogRecord(log.name, logging.WARNING, "", 0, message, (argument,), None)


def _formatter(stream: TextIO, readable: bool = False) -> logging.Formatter:
    return Readable() if readable or stream.isatty() else JsonLines()


def _queue_output(readable: bool) -> logging.Handler:
    """Replace stdout and stderr by streams that never block, and return the log's handler."""
    # Duplicates, because TensorFlow, which --inline loads in this process, changes descriptor 2.
    handler = QueuedHandler(sys.stderr, os.dup(sys.stderr.fileno()), readable=readable)
    queues = [handler.queue]
    if not os.path.sameopenfile(sys.stdout.fileno(), sys.stderr.fileno()):
        queues.append(LineQueue(os.dup(sys.stdout.fileno()), on_failure=_say_lost()))
    # Output to the same file or terminal must keep its order.
    sys.stdout = _stream(sys.stdout, queues[-1])
    sys.stderr = _stream(sys.stderr, queues[0])
    atexit.register(_finish, queues)
    return handler


def _finish(queues: list[LineQueue]) -> None:
    end = monotonic() + _END_S
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    for queue in reversed(queues):  # lost output of stdout is reported in the log
        queue.flush(max(0.0, end - monotonic()))


def _say_lost() -> Callable[[OSError, bytes], None]:
    said: list[bytes] = []

    def say(error: OSError, lost: bytes) -> None:
        if not said:
            said.append(lost)
            first = lost.partition(b"\n")[0].decode(errors="replace")
            log.warning("stdout cannot be written (%s); lost: %s", error.strerror, first)

    return say


def _stream(stream: TextIO, queue: LineQueue) -> TextIO:
    raw = cast("io.BufferedWriter", _Raw(queue, stream.fileno(), terminal=stream.isatty()))
    # Printing a path that the locale cannot encode must not end the service.
    errors = "backslashreplace" if stream.errors == "strict" else stream.errors
    return io.TextIOWrapper(raw, stream.encoding, errors, line_buffering=True)


class _Raw(io.RawIOBase):
    """A binary stream that puts the bytes of a text stream into a queue."""

    def __init__(self, queue: LineQueue, descriptor: int, *, terminal: bool) -> None:
        self._queue = queue
        self._descriptor = descriptor
        self._terminal = terminal

    def write(self, data: Any) -> int:
        self._queue.put(bytes(data))
        return len(data)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return self._terminal
