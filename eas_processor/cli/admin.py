"""`eascmd reload`, `rollback` and `w`: calls of a running engine's admin routes."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from eas_prediction._auth import http_date, signed_headers
from eas_processor.app.running import find_address, running_engines, running_services
from eas_processor.cli.tables import print_table
from eas_processor.config import load_service
from eas_processor.config.token import admin_token, engine_admin_token
from eas_processor.errors import ServiceFileError, UpdateError

_ANSWER_S = 10.0
"""For a connection, and for an answer that changes nothing."""


def change(service: Path, what: str) -> None:
    """Reload a running service, or roll it back, and print the outcome."""
    answer = _call(_name(service), "POST", what)
    print(f"{answer['outcome']} (version {answer['version']})")


def instances(service: Path, *, as_json: bool) -> None:
    """Print the instances of a running service."""
    answer = _call(_name(service), "GET", "instances")
    if as_json:
        print(json.dumps(answer, indent=1))
        return
    columns = ("instance", "pid", "state", "build", "requests", "model")
    dead = [{**each, "state": "dead", "requests": 0} for each in answer.get("dead", ())]
    rows = ([str(each[name]) for name in columns] for each in [*answer["instances"], *dead])
    # A column of that name would be read as a total.
    heads = ["RUNNING" if each == "requests" else each.upper() for each in columns]
    print_table(heads, rows)
    for each in dead:
        exited = "" if each["exit"] in each["reason"] else f" ({each['exit']})"
        reason = _one_line(each["reason"])
        print(f"instance {each['instance']} ended {each['ended']}{exited}: {reason}")
    if answer["state"] != "serving":
        reason = f": {_one_line(answer['reason'])}" if answer["reason"] else ""
        print(f"{answer['state']}{reason}")
    if last := answer["last_update"]:
        reason = f": {last['reason']}" if "reason" in last else ""
        print(f"last {last['kind']} ({last['began']}): {last['outcome']}{reason}")


def services(*, as_json: bool) -> None:
    """
    Print every service of the engines that run on this machine.

    Raises UpdateError after that if an engine did not answer.
    """
    found: list[dict[str, Any]] = []
    problems: list[str] = []
    for address in running_engines():
        try:
            answer = _ask(address, engine_admin_token().value, "GET", "/admin/services")
            found += [{**each, "admin": address} for each in answer]
        except _NoEngineError:
            pass  # The engine has ended meanwhile.
        except UpdateError as error:
            problems.append(f"{address}: {error}")
    found.sort(key=lambda each: str(each["service"]))
    if as_json:
        print(json.dumps(found, indent=1))
    else:
        _print_services(found)
    if problems:
        raise UpdateError("; ".join(problems))


def _print_services(found: Sequence[dict[str, Any]]) -> None:
    if not found:
        print("no service of this user is running here")
        return
    columns = ("service", "state", "version", "ready", "admin", "file")
    shown = [{**each, "ready": f"{each['ready']}/{each['wanted']}"} for each in found]
    print_table(
        [each.upper() for each in columns],
        ([str(each[name]) for name in columns] for each in shown),
    )
    for each in found:
        if reason := _one_line(each["reason"]):
            # An error in a file begins with its path, which is also the name of a nameless service.
            begins = reason.startswith(f"{each['service']}: ")
            print(reason if begins else f"{each['service']}: {reason}")


def _name(service: Path) -> str:
    if not service.exists() or service.is_dir():
        return service.name
    try:
        return load_service(service).service.name
    except ServiceFileError as error:
        raise UpdateError(
            f"{error}; the name of the running service can be given instead"
        ) from error


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _call(name: str, method: str, route: str) -> Any:
    try:
        address = find_address(name)
        target = f"/admin/{route}?service={quote(name)}"
        return _ask(address, admin_token(name).value, method, target)
    except (OSError, _NoEngineError) as error:
        why = "" if isinstance(error, FileNotFoundError) else f" ({error})"
        names = ", ".join(each for each in running_services() if each != name)
        others = f"; running: {names}" if names else ""
        raise UpdateError(
            f"no service {name!r} of this user is running here{why}{others}; "
            "start it with `eascmd serve`, with the same EAS_HOME"
        ) from error


class _NoEngineError(Exception):
    """No engine listens at an address."""


def _ask(address: str, token: str, method: str, target: str) -> Any:
    """Return an engine's answer. Raises UpdateError if it refuses, or _NoEngineError."""
    # Signed, so that a program that took the port of a killed engine does not get the token.
    headers = signed_headers(token, target, "", "", http_date(), method)
    try:
        url = urlsplit(address)
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=_ANSWER_S)
        with contextlib.closing(connection):
            connection.connect()
            if method == "POST":
                # There is no timeout for the answer, because loading a new version may take long.
                connection.sock.settimeout(None)
            connection.request(method, target, headers=headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
    except TimeoutError as error:
        raise UpdateError(f"the engine has not answered within {_ANSWER_S:g} s") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _NoEngineError(str(error)) from error
    if response.status == 200:
        return answer
    if isinstance(answer, dict) and "error" in answer:
        raise UpdateError(answer["error"])
    raise _NoEngineError(f"another program listens at {address}")
