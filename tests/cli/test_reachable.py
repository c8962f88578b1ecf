"""What is printed for a server on all interfaces."""

from __future__ import annotations

import socket
import urllib.request
from http.server import HTTPServer, SimpleHTTPRequestHandler
from threading import Thread

import pytest

from eas_processor.cli import reachable as module
from eas_processor.cli.reachable import reachable


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8080", "https://eas.example:443", "http://[::1]:8080"]
)
def test_an_address_that_was_given_is_printed(address: str) -> None:
    assert reachable(address) == address


def test_all_interfaces_are_printed_as_an_address_that_answers() -> None:
    server = HTTPServer(("0.0.0.0", 0), SimpleHTTPRequestHandler)
    thread = Thread(target=server.handle_request, daemon=True)
    thread.start()
    shown = reachable(f"http://0.0.0.0:{server.server_port}")
    assert "//0.0.0.0" not in shown
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(shown, method="HEAD"), timeout=60) as answer:
        assert answer.status == 200
    thread.join(60)
    server.server_close()


@pytest.mark.parametrize(
    ("address", "own", "shown"),
    [
        ("http://0.0.0.0:1", {socket.AF_INET: "10.1.2.3"}, "http://10.1.2.3:1"),
        ("https://[::]:1", {socket.AF_INET6: "2001:db8::7"}, "https://[2001:db8::7]:1"),
        ("http://[::]:1", {socket.AF_INET: "10.1.2.3"}, "http://10.1.2.3:1"),
        ("http://0.0.0.0:1", {}, "http://127.0.0.1:1"),
    ],
)
def test_the_machine_s_own_address_stands_for_all(
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    own: dict[socket.AddressFamily, str],
    shown: str,
) -> None:
    monkeypatch.setattr(module, "_own", lambda family: own.get(family, ""))
    assert reachable(address) == shown
