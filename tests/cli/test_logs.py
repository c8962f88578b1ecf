from __future__ import annotations

import io
import json
import logging

from eas_processor.cli.logs import log_handler


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def logger_to(stream: io.StringIO) -> logging.Logger:
    log = logging.Logger("eas_processor.test")
    log.addHandler(log_handler(stream))
    return log


def test_off_a_terminal_a_record_is_a_json_object() -> None:
    stream = io.StringIO()
    log = logger_to(stream)
    log.warning("%d %s", 3, "pets", extra={"facts": {"status": 200}})
    (line,) = stream.getvalue().splitlines()
    record = json.loads(line)
    assert record.pop("time").endswith("+00:00")
    assert record == {
        "level": "warning",
        "logger": "eas_processor.test",
        "message": "3 pets",
        "status": 200,
    }


def test_a_traceback_stays_in_its_line() -> None:
    stream = io.StringIO()
    log = logger_to(stream)
    try:
        raise ValueError("bad")
    except ValueError:
        log.exception("failed")
    (line,) = stream.getvalue().splitlines()
    assert "ValueError: bad" in json.loads(line)["traceback"]


def test_on_a_terminal_it_is_readable() -> None:
    stream = Terminal()
    log = logger_to(stream)
    log.info("ready", extra={"facts": {"pid": 7}})
    assert stream.getvalue().endswith(" INFO    ready pid=7\n")
