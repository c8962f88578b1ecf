"""
The version number and the command `processors`. Everything else is in pyproject.toml.

    python setup.py --version
    python setup.py processors [--build=NAME]
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Command, setup

HERE = Path(__file__).absolute().parent


def version() -> str:
    """Return the `__version__` of both packages; refuse to build if they differ."""
    # Read, not imported: numpy may be missing here.
    found = {
        re.search(
            '^__version__ = "(.+)"$',
            (HERE / package / "__init__.py").read_text("utf-8"),
            re.MULTILINE,
        )[1]
        for package in ("eas_processor", "eas_prediction")
    }
    if len(found) > 1:
        numbers = " and ".join(sorted(found))
        raise SystemExit(f"setup.py: the packages have different versions, {numbers}: set one")
    return found.pop()


def build_processor(name: str) -> int:
    """Run `eascmd build NAME`, here or in an environment with what it needs; return its status."""
    try:
        import eas_processor.cli.build  # noqa: F401 - whether it can be imported is the question
        from eas_processor.cli.main import main
    except (ImportError, SyntaxError):
        command = [str(environment_of_the_server()), "-m", "eas_processor.cli", "build", name]
        return subprocess.call(command, env=dict(os.environ, PYTHONPATH=str(HERE)))
    return main(["build", name])


def environment_of_the_server() -> Path:
    """Return the Python of `build/eascmd`, made again if pyproject.toml has changed."""
    directory = HERE / "build" / "eascmd"
    python, mark = directory / "bin" / "python", directory / "installed.toml"
    wanted = (HERE / "pyproject.toml").read_text(encoding="utf-8")
    if not mark.exists() or mark.read_text(encoding="utf-8") != wanted:
        print(f"installing the requirements of eascmd into {directory}", file=sys.stderr)
        subprocess.check_call([newest_python(), "-m", "venv", "--clear", str(directory)])
        install = [str(python), "-m", "pip", "install", "--quiet"]
        subprocess.check_call(install + ["--editable", f"{HERE}[server]"])
        mark.write_text(wanted, encoding="utf-8")
    return python


def newest_python() -> str:
    """Return an interpreter that runs `eascmd`, this one where it does."""
    if sys.version_info >= (3, 11):  # noqa: UP036 - this file runs on the SDK's Pythons too
        return sys.executable
    for name in ("python3.13", "python3.12", "python3.11"):
        found = shutil.which(name)
        # A shim of pyenv exists for versions that are not chosen, and ends with an error.
        if found and subprocess.call([found, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            return found
    raise SystemExit("setup.py processors --build: eascmd needs Python 3.11 to 3.13 on PATH")


class Processors(Command):
    """`python setup.py processors`: the processor builds, by name, from the one catalogue."""

    description = "list the processor builds; with --build=NAME, make one"
    user_options = [("build=", None, "the build to make, such as tensorflow_cpu_1.15")]

    def initialize_options(self):
        """Set what the command line may change."""
        self.build = ""

    def finalize_options(self):
        """Nothing follows from the options."""

    def run(self):
        """Print the catalogue, which needs no package, or let `eascmd build` make a build."""
        sys.path.insert(0, str(HERE))
        if self.build:
            status = build_processor(self.build)
            if status:
                raise SystemExit(status)
            return
        try:
            from eas_processor.builds.catalogue import ENTRIES
        except (ImportError, SyntaxError):  # Python 3.6 has no dataclasses
            locks = (HERE / "eas_processor" / "builds" / "locks").glob("*.txt")
            names = sorted(lock.stem for lock in locks if "+" not in lock.stem)
            print("\n".join(names))
            return
        for entry in ENTRIES:
            pythons = ", ".join(entry.pythons)
            where = f"GPU (CUDA {entry.cuda.version})" if entry.cuda else "CPU"
            print(f"{entry.name:22} TensorFlow {entry.tensorflow:8} {where:16} Python {pythons}")


setup(version=version(), license="Apache-2.0", cmdclass={"processors": Processors})
