"""A home for every test, service files made from keywords, and a file server that misbehaves."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from eas_processor.service import LoadedService, load_service


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EAS_HOME", str(tmp_path / "home"))
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    return tmp_path / "home"


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., LoadedService]:
    """Return a function that loads a service file of these keys and the required ones."""

    def _load(**keys: Any) -> LoadedService:
        required = {"name": "svc", "processor": "tensorflow_cpu", "model_path": "model"}
        path = tmp_path / "service.json"
        path.write_text(json.dumps({**required, **keys}))
        return load_service(path)

    return _load


@dataclass
class Reply:
    """What the server sends; `cut` closes the connection after that many bytes of the body."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None


@dataclass
class Server:
    """A server that answers what `answer` makes of a path and headers; it keeps the headers."""

    url: str = ""
    reply = Reply
    answer: Callable[[str, dict[str, str]], Reply] = lambda path, headers: Reply(status=404)
    seen: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            state.seen.append(headers)
            reply = state.answer(self.path, headers)
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body[: reply.cut])
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
    thread.start()
    state.url = f"http://127.0.0.1:{listener.server_port}"
    yield state
    listener.shutdown()
    thread.join()
    listener.server_close()
