from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from eas_processor.cli import processor as module
from eas_processor.cli.main import main
from eas_processor.contracts.settings import EngineSettings

OWN = Path(sys.executable)
CLASS = """\
import sys
import allspark

class P(allspark.BaseProcessor):
    pass

allspark.default_properties().put('rpc.keepalive', 9000)
"""
RUN = "P(worker_threads=int(sys.argv[1]), endpoint='0.0.0.0:9000').run()\n1 / 0\n"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EAS_HOME", str(tmp_path / "home"))


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[EngineSettings, module.Script]]:
    """What an engine would be started with."""
    found: list[tuple[EngineSettings, module.Script]] = []

    def run(settings: EngineSettings, offer: module.Offer, on_serving: object) -> None:
        (script,) = offer.sources
        assert isinstance(script, module.Script)
        found.append((settings, script))

    monkeypatch.setattr(module, "run", run)
    return found


def app(tmp_path: Path, source: str) -> Path:
    path = tmp_path / "app.py"
    path.write_text(source)
    return path


def test_the_script_says_where_it_listens_and_what_it_needs(
    tmp_path: Path, served: list[tuple[EngineSettings, module.Script]]
) -> None:
    path = app(tmp_path, CLASS + RUN)
    assert main(["processor", "run", str(path), "--args", "7", "--more"]) == 0
    settings, script = served[0]
    assert (settings.host, settings.port, settings.any_path) == ("0.0.0.0", 9000, True)
    assert script.asked["worker_threads"] == "7" and script.asked["rpc.keepalive"] == "9000"
    assert (script.path, script.model, script.python) == (path, tmp_path, OWN)
    assert script.arguments == ["7", "--more"]


def test_options_come_before_what_it_says(
    tmp_path: Path, served: list[tuple[EngineSettings, module.Script]]
) -> None:
    app(tmp_path, CLASS + RUN)
    options = ["--port", "0", "--host", "127.0.0.1", "--model", "/srv/model", "--args", "7"]
    assert main(["processor", "run", str(tmp_path), *options]) == 0
    settings, script = served[0]
    assert (settings.host, settings.port) == ("127.0.0.1", 0)
    assert script.model == Path("/srv/model")


def test_what_it_asks_for_need_not_be_found_out_again(
    tmp_path: Path, served: list[tuple[EngineSettings, module.Script]]
) -> None:
    asked = json.dumps({"endpoint": "127.0.0.1:9001"})
    assert main(["processor", "run", str(app(tmp_path, "1 / 0")), "--asked", asked]) == 0
    assert served[0][0].port == 9001


@pytest.mark.parametrize(
    "source",
    [CLASS, "def process(m, r): pass\ndef initialize(e, c): pass\n1 / 0\n", "1 / 0", "print 'two'"],
)
def test_one_that_asks_for_nothing_is_for_this_machine_alone(
    tmp_path: Path, served: list[tuple[EngineSettings, module.Script]], source: str
) -> None:
    assert main(["processor", "run", str(app(tmp_path, source))]) == 0
    settings, script = served[0]
    assert (settings.host, settings.port, script.asked) == ("127.0.0.1", 8080, {})


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere.py"], "nowhere.py: no such file"),
        (["model.bin"], "model.bin: expected a Python file (.py), or a directory with one"),
        (["empty"], "the file to load is not clear"),
        (["app.py", "--python", "no-python"], "no-python cannot be started: No such file"),
        (["bad.py"], "bad.py: endpoint: expected HOST:PORT, got 'here'"),
    ],
)
def test_what_cannot_be_run_is_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    sentence: str,
) -> None:
    app(tmp_path, CLASS)
    (tmp_path / "bad.py").write_text(CLASS + "P(endpoint='here').run()\n")
    (tmp_path / "model.bin").touch()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["processor", "run", *words]) == 1
    assert sentence in capsys.readouterr().err


def test_a_script_that_never_calls_run_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "ASK_SECONDS", 0.5)
    path = app(tmp_path, "import time\ntime.sleep(600)\n")
    assert main(["processor", "run", str(path)]) == 1
    sentence = f"{path}: expected a call of its processor's run() within 0.5 s"
    assert sentence in capsys.readouterr().err


def test_path_is_where_allspark_is_and_knows_the_engine(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["processor", "path"]) == 0
    directory = Path(capsys.readouterr().out.strip())
    assert sorted(each.name for each in directory.iterdir()) == ["allspark.py", "engine"]
    code = "import allspark; print(allspark._engine_python())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        env={"PYTHONPATH": str(directory)},
        capture_output=True,
    )
    assert done.stdout.decode().strip() == sys.executable
