"""Load by gRPC clients that others wrote, which goes on until nobody listens any more."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import NamedTuple, Protocol

from chaos.frame_relay import FrameRelay
from fixtures import need
from frontends.grpc.clients.node_packages import node_packages

ENDS_WITHIN_S = 60
_NOBODY_LISTENS = re.compile(
    r"refused|failed to connect|connections to all backends failing", re.IGNORECASE
)


class Target(NamedTuple):
    """What is called: `path` with the message `body`; its answer begins with `body`."""

    address: str
    path: str
    body: bytes
    token: str = ""


class Load(Protocol):
    """
    Calls that began when this was made.

    `fates` counts what came of those that the server let in, once `wait` has returned: `OK` is a
    right answer.
    """

    fates: Counter[str]

    def wait(self) -> None:
        """Wait until nobody listens any more."""


class PythonLoad:
    """Threads with one channel of grpcio."""

    THREADS = 8

    def __init__(self, target: Target) -> None:
        self.fates: Counter[str] = Counter()
        self._target = target
        self._grpc = need.module("grpc")
        self._channel = self._grpc.insecure_channel(target.address)
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(self.THREADS)]
        for thread in self._threads:
            thread.start()

    def wait(self) -> None:
        for thread in self._threads:
            thread.join(ENDS_WITHIN_S)
            assert not thread.is_alive(), "a call was never answered"
        self._channel.close()

    def _run(self) -> None:
        call = self._channel.unary_unary(self._target.path)
        metadata = [("authorization", self._target.token)] if self._target.token else None
        while True:
            try:
                answer = call(self._target.body, metadata=metadata)
                fate = "OK" if answer.startswith(self._target.body) else "wrong answer"
            except self._grpc.RpcError as error:
                if error.code() is self._grpc.StatusCode.UNAVAILABLE and _NOBODY_LISTENS.search(
                    error.details()
                ):
                    return
                fate = f"{error.code().name} {error.details()}"
            with self._lock:
                self.fates[fate] += 1


class NodeLoad:
    """One connection of @grpc/grpc-js with 16 calls in flight."""

    def __init__(self, target: Target) -> None:
        self.fates: Counter[str] = Counter()
        script = Path(__file__).with_name("grpc_load.js")
        arguments = [target.address, target.path, target.body.hex(), target.token]
        self._process = subprocess.Popen(
            [need.path_of("node"), str(script), *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "NODE_PATH": str(node_packages())},
        )

    def wait(self) -> None:
        said, _ = self._process.communicate(timeout=ENDS_WITHIN_S)
        self.fates.update(json.loads(said))


class H2Load:
    """
    h2load with four connections and 16 calls in flight on each, through a relay that counts.

    Its own counts do not tell what was lost: once it has read GOAWAY it fails calls itself, before
    they are sent. It knows no trailers either: an answer with another status has no message.
    """

    def __init__(self, target: Target) -> None:
        self.fates: Counter[str] = Counter()
        self._body = tempfile.NamedTemporaryFile()  # noqa: SIM115 - it is there until `wait`
        self._body.write(b"\0" + len(target.body).to_bytes(4, "big") + target.body)
        self._body.flush()
        self._size = len(target.body)
        host, _, port = target.address.rpartition(":")
        self._relay = FrameRelay((host, int(port)))
        headers = ["-Hcontent-type: application/grpc", "-Hte: trailers"]
        if target.token:
            headers.append(f"-Hauthorization: {target.token}")
        command = [need.path_of("h2load"), "-n10000000", "-c4", "-m16", f"-d{self._body.name}"]
        self._process = subprocess.Popen(
            [*command, *headers, f"http://{self._relay.address}{target.path}"],
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait(self) -> None:
        said, _ = self._process.communicate(timeout=ENDS_WITHIN_S)
        self._body.close()
        self._relay.close()
        found = re.search(r" (\d+) succeeded", said)
        messages = re.search(r"\((\d+)\) data", said)
        assert found and messages, said
        succeeded = int(found[1])
        # All messages have one length, so the mean of all is that length where none is missing.
        length, rest = divmod(int(messages[1]), max(1, succeeded))
        empty = succeeded if rest or length < 5 + self._size else 0
        counts = {"OK": succeeded, "lost": self._relay.unanswered, "no message": empty}
        self.fates.update({fate: count for fate, count in counts.items() if count})
