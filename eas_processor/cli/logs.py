"""How the log is written: readable on a terminal, one JSON object a line elsewhere."""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime, timezone
from typing import TextIO


class JsonLines(logging.Formatter):
    """One JSON object for each record: time, level, logger, message, and the record's facts."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(
                timespec="milliseconds"
            ),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


class Readable(logging.Formatter):
    """Time, level and message; the facts of a record follow as `name=value`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        facts = getattr(record, "facts", {})
        return " ".join([super().formatMessage(record), *(f"{k}={v}" for k, v in facts.items())])


def log_handler(stream: TextIO) -> logging.Handler:
    """Return a handler that writes to `stream` in the form that suits it."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Readable() if stream.isatty() else JsonLines())
    return handler


def set_up(*, verbose: bool) -> None:
    """Send the log of this process to stderr."""
    level = logging.DEBUG if verbose else logging.INFO
    logging.basicConfig(level=level, handlers=[log_handler(sys.stderr)])
