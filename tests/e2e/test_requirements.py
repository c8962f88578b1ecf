"""
The README of an exported build, followed to the letter with pip, and the outcome taken by eascmd.

EAS_TEST_REQUIREMENTS holds the builds, such as `1.12 2.7`; their packages are downloaded.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from eas_processor.builds.catalogue import find_entry
from eas_processor.builds.export import export
from eas_processor.builds.interpreters import find_interpreter

BUILDS = os.environ.get("EAS_TEST_REQUIREMENTS", "").split()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not BUILDS, reason="EAS_TEST_REQUIREMENTS is empty: it names builds"),
]


@pytest.mark.parametrize("build", BUILDS)
def test_what_pip_makes_is_the_build(tmp_path: Path, build: str) -> None:
    entry = find_entry(f"tensorflow_cpu_{build}")
    output = tmp_path / "out"
    export(entry, output)
    readme = (output / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^    (.*\n(?:        .*\n)?)", readme, re.MULTILINE)
    found = find_interpreter(entry.name, entry.pythons)
    python = f"python{entry.pythons[0]}"
    assert commands.pop(0) == f"{python} -m venv build\n"
    subprocess.run([str(found.path), "-m", "venv", "build"], cwd=output, check=True)
    eascmd = f"{sys.executable} -m eas_processor.cli"
    environment = os.environ | {"EAS_HOME": str(tmp_path / "home")}
    use = f"eascmd build {entry.name} --use build\n"
    # The one between fills WHEELS, for machines without an index.
    for command in [each for each in commands if "WHEELS" not in each]:
        line = command.replace("eascmd ", f"{eascmd} ", 1)
        done = subprocess.run(
            line,
            shell=True,
            cwd=output,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert command == use
    assert f"{entry.name}: is {output / 'build'} from now on" in done.stdout
