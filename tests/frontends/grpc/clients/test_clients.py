"""Clients that others wrote hold one conversation with the server, and h2load makes calls."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fixtures import need
from frontends.grpc.clients.node_packages import node_packages
from frontends.grpc.http2.running_echo import RunningEcho

pytestmark = pytest.mark.medium

HERE = Path(__file__).parent
GO_PACKAGES = Path("/usr/share/gocode")
"""Where Debian's `golang-google-grpc-dev` puts its sources."""

CONVERSATION = {
    "small": True,
    "empty": True,
    "large": True,
    "gzip": True,
    "deadline": True,
    "too_late": 4,
    "unknown": 12,
    "many": 200,
    "stream": ["a", "b", "c", 0],
}
"""What comes of each part: the message that was sent, or a status; all languages print this."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    echo = RunningEcho()
    yield "{}:{}".format(*echo.address)
    echo.stop()


def said_by(*command: str | Path, **environment: str) -> dict[str, Any]:
    done = subprocess.run(
        [*map(str, command)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
METADATA = [("authorization", "Bearer abc"), ("x-bin", b"\0\xff")]


class Talk:
    """The conversation with the blocking stubs of grpcio."""

    def __init__(self, address: str) -> None:
        self._grpc = need.module("grpc")
        self._channel = self._grpc.insecure_channel(address, options=UNLIMITED)

    def call(self, name: str, message: bytes, **options: Any) -> bool | int:
        stub = self._channel.unary_unary(f"/test.Echo/{name}")
        try:
            return stub(message, metadata=METADATA, **options) == message
        except self._grpc.RpcError as error:
            return error.code().value[0]

    def hold(self) -> dict[str, Any]:
        gzip = self._grpc.Compression.Gzip
        with ThreadPoolExecutor(20) as pool, self._channel:
            return {
                "small": self.call("Echo", b"hello"),
                "empty": self.call("Echo", b""),
                "large": self.call("Echo", b"x" * 8_000_000),
                "gzip": self.call("Echo", b"x" * 100_000, compression=gzip),
                "deadline": self.call("Echo", b"hello", timeout=10),
                "too_late": self.call("Late", b"hello", timeout=0.01),
                "unknown": self.call("None", b"hello"),
                "many": sum(pool.map(self._numbered, range(200))),
                "stream": self._stream(),
            }

    def _numbered(self, number: int) -> bool | int:
        return self.call("Echo", b"%d" % number, timeout=9 + number / 1e6)

    def _stream(self) -> list[Any]:
        call = self._channel.stream_stream("/test.Echo/Stream")(iter([b"a", b"b", b"c"]))
        return [*(each.decode() for each in call), call.code().value[0]]


class AsyncTalk:
    """The same with `grpc.aio`."""

    def __init__(self, address: str) -> None:
        self._grpc = need.module("grpc.aio")
        self._channel = self._grpc.insecure_channel(address, options=UNLIMITED)

    async def call(self, name: str, message: bytes, **options: Any) -> bool | int:
        stub = self._channel.unary_unary(f"/test.Echo/{name}")
        try:
            return await stub(message, metadata=METADATA, **options) == message
        except self._grpc.AioRpcError as error:
            return error.code().value[0]

    async def hold(self) -> dict[str, Any]:
        gzip = need.module("grpc").Compression.Gzip
        many = [self.call("Echo", b"%d" % n, timeout=9 + n / 1e6) for n in range(200)]
        async with self._channel:
            return {
                "small": await self.call("Echo", b"hello"),
                "empty": await self.call("Echo", b""),
                "large": await self.call("Echo", b"x" * 8_000_000),
                "gzip": await self.call("Echo", b"x" * 100_000, compression=gzip),
                "deadline": await self.call("Echo", b"hello", timeout=10),
                "too_late": await self.call("Late", b"hello", timeout=0.01),
                "unknown": await self.call("None", b"hello"),
                "many": sum(await asyncio.gather(*many)),
                "stream": await self._stream(),
            }

    async def _stream(self) -> list[Any]:
        call = self._channel.stream_stream("/test.Echo/Stream")(iter([b"a", b"b", b"c"]))
        got = [each.decode() async for each in call]
        return [*got, (await call.code()).value[0]]


def test_python(address: str) -> None:
    assert Talk(address).hold() == CONVERSATION


def test_python_asyncio(address: str) -> None:
    async def hold() -> dict[str, Any]:
        return await AsyncTalk(address).hold()

    assert asyncio.run(hold()) == CONVERSATION


def test_node(address: str) -> None:
    environment = {"NODE_PATH": str(node_packages())}
    assert said_by(need.path_of("node"), HERE / "client.js", address, **environment) == CONVERSATION


@pytest.mark.slow
def test_go(address: str, tmp_path: Path) -> None:
    """With Debian's grpc-go, which is old: 1.38 in Debian 12"""
    go = shutil.which("go")
    if go is None or not (GO_PACKAGES / "src" / "google.golang.org" / "grpc").exists():
        pytest.skip("apt-get install golang-go golang-google-grpc-dev, 450 MB, brings grpc-go")
    program = tmp_path / "client"
    how = {"GO111MODULE": "off", "GOPATH": str(GO_PACKAGES), "GOFLAGS": "-p=2"}
    subprocess.run(
        [go, "build", "-o", program, HERE / "client.go"], check=True, env={**os.environ, **how}
    )
    assert said_by(program, address) == CONVERSATION


@pytest.mark.parametrize(
    "options",
    [
        ("-c1", "-m1"),
        ("-c4", "-m32"),
        ("-c2", "-m100", "-w10", "-W10"),
        ("-c2", "-m32", "--header-table-size=0", "--encoder-header-table-size=0"),
        ("-c2", "-m32", "--header-table-size=100", "--encoder-header-table-size=100"),
        ("-c2", "-m32", "--header-table-size=65536", "--encoder-header-table-size=65536"),
    ],
    ids=" ".join,
)
def test_h2load(address: str, tmp_path: Path, options: tuple[str, ...]) -> None:
    h2load = need.path_of("h2load")
    body = tmp_path / "body"
    body.write_bytes(b"\0" + (3200).to_bytes(4, "big") + bytes(3200))
    headers = ["-Hcontent-type: application/grpc", "-Hte: trailers"]
    done = subprocess.run(
        [h2load, "-n2000", f"-d{body}", *headers, *options, f"http://{address}/test.Echo/Echo"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert re.search(r"2000 succeeded, 0 failed, 0 errored", done.stdout), done.stdout + done.stderr
