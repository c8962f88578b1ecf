from __future__ import annotations

import gzip
import socket
import threading
import time
import zlib

import pytest

from eas_prediction import _http
from eas_prediction.exception import BadResponse, InvalidRequest


def answered(*pieces: bytes, end: bool = False) -> _http.Answer:
    """What is made of an answer that arrives in these pieces."""
    ours, theirs = socket.socketpair()

    def answer():
        theirs.recv(1000)
        for piece in pieces:
            theirs.sendall(piece)
            time.sleep(0.001)
        if end:
            theirs.close()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        return _http.exchange(ours, b"head", b"body", _http.Patience(time.monotonic() + 10))
    finally:
        thread.join()
        ours.close()
        theirs.close()


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("answer", "end", "body", "keep"),
    [
        (OK + b"Content-Length: 4\r\n\r\nfine", False, b"fine", True),
        (OK + b"content-LENGTH:4 \r\nX-Empty:\r\n\r\nfine", False, b"fine", True),
        (OK + b"Content-Length: 0\r\n\r\n", False, b"", True),
        (OK + b"Content-Length: 4\r\nConnection: Close\r\n\r\nfine", False, b"fine", False),
        (OK + b"Content-Length: 4\r\n\r\nfine and more", False, b"fine", False),
        (OK + b"\r\nuntil the end", True, b"until the end", False),
        (
            OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nfi\r\n2;x=y\r\nne\r\n0\r\n\r\n",
            False,
            b"fine",
            True,
        ),
        (
            OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\nA: b\r\n\r\n",
            False,
            b"fine",
            True,
        ),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nfine", False, b"fine", False),
        (b"HTTP/1.0 200\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", False, b"", True),
        (
            b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 4\r\n\r\nfine",
            False,
            b"fine",
            True,
        ),
        (b"HTTP/1.1 204 No Content\r\n\r\n", False, b"", True),
        (OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"fine"), True, b"fine", False),
        (OK + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(b"fine"), True, b"fine", False),
        (
            OK + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(b"fine")[2:-4],
            True,
            b"fine",
            False,
        ),
        (OK + b"Content-Encoding: identity\r\nContent-Length: 4\r\n\r\nfine", False, b"fine", True),
    ],
)
def test_answers_whole_and_byte_by_byte(answer, end, body, keep):
    whole = answered(answer, end=end)
    assert (whole.body, whole.keep) == (body, keep)
    assert answered(*(answer[i : i + 1] for i in range(len(answer))), end=end)[:3] == whole[:3]


def test_headers_have_lower_case_names_and_are_joined():
    answer = answered(OK + b"X-A: 1\r\nx-a: 2\r\nContent-Length: 0\r\n\r\n")
    assert answer.headers == {"x-a": "1, 2", "content-length": "0"}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", r"not HTTP/1.1: 'SSH-2.0-OpenSSH_9'"),
        (b"HTTP/2 200\r\n\r\n", "not HTTP/1.1"),
        (b"x" * 70_000, "not HTTP, or its head is too long"),
        (OK + b"no colon\r\n\r\n", "a header without a colon: 'no colon'"),
        (OK + b"Content-Length: 4, 5\r\n\r\n", "Content-Length '4, 5'"),
        (OK + b"Content-Length: -4\r\n\r\n", "Content-Length '-4'"),
        (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n", "Transfer-Encoding 'gzip, chunked'"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n0x4\r\n", "a chunk of size b'0x4'"),
        (
            OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nfine\r\n",
            "a chunk longer than its announced size",
        ),
        (OK + b"Content-Encoding: br\r\nContent-Length: 1\r\n\r\nx", "Content-Encoding 'br'"),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", "not gzip"),
    ],
)
def test_what_is_no_answer(answer, says):
    with pytest.raises(BadResponse, match=says):
        answered(answer)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        OK,
        OK + b"Content-Length: 5\r\n\r\nfine",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nfine",
    ],
)
def test_an_answer_that_ends_too_soon(answer):
    with pytest.raises(_http.ConnectionCut):
        answered(answer, end=True)


def test_a_refusal_before_the_body_was_read_is_seen():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def refuse():
            peer = listener.accept()[0]
            peer.recv(1000)
            peer.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
            peer.shutdown(socket.SHUT_RD)
            time.sleep(0.05)
            peer.close()

        thread = threading.Thread(target=refuse)
        thread.start()
        with socket.create_connection(listener.getsockname()) as ours:
            patience = _http.Patience(time.monotonic() + 10)
            try:
                answer = _http.exchange(ours, b"head", bytes(1 << 20), patience)
            except ConnectionResetError:
                answer = None  # the reset overtook the answer, which TCP allows
            thread.join()
    assert answer is None or answer[:3] == (413, {"content-length": "3"}, b"big")


class TestHead:
    def test_defaults_and_given_headers(self):
        head = _http.request_head("POST", "/a", "h:1", {"X": "1", "Content-Length": "9"}, 3)
        lines = head.decode().split("\r\n")
        assert lines[:2] == ["POST /a HTTP/1.1", "Host: h:1"]
        assert lines[-4:] == ["X: 1", "Content-Length: 3", "", ""]
        assert "Accept-Encoding: identity" in lines

    def test_given_ones_win(self):
        head = _http.request_head("POST", "/a", "h", {"host": "other", "User-agent": b"me"}, 0)
        assert head.lower().count(b"host:") == head.lower().count(b"user-agent:") == 1
        assert b"User-agent: me\r\n" in head

    @pytest.mark.parametrize("value", ["a\r\nB: c", "a\nb", "a\rb", "a\n", "a\r\n\r\n"])
    def test_no_header_smuggles_another(self, value):
        with pytest.raises(InvalidRequest, match="headers: 'X-Mine' has a line break"):
            _http.request_head("POST", "/a", "h", {"X-Mine": value}, 0)

    def test_what_a_head_cannot_say(self):
        with pytest.raises(InvalidRequest, match="headers: '€' is not in Latin-1"):
            _http.request_head("POST", "/a", "h", {"X-Mine": "5 €"}, 0)


def test_a_connection_is_doubted_after_half_of_the_time():
    patience = _http.Patience(time.monotonic() + 100)
    assert 40 < patience.half() <= 50
    assert 40 < patience.halved().left() <= 50
    assert _http.Patience(time.monotonic() + 100, silence=10).half() is None
