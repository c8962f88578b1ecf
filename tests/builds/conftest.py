"""A package index of our own with tiny wheels, and a build that is made from them."""

from __future__ import annotations

import base64
import hashlib
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from eas_processor.builds.catalogue import Entry

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"


@dataclass(frozen=True)
class TinyEntry(Entry):
    """An entry with a lock of its own."""

    tiny_lock: Path = Path()

    @property
    def lock(self) -> Path:
        return self.tiny_lock


class Index:
    """A package index on 127.0.0.1; `before_file` is called before a wheel is sent."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.sent: list[str] = []
        self.before_file: Callable[[str], None] = lambda name: None
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.answer(self)

            def do_HEAD(self) -> None:
                index.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/simple"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name, status = request.path.rstrip("/").rpartition("/")[2], 200
        if name in self.files:
            body = self.files[name]
            if request.command == "GET":
                self.before_file(name)
                self.sent.append(name)
            kind = "application/octet-stream"
        else:
            links = [
                f'<a href="/files/{file}#sha256={hashlib.sha256(data).hexdigest()}">{file}</a>'
                for file, data in self.files.items()
                if file.startswith(f"{name}-")
            ]
            status = 200 if links else 404
            body, kind = f"<html><body>{''.join(links)}</body></html>".encode(), "text/html"
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(body)


def tiny_wheel(directory: Path, name: str, more: str = "", requires: str = "") -> bytes:
    """Return a wheel of one module."""
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    path = directory / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": f"name = {name!r}\n{more}",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    record = []
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
            record.append(f"{file},sha256={digest.decode().rstrip('=')},{len(text)}")
        archive.writestr(f"{info}/RECORD", "\n".join([*record, f"{info}/RECORD,,"]) + "\n")
    return path.read_bytes()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data directory, and an empty cache of uv's."""
    directory = tmp_path / "home"
    monkeypatch.setenv("EAS_HOME", str(directory))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return directory


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """The index, with `setuptools` and `tiny`; uv asks it and no other."""
    made = Index()
    for name in ("setuptools", "tiny"):
        made.files[f"{name}-1.0-py3-none-any.whl"] = tiny_wheel(tmp_path, name)
    for variable in ("UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_FIND_LINKS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("UV_DEFAULT_INDEX", made.url)
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def tiny(tmp_path: Path, index: Index, home: Path) -> TinyEntry:
    """A build of those two packages for this Python."""
    lock = tmp_path / "tiny.txt"
    lines = [
        f"{name.partition('-')[0]}==1.0 \\\n    --hash=sha256:{hashlib.sha256(data).hexdigest()}"
        for name, data in index.files.items()
    ]
    lock.write_text("\n".join(lines) + "\n")
    return TinyEntry("tiny_cpu_1.0", "1.0", (PYTHON,), 1, tiny_lock=lock)
