"""What may be a secret is in no log, at any level: tokens, queries, bodies."""

from __future__ import annotations

import http.client
from pathlib import Path

import pytest
from fixtures.many import Many, write_service

TOKEN, BODY, QUERY, WRONG = "sEcReTtOkEn", "sEcReTbOdY", "sEcReTqUeRy", "sEcReTwRoNg"


def ask(engine: Many, path: str, headers: dict[str, str], body: str) -> int:
    connection = http.client.HTTPConnection(*engine.address, timeout=60)
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


@pytest.mark.parametrize("options", [[], ["--verbose", "--access-log=1"]])
def test_no_token_query_or_body_is_logged(tmp_path: Path, options: list[str]) -> None:
    path = write_service(tmp_path / "a.json", token=TOKEN)
    engine = Many(tmp_path / "home", *options, path)
    try:
        target = f"/api/predict/a?signature={QUERY}"
        assert ask(engine, target, {"Authorization": TOKEN}, BODY) == 200
        assert ask(engine, target, {"Authorization": WRONG}, BODY) == 401
        assert ask(engine, f"/api/predict/b?x={QUERY}", {"Authorization": WRONG}, BODY) >= 400
        json = {"Authorization": TOKEN, "Content-Type": "application/json"}
        # A processor without `process_json` gets a body of JSON as it is.
        assert ask(engine, target, json, f'{{"{BODY}": ') == 200
        assert ask(engine, target, {"Authorization": TOKEN, "X-Odd": QUERY}, "die") >= 400
    finally:
        engine.process.terminate()
        engine.process.wait(120)
    assert "is ready" in engine.log
    found = [word for word in (TOKEN, BODY, QUERY, WRONG) if word in engine.log]
    assert found == []
