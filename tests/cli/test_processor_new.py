"""`eascmd processor new` and `test`: a folder that runs, and its hooks without a service."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from eas_processor.cli.main import main
from eas_processor.cli.processor_new import new_processor
from eas_processor.config import load_service

pytestmark = pytest.mark.medium


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EAS_HOME", str(tmp_path / "home"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    new_processor(tmp_path / "doubler")
    return tmp_path / "doubler"


def test_the_folder_has_a_service_file_and_a_test_that_passes(folder: Path) -> None:
    service = load_service(folder / "service.json").service
    assert (service.name, service.processor_entry) == ("doubler", "app.py")
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null"]
    done = subprocess.run(run, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("request_", "status", "said"),
    [
        (["--json", '{"instances": [1, 2]}'], 0, '{"predictions": [2.0, 4.0]}'),
        (["--json", '{"instances": [1]}', "--config", '{"scale": 5}'], 0, "[5.0]"),
        ([], 0, '"signature_name": "serving_default"'),
        (
            ["--json", '{"instances": [NaN]}'],
            1,
            "INVALID_ARGUMENT: x has a value that is no number",
        ),
        (["--data", "hello"], 1, "INVALID_ARGUMENT: the body of 5 bytes is not a PredictRequest"),
    ],
)
def test_its_hooks_run_without_a_service(
    folder: Path, capfd: pytest.CaptureFixture[str], request_: list[str], status: int, said: str
) -> None:
    assert main(["processor", "test", str(folder), *request_]) == status
    captured = capfd.readouterr()
    assert said in (captured.err if status else captured.out)


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("import nonsense_that_is_not_there", "nonsense_that_is_not_there"),
        ("def initialize(a, b): 1 / 0\ndef process(m, r): pass", "ZeroDivisionError"),
        ("import os\ndef initialize(a, b): os._exit(3)\ndef process(m, r): pass", "status 3"),
        (
            "class No(Exception): status = 409\n"
            "def initialize(a, b): pass\ndef process(m, r): raise No('taken')",
            "status 409: taken",
        ),
    ],
)
def test_what_a_processor_does_wrong_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], app: str, said: str
) -> None:
    (tmp_path / "app.py").write_text(app + "\n")
    assert main(["processor", "test", str(tmp_path / "app.py"), "--data", "x"]) == 1
    assert said in capfd.readouterr().err


def test_an_answer_in_array_proto_is_shown_as_json(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "app.py").write_text(
        "from eas_processor.hooks import encode\n"
        "def initialize(a, b): pass\n"
        "def process(m, r): return encode({'y': [1.5, 2.5]})\n"
    )
    assert main(["processor", "test", str(tmp_path), "--data", "x"]) == 0
    assert json.loads(capfd.readouterr().out) == {"y": [1.5, 2.5]}


def test_text_that_protobuf_reads_as_an_empty_message_is_shown_as_text(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "app.py").write_text(
        "def initialize(a, b): pass\ndef process(m, r): return b'1,234,567'\n"
    )
    assert main(["processor", "test", str(tmp_path), "--data", "x"]) == 0
    assert capfd.readouterr().out == "1,234,567\n"


@pytest.mark.parametrize("name", ["a b", ".hidden"])
def test_a_folder_whose_name_no_service_can_have_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert main(["processor", "new", str(tmp_path / name)]) == 1
    assert "is not a valid service name" in capsys.readouterr().err


def test_a_folder_that_is_there_is_left_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["processor", "new", str(folder)]) == 1
    assert "exists already" in capsys.readouterr().err
