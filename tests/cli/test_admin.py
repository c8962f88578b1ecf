"""`eascmd reload`, `rollback` and `w` against admin routes that the test answers."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from eas_processor.app.running import Entries
from eas_processor.cli import admin as module
from eas_processor.cli.main import main
from eas_processor.config.token import admin_token

pytestmark = pytest.mark.medium


class Routes:
    """Answers each call with `status` and `answer`, and notes it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str | None]] = []
        self.status, self.answer = 200, {"outcome": "done", "version": 2}  # type: tuple[int, Any]
        routes = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                routes.calls.append((self.command, self.path, self.headers["Authorization"]))
                body = json.dumps(routes.answer).encode()
                self.send_response(routes.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EAS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def routes() -> Iterator[Routes]:
    made = Routes()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    with Entries() as entries:
        entries.add("digits")
        entries.open(made.address)
        yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.mark.parametrize("command", ["reload", "rollback"])
@pytest.mark.parametrize("by_file", [True, False])
def test_a_change_is_asked_for_with_the_admin_token(
    routes: Routes, capsys: Any, tmp_path: Path, command: str, by_file: bool
) -> None:
    path = tmp_path / "service.json"
    path.write_text(
        json.dumps({"name": "digits", "model_path": "m", "processor": "tensorflow_cpu"})
    )
    assert main([command, str(path) if by_file else "digits"]) == 0
    assert capsys.readouterr().out == "done (version 2)\n"
    ((method, target, authorization),) = routes.calls
    assert (method, target) == ("POST", f"/admin/{command}?service=digits")
    # Signed with it: whoever answers at this port does not get to know it.
    assert authorization is not None and authorization.startswith("EAS ")
    assert admin_token("digits").value not in authorization


def test_why_a_change_failed_is_one_sentence(routes: Routes, capsys: Any) -> None:
    routes.status, routes.answer = 409, {"error": "the model does not load"}
    assert main(["reload", "digits"]) == 1
    assert capsys.readouterr().err == "eascmd: the model does not load\n"


SHOWN: dict[str, Any] = {
    "service": "digits",
    "state": "serving",
    "reason": "",
    "version": 3,
    "wanted": 1,
    "instances": [
        {
            "instance": 12,
            "pid": 3456,
            "state": "warming up",
            "build": "tensorflow_cpu_2.21",
            "model": "/models/digits/2",
            "requests": 0,
        }
    ],
    "last_update": {
        "kind": "reload",
        "began": "2026-01-02T03:04:05+00:00",
        "outcome": "failed",
        "reason": "it does not load",
    },
}


def test_instances_are_a_table(routes: Routes, capsys: Any) -> None:
    routes.answer = SHOWN
    assert main(["w", "digits"]) == 0
    head, row, last = capsys.readouterr().out.splitlines()
    assert head.split() == ["INSTANCE", "PID", "STATE", "BUILD", "RUNNING", "MODEL"]
    assert row.split() == [
        "12",
        "3456",
        "warming",
        "up",
        "tensorflow_cpu_2.21",
        "0",
        "/models/digits/2",
    ]
    assert row.index("3456") == head.index("PID")
    assert last == "last reload (2026-01-02T03:04:05+00:00): failed: it does not load"
    assert routes.calls[0][:2] == ("GET", "/admin/instances?service=digits")


def test_the_dead_are_shown_with_exit_and_reason(routes: Routes, capsys: Any) -> None:
    dead = {
        "instance": 11,
        "pid": 3000,
        "build": "tensorflow_cpu_2.21",
        "model": "/models/digits/2",
        "ended": "2026-01-02T03:04:05+00:00",
        "exit": "killed by SIGKILL",
        "reason": "the worker died (killed by SIGKILL)",
    }
    hung = {**dead, "instance": 9, "reason": "it gave no sign of life"}
    routes.answer = {**SHOWN, "dead": [hung, dead]}
    assert main(["w", "digits"]) == 0
    _, alive, *rows, first, second, _ = capsys.readouterr().out.splitlines()
    assert alive.split()[0] == "12"
    assert [row.split()[:3] for row in rows] == [["9", "3000", "dead"], ["11", "3000", "dead"]]
    began = "ended 2026-01-02T03:04:05+00:00"
    assert first == f"instance 9 {began} (killed by SIGKILL): it gave no sign of life"
    assert second == f"instance 11 {began}: the worker died (killed by SIGKILL)"


def test_instances_as_json(routes: Routes, capsys: Any) -> None:
    routes.answer = SHOWN
    assert main(["w", "digits", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == SHOWN


@pytest.mark.parametrize("command", ["reload", "rollback", "w"])
def test_a_service_that_does_not_run_is_said(capsys: Any, command: str) -> None:
    assert main([command, "nobody"]) == 1
    said = capsys.readouterr().err
    assert "no service 'nobody' of this user is running here" in said and "eascmd serve" in said


def test_a_file_that_cannot_be_read_leaves_the_name(
    routes: Routes, tmp_path: Path, capsys: Any
) -> None:
    broken = tmp_path / "service.json"
    broken.write_text("{")
    assert main(["rollback", str(broken)]) == 1
    assert "the name of the running service can be given instead" in capsys.readouterr().err


def test_an_address_that_nobody_listens_at_is_said(routes: Routes, capsys: Any) -> None:
    with Entries() as entries:
        entries.add("gone")
        entries.open("http://127.0.0.1:1")
        assert main(["w", "gone"]) == 1
    said = capsys.readouterr().err
    assert "no service 'gone'" in said and "running: digits" in said


def test_an_address_that_was_left_by_a_killed_engine_is_not_asked(
    routes: Routes, home: Path, capsys: Any
) -> None:
    for directory in ("admin", "engines"):
        (home / directory / "killed").write_text(routes.address)
    assert main(["w", "killed"]) == 1
    assert "no service 'killed' of this user is running here" in capsys.readouterr().err
    assert routes.calls == []


def test_an_engine_without_a_named_service_is_listed(routes: Routes, capsys: Any) -> None:
    facts = {"version": 0, "wanted": 0, "ready": 0, "reason": "a.json: line 1:\n  no JSON"}
    routes.answer = [{"service": "a.json", "state": "failed", "file": "a.json", **facts}]
    assert main(["w"]) == 0
    assert routes.calls[0][:2] == ("GET", "/admin/services")
    assert capsys.readouterr().out.splitlines()[2:] == ["a.json: line 1: no JSON"]


def test_engines_that_do_not_answer_leave_the_others(
    routes: Routes, home: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ANSWER_S", 1.0)
    facts = {"version": 1, "wanted": 1, "ready": 1, "reason": "", "file": "a.json"}
    routes.answer = [{"service": "digits", "state": "serving", **facts}]
    with socket.create_server(("127.0.0.1", 0)) as hung, Entries() as stopped, Entries() as gone:
        address = f"http://127.0.0.1:{hung.getsockname()[1]}"
        stopped.add("stopped")
        stopped.open(address)
        gone.open("http://127.0.0.1:1")
        assert main(["w", "--json"]) == 1
        shown = capsys.readouterr()
        assert [each["service"] for each in json.loads(shown.out)] == ["digits"]
        assert shown.err == f"eascmd: {address}: the engine has not answered within 1 s\n"
        assert main(["w", "stopped"]) == 1
        assert capsys.readouterr().err == "eascmd: the engine has not answered within 1 s\n"


def test_nothing_runs(capsys: Any) -> None:
    assert main(["w"]) == 0
    assert capsys.readouterr().out == "no service of this user is running here\n"
    assert main(["w", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize("answer", [[], {}, "x"])
def test_what_answers_there_is_no_engine(routes: Routes, capsys: Any, answer: Any) -> None:
    routes.status, routes.answer = 404, answer
    assert main(["w", "digits"]) == 1
    assert "another program listens at" in capsys.readouterr().err


def test_all_services_are_a_table(routes: Routes, capsys: Any) -> None:
    facts = {"version": 1, "wanted": 2, "ready": 2, "file": "a.json", "reason": ""}
    failed = {"version": 0, "wanted": 0, "ready": 0, "file": "b.json", "reason": "no model"}
    routes.answer = [
        {"service": "digits", "state": "serving", **facts},
        {"service": "broken", "state": "failed", **failed},
    ]
    assert main(["w"]) == 0
    head, first, second, reason = capsys.readouterr().out.splitlines()
    assert head.split() == ["SERVICE", "STATE", "VERSION", "READY", "ADMIN", "FILE"]
    assert first.split() == ["broken", "failed", "0", "0/0", routes.address, "b.json"]
    assert second.split() == ["digits", "serving", "1", "2/2", routes.address, "a.json"]
    assert reason == "broken: no model"
    assert len(routes.calls) == 1, "one engine is asked once"


def test_why_a_service_does_not_serve_is_shown(routes: Routes, capsys: Any) -> None:
    routes.answer = {**SHOWN, "instances": [], "state": "failed", "reason": "no model"}
    assert main(["w", "digits"]) == 0
    assert "failed: no model" in capsys.readouterr().out.splitlines()


def test_that_a_service_is_coming_is_shown(routes: Routes, capsys: Any) -> None:
    routes.answer = {**SHOWN, "instances": [], "state": "preparing", "last_update": {}}
    assert main(["w", "digits"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["preparing"]
