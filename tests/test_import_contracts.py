"""`.importlinter` says of every package who may import it, and what it finds is an error."""

from __future__ import annotations

import configparser
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILE = ROOT / ".importlinter"
LINT = Path(sys.executable).with_name("lint-imports")


def test_each_package_has_its_importers() -> None:
    read = configparser.ConfigParser()
    read.read(FILE)
    said = {
        module
        for section in read.sections()
        if read.get(section, "type", fallback="") == "protected"
        for module in read.get(section, "protected_modules").split()
    }
    packages = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for folder in ("eas_processor/*", "eas_prediction", "eas_wire")
        for path in ROOT.glob(f"{folder}/__init__.py")
    }
    assert packages - said == set(), "say in .importlinter who may import it"


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        (
            "    eas_processor.app\n    eas_processor.frontends\n    eas_processor.instances\n\n",
            "    eas_processor.app\n    eas_processor.instances\n\n",
            "Illegal imports of protected package eas_processor.serving",
        ),
        (
            "ignore_imports =\n",
            "ignore_imports =\n    eas_processor.cli.main -> eas_processor.serving.rate\n",
            "No matches for ignored import eas_processor.cli.main -> eas_processor.serving.rate",
        ),
    ],
    ids=["an arrow that is not drawn", "an exception that nothing needs"],
)
def test_what_it_refuses(tmp_path: Path, before: str, after: str, sentence: str) -> None:
    text = FILE.read_text()
    assert before in text
    changed = tmp_path / ".importlinter"
    changed.write_text(text.replace(before, after, 1))
    command = [str(LINT), "--no-cache", str(changed)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert sentence in " ".join(done.stdout.split())
