from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from eas_processor.cli.logs import QueuedHandler, log_handler, set_up

pytestmark = pytest.mark.medium


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


@pytest.mark.parametrize("terminal", [False, True])
def test_a_long_record_is_cut_and_keeps_its_form(terminal: bool) -> None:
    stream = Terminal() if terminal else io.StringIO()
    log = logger_to(stream)
    long = "a" + "\x00" * 1_000_000 + "z"
    log.info("%s", long, extra={"facts": {"path": long, "status": 404}})
    (line,) = stream.getvalue().splitlines()
    assert len(line) < 9000
    assert "characters left out" in line and "404" in line
    if not terminal:
        assert json.loads(line)["message"].endswith("\x00z")


@pytest.mark.parametrize("terminal", [False, True])
def test_of_a_long_traceback_both_ends_are_kept(terminal: bool) -> None:
    stream = Terminal() if terminal else io.StringIO()
    log = logger_to(stream)
    try:
        raise ValueError("x" * 1_000_000 + " the end")
    except ValueError:
        log.exception("failed")
    text = stream.getvalue() if terminal else json.loads(stream.getvalue())["traceback"]
    assert 32_000 < len(text) < 34_000
    assert "Traceback (most recent call last)" in text
    assert text.rstrip("\n").endswith(" the end")


def test_a_record_that_cannot_be_made_is_said_and_waits_for_nobody() -> None:
    end, descriptor = os.pipe()
    handler = QueuedHandler(io.StringIO(), descriptor)
    log = logging.Logger("eas_processor.test")
    log.addHandler(handler)
    log.info("%d", "no number")
    assert handler.queue.flush(10)
    with os.fdopen(end, "rb") as pipe:
        os.close(descriptor)
        (line,) = pipe.read().splitlines()
    message = json.loads(line)["message"]
    assert message.startswith("a log record cannot be written: TypeError(")


def printed_by(code: str) -> tuple[str, str]:
    """Return stdout and stderr of a process that has set up its log and then does as told."""
    program = f"import logging, sys\nfrom eas_processor.cli.logs import set_up\n{code}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    return done.stdout.decode(), done.stderr.decode()


def test_all_that_is_printed_and_logged_is_there_at_the_end() -> None:
    out, err = printed_by(
        "set_up(verbose=False)\n"
        "for number in range(1000):\n"
        "    print(number)\n"
        "    logging.info('%d', number)\n"
        "print('no line end', end='')\n"
        "sys.exit('the reason')"
    )
    assert out.split() == [*map(str, range(1000)), "no", "line", "end"]
    *lines, reason = err.splitlines()
    assert [json.loads(line)["message"] for line in lines] == [*map(str, range(1000))]
    assert reason == "the reason"


def test_a_traceback_that_ends_the_process_is_there() -> None:
    _, err = printed_by("set_up(verbose=False)\n1 / 0")
    assert err.splitlines()[-1] == "ZeroDivisionError: division by zero"


def test_stdout_and_stderr_keep_their_order_where_they_are_one() -> None:
    code = (
        "import logging\nfrom eas_processor.cli.logs import set_up\nset_up(verbose=False)\n"
        "for _ in range(100):\n    print('printed')\n    logging.info('logged')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
        text=True,
    )
    lines = done.stdout.splitlines()
    assert lines[::2] == ["printed"] * 100 and "printed" not in lines[1::2]


@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "1>&- 2>&-", "0<&- 1>&- 2>&-"])
def test_a_stream_that_was_closed_is_not_given_to_something_else(closed: str) -> None:
    code = (
        "import os, sys\nfrom eas_processor.cli.logs import set_up\nset_up(verbose=False)\n"
        "print('out'); print('err', file=sys.stderr)\n"
        "sys.exit(0 if os.pipe()[0] > 2 else 9)"
    )
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, code], check=False
    )
    assert done.returncode == 0


def test_what_the_locale_cannot_write_is_printed_all_the_same() -> None:
    code = (
        "from eas_processor.cli.logs import set_up\nset_up(verbose=False)\n"
        "print('Token: /home/\u6a21\u578b')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        check=True,
    )
    assert done.stdout == b"Token: /home/\\u6a21\\u578b\n"


def test_what_is_lost_on_stdout_is_said_in_the_log() -> None:
    code = (
        "from eas_processor.cli.logs import set_up\nset_up(verbose=False)\n"
        "print('Serving at: http://h')\nprint('more')"
    )
    done = subprocess.run(
        ["sh", "-c", '"$0" -c "$1" > /dev/full', sys.executable, code],
        stderr=subprocess.PIPE,
        check=True,
    )
    (record,) = map(json.loads, done.stderr.splitlines())
    assert record["message"].endswith("(No space left on device); lost: Serving at: http://h")


def test_streams_that_a_test_has_replaced_stay(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    set_up(verbose=False)
    assert (sys.stdout, sys.stderr) == before


@pytest.mark.parametrize("verbose", [False, True])
def test_the_query_of_a_presigned_url_is_in_no_log(verbose: bool, tmp_path: Path) -> None:
    _, err = printed_by(
        f"set_up(verbose={verbose})\n"
        "import os\n"
        f"os.environ['EAS_HOME'] = {str(tmp_path)!r}\n"
        "import threading\n"
        "from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer\n"
        "class Refuse(BaseHTTPRequestHandler):\n"
        "    def do_GET(self): self.send_error(404)\n"
        "    def log_message(self, *_): pass\n"
        "server = ThreadingHTTPServer(('127.0.0.1', 0), Refuse)\n"
        "threading.Thread(target=server.serve_forever, daemon=True).start()\n"
        "from eas_processor.model_store import download\n"
        "download.FIRST_PAUSE = 0.0\n"
        "for port in (server.server_port, 9):\n"
        "    try:\n"
        "        url = f'http://127.0.0.1:{port}/m.zip?Signature=sEcReT'\n"
        "        download.download(url, progress=False, note=print)\n"
        "    except Exception as error:\n"
        "        logging.getLogger('eas_processor').error('%s', error)\n"
        "logging.getLogger('eas_processor').debug('in detail')\n"
    )
    assert "127.0.0.1" in err
    assert "sEcReT" not in err
    assert ("in detail" in err) == verbose
