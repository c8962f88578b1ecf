"""
`make wheels`: builds the wheels of the project and of the SDK, the sdist, and the locked builds.

    python tools/wheels.py [--sdk] [DIRECTORY]

The wheel of the SDK contains `eas_prediction` and `eas_wire`, for machines that only call services.
It supports Python 3.7 and newer. `--sdk` builds only this wheel. DIRECTORY is `dist` by default.

The archives are reproducible: the same commit and the same setuptools give the same bytes. Times
are those of the commit, or SOURCE_DATE_EPOCH, and modes do not depend on the umask.

A processor build is a directory `builds/NAME` with a locked requirements file. It is not a wheel,
because the metadata of a wheel has no hashes, and pip would install dependencies of TensorFlow
that no processor imports.

`development.cdx.json` lists the packages that the release was tested with (CycloneDX).
"""

from __future__ import annotations

import argparse
import ast
import gzip
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
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
# What an installation reads beside the packages.
FILES = ("setup.py", "pyproject.toml", "README.md", "LICENSE")
ALL_PACKAGES = ("eas_processor", *SDK_PACKAGES)
# What the source archive holds for its readers, as MANIFEST.in lists it.
DOCUMENTS = (
    *("MANIFEST.in", "service.json.example"),
    *("README.zh-CN.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
)
FOLDERS = ("docker", "docs", "examples", "proto")
# A wheel is a ZIP archive, which has no times before 1980.
EARLIEST = 315532800
SDIST = "import sys; from setuptools.build_meta import build_sdist; print(build_sdist(sys.argv[1]))"


def source_date() -> int:
    """Return the time that every file in an archive gets, in seconds since 1970."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return int(given)
    git = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    try:
        return int(subprocess.run(git, capture_output=True, text=True, check=True).stdout)
    except (OSError, ValueError, subprocess.CalledProcessError):
        return EARLIEST  # no commit to ask


def build_wheel(source: Path, directory: Path) -> None:
    """Build the wheel of the project in `source` into `directory`."""
    # If this environment has setuptools, pip uses it and downloads nothing.
    own = importlib.util.find_spec("setuptools")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
    options = ["--no-build-isolation"] if own else []
    _run([*command, str(directory.absolute()), *options, str(source)], source)


def build_sdist(source: Path, directory: Path) -> None:
    """Build the source archive of the project in `source` into `directory`."""
    with tempfile.TemporaryDirectory() as scratch:
        _run([sys.executable, "-c", SDIST, scratch], source)
        (made,) = Path(scratch).iterdir()
        directory.mkdir(parents=True, exist_ok=True)
        _pack_again(made, directory / made.name)


def _run(command: list[str], source: Path) -> None:
    # The hash seed keeps the order in which setuptools lists files.
    environment = {"SOURCE_DATE_EPOCH": str(source_date()), "PYTHONHASHSEED": "0"}
    subprocess.run(
        command,
        env=os.environ | environment,
        cwd=source,
        umask=0o022,
        stdout=subprocess.DEVNULL,
        check=True,
    )


def _pack_again(made: Path, target: Path) -> None:
    """Write a tar archive with sorted members whose times, owners and modes are always the same."""
    date = source_date()
    with (
        tarfile.open(made) as old,
        target.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=date) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in sorted(old.getmembers(), key=lambda each: each.name):
            clean = tarfile.TarInfo(member.name)
            clean.type, clean.size, clean.mtime = member.type, member.size, date
            clean.mode = 0o755 if member.isdir() else 0o644
            new.addfile(clean, old.extractfile(member) if member.isfile() else None)


def lay_out_everything(directory: Path) -> None:
    """Copy the sources to `directory`. A build in place would include files of older builds."""
    _copy((*ALL_PACKAGES, *FOLDERS), (*FILES, *DOCUMENTS), directory)
    _set_modes(directory)


def lay_out_sdk(directory: Path) -> None:
    """Write the project of the SDK alone into `directory`."""
    _copy(SDK_PACKAGES, ("LICENSE",), directory)
    packages = sorted(
        ".".join(path.parent.relative_to(directory).parts)
        for path in directory.rglob("__init__.py")
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = SETUP.format(
        name=SDK_NAME,
        version=_constant(ROOT / "eas_prediction" / "__init__.py", "__version__"),
        dependencies="\n    ".join(project["dependencies"]),
        grpc="\n    ".join(project["optional-dependencies"]["grpc"]),
        packages="\n    ".join(packages),
    )
    (directory / "setup.cfg").write_text(text, encoding="utf-8")
    (directory / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    _set_modes(directory)


def _copy(folders: Iterable[str], files: Iterable[str], directory: Path) -> None:
    # `make run` writes examples/digits/build.
    ignored = shutil.ignore_patterns("__pycache__", ".*", "build")
    for folder in folders:
        shutil.copytree(ROOT / folder, directory / folder, ignore=ignored)
    for name in files:
        shutil.copy(ROOT / name, directory)


def _set_modes(directory: Path) -> None:
    for path in directory.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _constant(path: Path, name: str) -> Any:
    """Return the value that a module assigns to `name`, without running the module."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    raise LookupError(f"{path} assigns nothing to {name}")


def write_builds(directory: Path) -> None:
    """Write the output of `eascmd build NAME --output` into `directory`, for each build."""
    sys.path.insert(0, str(ROOT))
    from eas_processor.builds.catalogue import ENTRIES
    from eas_processor.builds.export import export

    for entry in ENTRIES:
        export(entry, directory / entry.name, with_cuda=entry.cuda_lock is not None)


def write_bill_of_materials(directory: Path) -> None:
    """Write the list of packages that the release was tested with."""
    sys.path.insert(0, str(ROOT))
    from eas_processor import __version__
    from eas_processor.builds.sbom import bill_of_materials

    locks = [ROOT / "tools" / "locks" / "development.txt"]
    bill = bill_of_materials("eas-processor-development", __version__, locks)
    (directory / "development.cdx.json").write_text(bill, encoding="ascii")


def main() -> None:
    """Build the archives that the command line names."""
    parser = argparse.ArgumentParser(description="Build the wheels and the source archive.")
    parser.add_argument("--sdk", action="store_true", help="the wheel of the SDK alone")
    parser.add_argument("directory", nargs="?", type=Path, default=ROOT / "dist")
    options = parser.parse_args()
    directory = options.directory
    with tempfile.TemporaryDirectory() as temporary:
        lay_out_sdk(Path(temporary))
        build_wheel(Path(temporary), directory)
    if not options.sdk:
        with tempfile.TemporaryDirectory() as temporary:
            lay_out_everything(Path(temporary))
            # The source archive is first, because building a wheel leaves a directory `build`.
            build_sdist(Path(temporary), directory)
            build_wheel(Path(temporary), directory)
        write_builds(directory / "builds")
        write_bill_of_materials(directory)
    print(*sorted(path for path in directory.iterdir() if path.is_file()), sep="\n")


if __name__ == "__main__":
    main()
