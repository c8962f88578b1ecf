"""
Runs the tests of the packages for workers inside processor builds.

`python tools/test_in_builds.py 1.12 2.7` makes missing builds first. pytest and hypothesis are
installed into another directory, so that the builds stay as their locks describe.
"""

import os
import subprocess
import sys
from pathlib import Path

from eas_processor.builds.find import find_build
from eas_processor.builds.uv import uv

ROOT = Path(__file__).parents[1]
TESTS = [f"tests/{name}" for name in ("eas_wire", "link", "codecs", "worker", "tf")]


def main(names: list[str]) -> int:
    """Return 0 when the tests pass in all builds."""
    failed = []
    for name in names:
        build = find_build(f"tensorflow_cpu_{name}")
        print(f"== {build.name}", flush=True)
        tools = _test_tools(name, build.python)
        environment = os.environ | {"PYTHONPATH": f"{ROOT}:{tools}", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [build.python, "-m", "pytest", "-q", "-W", "ignore", "-p", "no:cacheprovider"]
        if subprocess.run([*command, *TESTS], cwd=ROOT, env=environment, check=False).returncode:
            failed.append(build.name)
    if failed:
        print(f"failed in {', '.join(failed)}", file=sys.stderr)
    return len(failed)


def _test_tools(name: str, python: Path) -> Path:
    directory = ROOT / f".venv-builds-{name}"
    mark = directory / ".installed"
    if not mark.exists():
        packages = ["pytest", "hypothesis"]
        install = [uv(), "pip", "install", "--quiet", "--python", str(python)]
        subprocess.run([*install, "--target", str(directory), *packages], check=True)
        mark.touch()
    return directory


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
