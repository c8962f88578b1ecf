"""
Builds with more packages: `NAME+tensorflow_text` is the build NAME with that package.

The base build does not change. The versions of the packages are chosen once, to fit the TensorFlow,
Python and packages of the base. They are kept with hashes in a lock in the data directory.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from eas_processor.builds.catalogue import Entry, find_entry
from eas_processor.builds.installed import find_installed
from eas_processor.builds.locks import built_from_source, read_pins, versions
from eas_processor.builds.uv import OnProgress, run_uv
from eas_processor.errors import BuildError
from eas_processor.home import home, private_directory, unwritable
from eas_processor.whole_file import write_whole

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_.][A-Za-z0-9]+)*")
_TENSORFLOWS = ("tensorflow", "tensorflow-cpu", "tensorflow-gpu")
# TensorFlow requires these, but no processor imports them.
_LEAN = ("tensorboard", "grpcio", "tensorflow-io-gcs-filesystem", "libclang")
# TensorFlow 2.4 requires versions of these that have no wheels. The version in its lock works.
_LOOSE = ("termcolor", "wrapt")
# These do not say which TensorFlow their operations were compiled for. The versions are from tables
# in their documentation.
_UNDECLARED = {
    "tensorflow_addons": {"2.3": "0.11.*", "2.4": "0.12.*", "2.7": "0.15.*"},
    "tensorflow_io": {"2.3": "0.16.*", "2.4": "0.17.*", "2.7": "0.23.*"},
}
_PLATFORM = re.compile(r"any|manylinux\w*_x86_64|linux_x86_64")


@dataclass(frozen=True, kw_only=True)
class Extended(Entry):
    """The build `base` with more `packages`, sorted and spelled as module names."""

    base: Entry
    packages: tuple[str, ...]

    @property
    def lock(self) -> Path:
        """The file of versions and hashes that `make_lock` writes, one for each base lock."""
        base = hashlib.sha256(self.base.lock.read_bytes()).hexdigest()[:8]
        return home() / "locks" / f"{self.name}-{base}.txt"

    @property
    def cuda_lock(self) -> Path | None:
        """The lock of the CUDA libraries, which is that of the base."""
        return self.base.cuda_lock


def extend(entry: Entry, packages: Sequence[str]) -> Entry:
    """
    Return `entry` with these packages of the package index, or `entry` itself if it has them all.

    Raises BuildError for a string that is not a package name.
    """
    for each in packages:
        if not _NAME.fullmatch(each):
            raise BuildError(
                f"{entry.name}: expected the name of a package, such as tensorflow_text, got "
                f"{each!r}; its version follows from that of TensorFlow"
            )
    base = entry.base if isinstance(entry, Extended) else entry
    more = entry.packages if isinstance(entry, Extended) else ()
    has = {_spelt(name) for name in versions(base.lock)}
    wanted = tuple(sorted({*more, *map(_spelt, packages)} - has))
    if not wanted:
        return base
    facts: dict[str, Any] = {each.name: getattr(base, each.name) for each in fields(Entry)}
    facts |= {"name": "+".join([base.name, *wanted]), "size": base.size + 250 * len(wanted)}
    return Extended(**facts, base=base, packages=wanted)


def _spelt(package: str) -> str:
    return re.sub(r"[-_.]+", "_", package).lower()


def installed_extended() -> list[Extended]:
    """Return the builds with more packages that are on this machine."""
    found = []
    for directory in sorted((home() / "builds").glob("*+*")):
        with contextlib.suppress(BuildError):
            entry = find_entry(directory.name)
            if isinstance(entry, Extended) and find_installed(entry) is not None:
                found.append(entry)
    return found


def lock_python(entry: Extended) -> str:
    """Return the Python that the lock is for, such as '3.9', or '' if there is no lock."""
    try:
        text = entry.lock.read_text(encoding="ascii")
    except FileNotFoundError:
        return ""
    found = re.search(r"^# With .*, for Python (\d+\.\d+)\.$", text, re.MULTILINE)
    return found[1] if found else ""


def make_lock(
    entry: Extended,
    python: str,
    *,
    wheels: Path | None = None,
    lock: int | None = None,
    progress: OnProgress | None = None,
) -> None:
    """
    Choose versions of the packages and their dependencies, and write the lock for a Python.

    An existing lock is kept. If `wheels` is a directory, the lock in it is used. Raises BuildError
    or HomeError.
    """
    if lock_python(entry) == _minor(python):
        return
    text = _resolve(entry, python, lock, progress) if wheels is None else _carried(entry, wheels)
    try:
        write_whole(private_directory("locks") / entry.lock.name, text.encode("ascii"))
    except OSError as error:
        raise unwritable(error) from error


def _carried(entry: Extended, wheels: Path) -> str:
    try:
        return (wheels / entry.lock.name).read_text(encoding="ascii")
    except OSError as error:
        raise BuildError(
            f"{entry.name} cannot be made from {wheels}: there is no {entry.lock.name} in it, the "
            f"lock that `eascmd build {entry.name} --output DIR --wheels {wheels}` writes"
        ) from error


def _resolve(entry: Extended, python: str, lock: int | None, progress: OnProgress | None) -> str:
    base, text = entry.base, entry.base.lock.read_text(encoding="ascii")
    with tempfile.TemporaryDirectory(prefix="eas-extend-") as scratch:
        for name, lines in _questions(entry, text).items():
            (Path(scratch) / name).write_text("\n".join(lines), encoding="ascii")
        answer = Path(scratch) / "pylock.toml"
        options = ["--quiet", "--only-binary", ":all:", "--format", "pylock.toml"]
        options += ["--constraint", "constraints.txt", "--override", "overrides.txt"]
        options += ["--python-version", python, "--python-platform", "x86_64-manylinux_2_28"]
        try:
            run_uv(
                entry.name,
                ["pip", "compile", *options, "--output-file", str(answer), "wanted.txt"],
                directory=Path(scratch),
                lock=lock,
                progress=progress,
            )
        except BuildError as error:
            raise _unsolved(entry, python, str(error)) from error
        packages = tomllib.loads(answer.read_text(encoding="utf-8"))["packages"]
    has = {*versions(base.lock), *_TENSORFLOWS}
    blocks = [_block(entry, each, python) for each in packages if each["name"] not in has]
    head = f"# With {', '.join(entry.packages)}, for Python {_minor(python)}.\n"
    return text + head + "".join(blocks)


def _minor(python: str) -> str:
    return ".".join(python.split(".")[:2])


def _questions(entry: Extended, lock: str) -> dict[str, list[str]]:
    """Return the files for uv: requirements, constraints, and overrides."""
    pins = dict(pin.split("==") for pin in read_pins(entry.base.lock))
    tensorflow = f"tensorflow=={entry.tensorflow}"
    there = [f"{name}=={version}" for name, version in pins.items() if name not in _TENSORFLOWS]
    # Source archives are installed with the base: uv would have to build them to read what they
    # need. `tensorflow` stands for each kind of it, as that is what other packages declare.
    left_out = {*built_from_source(lock), *_LEAN, *_TENSORFLOWS[1:]}
    loose = [f"{name}=={pins[name]}" for name in _LOOSE if name in pins and name not in left_out]
    return {
        "wanted.txt": [*(_wanted(entry, package) for package in entry.packages), tensorflow],
        "constraints.txt": [*there, tensorflow],
        "overrides.txt": [*(f"{name}; python_version < '0'" for name in sorted(left_out)), *loose],
    }


def _wanted(entry: Extended, package: str) -> str:
    if package not in _UNDECLARED:
        return package
    version = _UNDECLARED[package].get(_minor(entry.tensorflow))
    if version is None:
        raise BuildError(
            f"{entry.name} cannot be made: no version of {package} is for TensorFlow "
            f"{entry.tensorflow}"
        )
    return f"{package}=={version}"


def _unsolved(entry: Extended, python: str, said: str) -> BuildError:
    if unknown := re.search(r"Because (\S+) was not found in the package registry", said):
        return BuildError(
            f"{entry.name} cannot be made: the package index has no package {unknown[1]}"
        )
    if "we can conclude" not in said:
        return BuildError(said)
    names = " and ".join(entry.packages)
    return BuildError(
        f"{entry.name} cannot be made: the package index has no wheels of {names} for TensorFlow "
        f"{entry.tensorflow} on Python {python} beside the packages of {entry.base.name}"
    )


def _block(entry: Extended, package: dict[str, Any], python: str) -> str:
    tag = "".join(python.split(".")[:2])
    hashes = sorted(
        wheel["hashes"]["sha256"]
        for wheel in package["wheels"]
        if _fits(_file(wheel), int(tag[1:]))
    )
    if not hashes:
        raise BuildError(f"{entry.name}: no wheel of {package['name']} is for Python {python}")
    lines = [f"{package['name']}=={package['version']}"]
    return " \\\n".join([*lines, *(f"    --hash=sha256:{each}" for each in hashes)]) + "\n"


def _file(wheel: dict[str, Any]) -> str:
    return unquote(urlsplit(wheel.get("url") or wheel["path"]).path.rpartition("/")[2])


def _fits(file: str, minor: int) -> bool:
    """Return whether a wheel fits Python 3 of that minor version on Linux x86-64."""
    *_, python, abi, platform = file.removesuffix(".whl").split("-")
    if not any(map(_PLATFORM.fullmatch, platform.split("."))):
        return False
    for each in python.split("."):
        if each == f"cp3{minor}" or (abi == "none" and each in ("py3", f"py3{minor}")):
            return True
        found = re.fullmatch(r"cp3(\d+)", each)
        if found and "abi3" in abi.split(".") and int(found[1]) <= minor:
            return True
    return False
