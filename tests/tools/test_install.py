"""`make install` installs what is locked, and the newest packages where it cannot."""

from __future__ import annotations

import importlib.util
import sys
import threading
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "tools" / "locks" / "development.txt"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture
def tool() -> ModuleType:
    specification = importlib.util.spec_from_file_location("install", ROOT / "tools" / "install.py")
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_lock_fits_what_pyproject_asks_for() -> None:
    entries = [line for line in LOCK.read_text().splitlines() if line[0] not in "# "]
    locked = [Requirement(line.rstrip(" \\")) for line in entries]
    wanted = [*PROJECT["dependencies"]]
    for extra, requirements in PROJECT["optional-dependencies"].items():
        wanted += [] if extra == "fuzz" else requirements
    for text in wanted:
        requirement = Requirement(text)
        if requirement.name == "eas-processor":
            continue
        found = [each for each in locked if each.name == canonicalize_name(requirement.name)]
        assert found, f"{text}: run `make lock`"
        for each in found:
            (pin,) = each.specifier
            assert pin.operator == "=="
            assert requirement.specifier.contains(pin.version), f"{text}: run `make lock`"


def test_the_lock_names_no_index_and_hashes_everything() -> None:
    text = LOCK.read_text(encoding="ascii")
    assert "://" not in text
    assert "--index" not in text and "--find-links" not in text
    entries = text.split("\n", 1)[1].replace("\\\n", " ").splitlines()
    assert len(entries) > 100
    assert [each for each in entries if "--hash=sha256:" not in each] == []


@pytest.mark.parametrize("index_has_the_locked_files", [True, False])
def test_the_ranges_follow_where_the_lock_cannot_be_installed(
    tool: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    index_has_the_locked_files: bool,
) -> None:
    asked = []

    def add(_: Path, *what: str) -> bool:
        asked.append(what)
        return index_has_the_locked_files or "--require-hashes" not in what

    monkeypatch.setattr(tool, "add", add)
    tool.install(Path("python"), LOCK)
    assert "--require-hashes" in asked[0]
    if index_has_the_locked_files:
        assert asked[1:] == [("--no-deps", "--no-build-isolation", "--editable", str(ROOT))]
    else:
        assert asked[1:] == [("--editable", tool.EVERYTHING)]
        assert "lacks files of tools/locks/development.txt" in capsys.readouterr().err


def test_pip_follows_where_uv_fails(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Such as for an index that only pip's settings name."""
    asked = []
    monkeypatch.setattr(tool, "of_pip", lambda _: {})
    monkeypatch.setattr(tool, "pip", lambda _, *what: asked.append(what) or True)
    for status in (None, 1, 0):
        if status is not None:  # None: there is no uv
            (tmp_path / "uv").write_text(f"#!/bin/sh\nexit {status}\n")
            (tmp_path / "uv").chmod(0o755)
        assert tool.add(tmp_path / "python", "name")
    assert [what[-1] for what in asked] == ["name", "name"]


def test_a_file_with_another_hash_ends_it(tool: ModuleType, tmp_path: Path) -> None:
    """Installing whatever the index has would help whoever changed the file."""
    (tmp_path / "python").write_text(
        "#!/bin/sh\necho ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM >&2\nexit 1\n"
    )
    (tmp_path / "python").chmod(0o755)
    with pytest.raises(SystemExit, match=r"another file than tools/locks/development\.txt names"):
        tool.install(tmp_path / "python", LOCK)


def test_uv_asks_the_index_that_pip_is_told_of(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
    assert tool.of_pip(Path(sys.executable))["UV_DEFAULT_INDEX"] == "https://index.example/simple"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://other.example/simple")
    assert "UV_DEFAULT_INDEX" not in tool.of_pip(Path(sys.executable))


def test_a_line_a_minute_shows_that_it_is_at_work(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = threading.Event()
    monkeypatch.setattr(tool, "MINUTE", 0.01)
    monkeypatch.setattr(tool, "say", lambda text: said.set() if "still" in text else None)
    with tool.heartbeat():
        assert said.wait(60)


def test_settings_of_tools_do_not_renew_the_environment(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    digests = []
    for changed in (
        text,
        text + "\n[tool.other]\na = 1\n",
        text.replace("requests>=2", "requests>=3"),
    ):
        (tmp_path / "pyproject.toml").write_text(changed, encoding="utf-8")
        digests.append(tool.digest(LOCK))
    assert digests[0] == digests[1] != digests[2]
    assert tool.digest(None) != digests[2]
