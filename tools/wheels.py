"""
`make wheels`: everything, and the SDK alone, as wheels; and each processor build.

    python tools/wheels.py [--sdk] [DIRECTORY]

The second holds `eas_prediction` and `eas_wire`, for machines that only call services: it needs no
Python newer than 3.7. `--sdk` makes it alone. DIRECTORY is `dist` unless it is given.

A build is a directory `builds/NAME` with a locked requirements file. It is no wheel, for the
metadata of one has no hashes, and pip would add what TensorFlow declares and no processor imports.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SDK_NAME = "eas-processor-sdk"  # not `eas-prediction`, which is the vendor's
SDK_PACKAGES = ("eas_prediction", "eas_wire")
SETUP = """\
[metadata]
name = {name}
version = {version}
description = The client SDK of eas-processor, which calls PAI-EAS services too
long_description =
    `eas_prediction`, without the server. Its packages are those of eas-processor, which holds the
    server too: install one of the two in an environment.
license = Apache-2.0
license_files = LICENSE

[options]
python_requires = >=3.7
packages =
    {packages}
install_requires =
    {dependencies}

[options.extras_require]
grpc =
    {grpc}

[options.package_data]
* = py.typed
"""
PROJECT = """\
[build-system]
requires = ["setuptools>=61"]
build-backend = "setuptools.build_meta"
"""
# What `setup.py` reads, beside the packages.
FILES = ("setup.py", "pyproject.toml", "README.md", "LICENSE")
ALL_PACKAGES = ("eas_processor", *SDK_PACKAGES)


def build(source: Path, directory: Path) -> None:
    """Build the wheel of the project in `source` into `directory`."""
    # With the setuptools of this environment where it has one: nothing is fetched then.
    own = importlib.util.find_spec("setuptools") and importlib.util.find_spec("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
    options = ["--no-build-isolation"] if own else []
    subprocess.run([*command, str(directory), *options, str(source)], check=True)


def lay_out_everything(directory: Path) -> None:
    """Copy what the root's `setup.py` packs: a build in place would pack what an old one left."""
    _copy(ALL_PACKAGES, FILES, directory)


def lay_out_sdk(directory: Path) -> None:
    """Write the project of the SDK alone into `directory`."""
    _copy(SDK_PACKAGES, ("LICENSE",), directory)
    packages = sorted(
        ".".join(path.parent.relative_to(directory).parts)
        for path in directory.rglob("__init__.py")
    )
    text = SETUP.format(
        name=SDK_NAME,
        version=_constant(ROOT / "eas_prediction" / "__init__.py", "__version__"),
        dependencies="\n    ".join(_constant(ROOT / "setup.py", "CLIENT")),
        grpc="\n    ".join(_constant(ROOT / "setup.py", "GRPC")),
        packages="\n    ".join(packages),
    )
    (directory / "setup.cfg").write_text(text, encoding="utf-8")
    (directory / "pyproject.toml").write_text(PROJECT, encoding="utf-8")


def _copy(packages: Iterable[str], files: Iterable[str], directory: Path) -> None:
    for package in packages:
        ignored = shutil.ignore_patterns("__pycache__", ".*")
        shutil.copytree(ROOT / package, directory / package, ignore=ignored)
    for name in files:
        shutil.copy(ROOT / name, directory)


def _constant(path: Path, name: str) -> Any:
    """Return what a module assigns to `name`, without running it."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    raise LookupError(f"{path} assigns nothing to {name}")


def write_builds(directory: Path) -> None:
    """Write what `eascmd build NAME --output` does into `directory`, for each build."""
    sys.path.insert(0, str(ROOT))
    from eas_processor.builds.catalogue import ENTRIES
    from eas_processor.builds.export import export

    for entry in ENTRIES:
        export(entry, directory / entry.name, with_cuda=entry.cuda_lock is not None)


def main() -> None:
    """Build what the command line asks for."""
    parser = argparse.ArgumentParser(description="Build the wheels.")
    parser.add_argument("--sdk", action="store_true", help="that of the SDK alone")
    parser.add_argument("directory", nargs="?", type=Path, default=ROOT / "dist")
    options = parser.parse_args()
    for lay_out in (lay_out_sdk,) if options.sdk else (lay_out_sdk, lay_out_everything):
        with tempfile.TemporaryDirectory() as temporary:
            lay_out(Path(temporary))
            build(Path(temporary), options.directory)
    if not options.sdk:
        write_builds(options.directory / "builds")
    print(*sorted(options.directory.glob("*.whl")), sep="\n")


if __name__ == "__main__":
    main()
