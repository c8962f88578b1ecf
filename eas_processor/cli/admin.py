"""`eascmd reload`, `rollback` and `w`: calls of a running service's admin routes."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from eas_prediction._auth import http_date, signed_headers
from eas_processor.app.running import find_address
from eas_processor.config import load_service
from eas_processor.config.token import admin_token
from eas_processor.errors import ServiceFileError, UpdateError


def change(service: Path, what: str) -> None:
    """Reload the running service, or roll it back, and print what came of it."""
    answer = _call(service, "POST", what)
    print(f"{answer['outcome']} (version {answer['version']})")


def instances(service: Path, *, as_json: bool) -> None:
    """Print the instances of the running service."""
    answer = _call(service, "GET", "instances")
    if as_json:
        print(json.dumps(answer, indent=1))
        return
    columns = ("instance", "pid", "state", "build", "requests", "model")
    rows = [tuple(str(each[column]) for column in columns) for each in answer["instances"]]
    rows.insert(0, tuple(column.upper() for column in columns))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
    if last := answer["last_update"]:
        reason = f": {last['reason']}" if "reason" in last else ""
        print(f"last {last['kind']} ({last['began']}): {last['outcome']}{reason}")


def _name(service: Path) -> str:
    if not service.exists():
        return service.name
    try:
        return load_service(service).service.name
    except ServiceFileError as error:
        raise UpdateError(
            f"{error}; the name of the running service can be given instead"
        ) from error


def _call(service: Path, method: str, route: str) -> Any:
    name = _name(service)
    try:
        address = urlsplit(find_address(name))
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
        connection.connect()
        connection.sock.settimeout(None)  # loading a new version takes as long as it takes
        # Signed: whoever has taken the port of a service that was killed does not get the token.
        token = admin_token(name).value
        headers = signed_headers(token, f"/admin/{route}", "", "", http_date(), method)
        connection.request(method, f"/admin/{route}", headers=headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise UpdateError(
            f"no service {name!r} of this user is running here ({error}); "
            "start it with `eascmd serve`, with the same EAS_HOME"
        ) from error
    if response.status != 200:
        raise UpdateError(answer["error"])
    return answer
