from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from eas_processor.cli.main import main


def test_an_older_python_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 13))
    assert main(["builds"]) == 1
    assert capsys.readouterr().err.startswith("eascmd needs Python 3.11 or newer; this is ")


@pytest.mark.parametrize(
    "words",
    [[], ["nothing"], ["serve"], ["serve", "x", "--port", "65536"], ["serve", "x", "--host", ""]],
)
def test_wrong_usage_is_status_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert "usage: eascmd" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["serve", "test"])
def test_a_refusal_is_status_1_and_one_sentence(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, str(tmp_path / "none.json")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("eascmd: ")
    assert "none.json" in line


def test_where_no_thread_can_be_started_the_limit_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("eas_processor.cli.runners.run_builds", refuse)
    assert main(["builds"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("eascmd: can't start new thread; ")
    assert "processes and threads" in line


def test_a_reader_that_has_gone_is_no_error() -> None:
    program = "import sys; from eas_processor.cli.main import main; sys.exit(main(['schema']))"
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_schema_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert "$defs" in json.loads(capsys.readouterr().out)
