"""A discovery server that answers like the vendor's, and the instances that it lists."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import Callable, Coroutine
from typing import Any

NEWER = "/api/v1/servicediscovery/upstreams/"
OLDER = "/exported/apis/eas.alibaba-inc.k8s.io/v1/upstreams/"


class Instance:
    """Sends back what it is sent; `mixed` counts bodies whose signed MD5 is another's."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.ip, self.port = address
        self.count = 0
        self.mixed = 0
        self.status = 200
        self.delay = 0.0
        self.server: Any = None
        self.writers: set[asyncio.StreamWriter] = set()

    async def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        self.count += 1
        if "content-md5" in headers:
            self.mixed += headers["content-md5"] != hashlib.md5(body).hexdigest()
        if self.delay:
            await asyncio.sleep(self.delay)
        return self.status, body


class Fleet:
    """All of it in one thread of its own; `weights` says what is listed."""

    def __init__(self, forms: tuple[str, ...] = (NEWER, OLDER)) -> None:
        self.forms = forms
        self.weights: dict[Instance, int | None] = {}
        self.broken: tuple[int, bytes] | None = None
        self.asked: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.discovery = Instance(("127.0.0.1", 0))
        self.discovery.answer = self._list  # type: ignore[method-assign]
        self._do(self._listen(self.discovery))
        self.address = f"http://127.0.0.1:{self.discovery.port}"

    def add(self, weight: int | None = 100) -> Instance:
        instance = Instance(("127.0.0.1", 0))
        self._do(self._listen(instance))
        self.weights[instance] = weight
        return instance

    def kill(self, instance: Instance) -> None:
        """Refuse connections, and cut those that are open."""
        self._do(self._cut(instance))

    def revive(self, instance: Instance) -> None:
        self._do(self._listen(instance))

    def close(self) -> None:
        for each in [self.discovery, *self.weights]:
            self.kill(each)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, job: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(job, self._loop).result(10)

    async def _listen(self, instance: Instance) -> None:
        instance.server = await asyncio.start_server(
            lambda reader, writer: self._serve(instance, reader, writer),
            instance.ip,
            instance.port,
            backlog=1024,
        )
        instance.port = instance.server.sockets[0].getsockname()[1]

    async def _cut(self, instance: Instance) -> None:
        instance.server.close()
        for writer in list(instance.writers):
            writer.transport.abort()

    async def _serve(
        self, instance: Instance, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        instance.writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {
                    name.lower(): value for name, _, value in (x.partition(": ") for x in head[1:])
                }
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                status, answer = await instance.answer(head[0].split()[1], headers, body)
                writer.write(
                    b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n" % (status, len(answer)) + answer
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            instance.writers.discard(writer)
            writer.close()

    async def _list(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        self.asked.append(path)
        if self.broken is not None:
            return self.broken
        if not path.startswith(self.forms):
            return 404, b"not here"
        items = [
            {"app": "svc", "ip": each.ip, "port": each.port, "weight": weight}
            for each, weight in self.weights.items()
        ]
        return 200, json.dumps({"correlative": ["svc"], "endpoints": {"items": items}}).encode()


def eventually(condition: Callable[[], Any], limit: float = 60.0) -> None:
    """Wait until `condition` is true."""
    import time

    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
