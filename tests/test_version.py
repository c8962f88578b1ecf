"""One version number: of both packages, of the distribution and of `eascmd`."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

import eas_prediction
import eas_processor
from eas_processor.cli.main import main

ROOT = Path(__file__).parents[1]


def test_both_packages_have_the_same() -> None:
    assert eas_processor.__version__ == eas_prediction.__version__


def test_the_distribution_has_it() -> None:
    done = subprocess.run(
        [sys.executable, "setup.py", "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == eas_processor.__version__


def test_eascmd_says_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    first, *others = capsys.readouterr().out.splitlines()
    assert first == f"eascmd {eas_processor.__version__}"
    named = dict(each.split(" ", 1) for each in others)
    assert named.keys() == {"Python", "link", "builds"}
    assert named["Python"].startswith(platform.python_version())
    assert int(named["link"]) > 0
    assert "tensorflow_cpu_2.21" in named["builds"].split(", ")


def test_the_changelog_begins_with_it() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    releases = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)$", text, re.MULTILINE)
    assert releases[0][0] == eas_processor.__version__
    assert [date for _, date in releases] == sorted((date for _, date in releases), reverse=True)


def test_each_release_but_the_first_says_how_to_upgrade() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    *later, _first = re.split(r"^## \[\d", text, flags=re.MULTILINE)[1:]
    assert later
    assert all("### Upgrading from" in each for each in later)


def test_the_engines_package_imports_nothing() -> None:
    """Workers import it on Python 3.6, and the engine without numpy."""
    code = "import sys; before = set(sys.modules); import eas_processor; "
    code += "print(sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "['eas_processor']\n"
