from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import pytest
from fixtures.doubler import Doubler


@pytest.fixture(autouse=True)
def hang_up_as_before() -> Iterator[None]:
    """`eascmd serve` in this process would have SIGHUP ignored in those that later tests start."""
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("EAS_TOKEN", "t")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Doubler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/api/predict/double"
    server.shutdown()
    server.server_close()
