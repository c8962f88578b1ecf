from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fixtures.listening import listening

from eas_processor.bench.load import Plan, run_load
from eas_processor.bench.summary import histogram, percentile
from eas_processor.bench.target import build_requests, parse_url
from eas_processor.cli.bench import Options, bench
from eas_processor.cli.bench_bodies import body_from_signature
from eas_processor.cli.main import main
from eas_processor.errors import BenchError
from eas_wire import DT_FLOAT, decode_request

pytestmark = pytest.mark.medium

# Ended by a count, not by time: on a busy machine an answer can take half a second.
SHORT = Plan(connections=2, duration=60.0, warm_up=0.0, timeout=60.0, requests=20)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SIGNATURE = {
    "signature_name": "predict_images",
    "inputs": [{"name": "images", "shape": [-1, 3], "type": "DT_FLOAT"}],
    "outputs": [],
}
Answer = Callable[[bytes, int], bytes]


@contextlib.contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """A server of fixed answers: `answer` gets head and number of a request; b"" cuts it off."""
    count = iter(range(10**9))

    def talk(connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as file, contextlib.suppress(OSError):
            while True:
                lines = []
                while (line := file.readline()) not in (b"\r\n", b""):
                    lines.append(line)
                if not line:
                    return
                head = b"".join(lines).lower()
                length = head.partition(b"content-length: ")[2].split(b"\r\n")[0]
                file.read(int(length or 0))
                reply = answer(head, next(count))
                if not reply:
                    return
                connection.sendall(reply)

    with listening(talk) as port:
        yield f"http://127.0.0.1:{port}/api/predict/model"


@pytest.fixture
def body(tmp_path: Path) -> Path:
    path = tmp_path / "request.bin"
    path.write_bytes(b"request")
    return path


def run_json(
    url: str, plan: Plan, options: Options, capsys: pytest.CaptureFixture[str]
) -> dict[str, object]:
    bench(url, plan, options)
    return dict(json.loads(capsys.readouterr().out))


@pytest.mark.parametrize(
    "reply",
    [
        OK,
        b"HTTP/1.1 200 OK\r\ncontent-length:  2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
    ],
)
def test_every_answer_is_counted_once(
    reply: bytes, body: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(lambda *_: reply) as url:
        known = run_json(url, SHORT, Options(body=body, as_json=True), capsys)
    assert known["status_codes"] == {"200": known["requests"]}
    assert known["requests"] == 20
    assert known["failed"] == 0


def test_lines_of_json_are_sent_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "warm_up.txt").write_text('{"inputs": {"x": [1]}}\n{"inputs": {"x": [2]}}\n')
    heads: list[bytes] = []
    with answering(lambda head, _: (heads.append(head), OK)[1]) as url:
        run_json(url, SHORT, Options(body=tmp_path / "warm_up.txt", as_json=True), capsys)
    assert all(b"content-type: application/json" in head for head in heads)


def test_a_connection_that_the_server_closes_is_opened_again(
    body: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    closing = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with answering(lambda *_: closing) as url:
        known = run_json(url, SHORT, Options(body=body, as_json=True), capsys)
    assert known["requests"] == 20 and not known["errors"]


def test_an_open_loop_counts_from_the_intended_start(
    body: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # One connection, 20 ms an answer: 50 a second at most, and 100 are asked for.
    def slow(*_: object) -> bytes:
        threading.Event().wait(0.02)
        return OK

    plan = Plan(connections=1, duration=0.5, warm_up=0.0, rate=100.0)
    with answering(slow) as url, pytest.raises(BenchError, match="not sent"):
        run_json(url, plan, Options(body=body, as_json=True), capsys)
    known = json.loads(capsys.readouterr().out)
    assert known["unsent"] > 10 and known["failed"] == 0
    assert known["latency_ms"]["max"] > 100


def test_what_is_not_answered_at_the_end_is_waited_for(body: Path) -> None:
    hangs = threading.Event()

    def answer(_: bytes, number: int) -> bytes:
        if number == 5:
            hangs.wait(60)
        return OK

    plan = Plan(connections=2, duration=0.1, warm_up=0.0, timeout=2.0)
    with answering(answer) as url:
        result = run_load(parse_url(url), build_requests(parse_url(url), [b"request"]), plan)
        hangs.set()
    assert dict(result.errors) == {"no answer within 2 s": 1}
    assert result.failed == 1 and 1.5 < max(result.latencies) < 20


def test_answers_after_the_end_are_no_throughput(body: Path) -> None:
    turn = threading.Lock()

    def slow(*_: object) -> bytes:
        with turn:
            threading.Event().wait(0.005)
        return OK

    plan = Plan(connections=50, duration=0.4, warm_up=0.0, rate=1000.0)
    with answering(slow) as url:
        result = run_load(parse_url(url), build_requests(parse_url(url), [b"request"]), plan)
    assert result.answers >= result.good_in_time + 45
    assert result.throughput <= 201 and len(result.latencies) == result.answers + result.unsent


def test_what_an_open_loop_owes_from_its_warm_up_is_not_counted(
    body: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # 1,000 a second are asked for and 50 a second at most can be had, so the warm-up leaves some
    # 200 waiting. The answers then come at once.
    open_at = threading.Event()

    def answer(_: bytes, number: int) -> bytes:
        if number and not open_at.is_set():
            open_at.wait(0.02)
        return OK

    plan = Plan(connections=4, duration=0.5, warm_up=0.3, rate=1000.0, timeout=60.0)
    threading.Timer(0.3, open_at.set).start()
    with answering(answer) as url:
        result = run_load(parse_url(url), build_requests(parse_url(url), [b"request"]), plan)
    assert result.answers + result.unsent <= 1000 * result.seconds + 1


def test_a_request_of_an_open_loop_does_not_wait_for_the_next_to_be_due(body: Path) -> None:
    plan = Plan(connections=1, duration=0.9, warm_up=0.0, rate=10.0)
    with answering(lambda *_: OK) as url:
        result = run_load(parse_url(url), build_requests(parse_url(url), [b"request"]), plan)
    # With the time until the next, each would take 100 ms and more.
    assert sorted(result.latencies)[4] < 0.08


def test_refusals_and_cuts_are_counted_and_fail_the_run(
    body: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = b"HTTP/1.1 450 Queue Full\r\nContent-Length: 0\r\n\r\n"

    def answer(_: bytes, number: int) -> bytes:
        return (OK, busy, b"")[number % 3]

    with answering(answer) as url:
        arguments = ["bench", url, "-n", "30", "--warm-up", "0", "--body", str(body)]
        assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert "status 450" in out and "status 200" in out
    assert "the connection was cut before the answer" in out
    assert "requests failed" in err


def test_what_is_not_http_is_an_error(body: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (
        answering(lambda _, number: b"\0\0\0\0\r\n\r\n" if number else OK) as url,
        pytest.raises(BenchError, match="requests failed"),
    ):
        bench(url, SHORT, Options(body=body))
    assert "not an HTTP answer" in capsys.readouterr().out


@pytest.mark.parametrize(("status", "hint"), [(401, "--token"), (404, "/api/predict/SERVICE")])
def test_a_refused_first_request_ends_it(status: int, hint: str, body: Path) -> None:
    reply = b"HTTP/1.1 %d No\r\nContent-Length: 4\r\n\r\nwhat" % status
    with answering(lambda *_: reply) as url, pytest.raises(BenchError, match=hint) as caught:
        bench(url, SHORT, Options(body=body))
    assert f"answered with {status}: what" in str(caught.value)


def test_nobody_listens(body: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert main(["bench", f"http://127.0.0.1:{port}/x", "--body", str(body)]) == 1
    assert "nothing listens there" in capsys.readouterr().err


def test_the_token_comes_from_option_or_environment(
    body: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    no = b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"
    with answering(lambda head, _: OK if b"authorization: secret\r\n" in head else no) as url:
        bench(url, SHORT, Options(body=body, token="secret"))
        monkeypatch.setenv("EAS_TOKEN", "secret")
        bench(url, SHORT, Options(body=body))
        with pytest.raises(BenchError, match="401"):
            bench(url, SHORT, Options(body=body, token="other"))


def test_random_data_follows_the_signature(capsys: pytest.CaptureFixture[str]) -> None:
    signature = json.dumps(SIGNATURE).encode()
    described = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(signature), signature)
    with answering(lambda head, _: described if head.startswith(b"get") else OK) as url:
        known = run_json(url, SHORT, Options(as_json=True), capsys)
    assert known["failed"] == 0
    request = decode_request(body_from_signature(signature, rows=5))
    tensor = request.inputs["images"]
    assert (request.signature_name, tensor.dtype) == ("predict_images", DT_FLOAT)
    assert tensor.array.shape == (5, 3) and len(np.unique(tensor.array)) > 5


@pytest.mark.parametrize("text", [b"", b"[]", b'{"inputs": [], "signature_name": "x"}'])
def test_without_a_signature_a_body_is_asked_for(text: bytes) -> None:
    with pytest.raises(BenchError, match="--body"):
        body_from_signature(text, rows=1)


@pytest.mark.parametrize("url", ["ftp://host/", "http://", "http://host:99999/"])
def test_wrong_urls(url: str) -> None:
    with pytest.raises(BenchError, match="is not a URL"):
        parse_url(url)


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("http://host/a", "host"),
        ("https://host/a", "host"),
        ("http://host:8080/a", "host:8080"),
        ("http://[::1]:81/a", "[::1]:81"),
    ],
)
def test_the_host_header(url: str, authority: str) -> None:
    assert parse_url(url).authority == authority


def test_a_missing_file_is_named() -> None:
    with pytest.raises(BenchError, match=r"none\.json is neither a URL"):
        bench("none.json", SHORT, Options())


def test_percentiles_and_histogram() -> None:
    ordered = [each / 1000 for each in range(1, 101)]
    assert [percentile(ordered, share) for share in (50, 99, 99.9, 100)] == [0.05, 0.099, 0.1, 0.1]
    text = histogram([0.001] * 90 + [0.1] * 10)
    assert text[0].endswith("█" * 40) and "90.000%" in text[0]
    assert "10.000%" in text[-1]
    assert histogram([]) == []


def test_the_room_needs_no_numpy() -> None:
    code = (
        "import sys, eas_processor.bench.load, eas_processor.bench.summary;"
        "sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
