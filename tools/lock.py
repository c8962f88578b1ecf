"""
Write the hashes of a build's lock: `python tools/lock.py NAME ...`.

A lock has lines `name==version`. The tool writes the file again with the SHA-256 of every file on
the package index that fits the build's Python on Linux x86-64. If a version has no such wheel, it
uses the source archive, and the head of the lock says so.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename
from uv import find_uv_bin

from eas_processor.builds.catalogue import find_entry
from eas_processor.builds.locks import read_pins

# The platforms of glibc 2.28 (Debian 10, Ubuntu 20.04, RHEL 8). TensorFlow 2.21 needs 2.27.
_PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in range(28, 4, -1)]
_PLATFORMS += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"]


def main(names: list[str]) -> None:
    """Write the locks of the named builds again."""
    for name in names:
        path, pythons = find_lock(name)
        text = lock(name, read_pins(path), pythons)
        path.write_text(text, encoding="ascii")
        print(f"{path}: {text.count('--hash')} files")


def find_lock(name: str) -> tuple[Path, tuple[str, ...]]:
    """Return the lock of a build, or of its CUDA libraries (`NAME+cuda`), and its Pythons."""
    entry = find_entry(name.removesuffix("+cuda"))
    path = entry.cuda_lock if name.endswith("+cuda") else entry.lock
    if path is None:
        raise SystemExit(f"{name} has no such lock")
    return path, entry.pythons


def lock(name: str, pins: list[str], pythons: tuple[str, ...]) -> str:
    """Return the text of a lock."""
    tags = {tag for python in pythons for tag in _tags(python)}
    lines, sources = [], []
    for package in _resolve(pins, pythons[-1]):
        fitting = [
            wheel["hashes"]["sha256"]
            for wheel in package.get("wheels", [])
            if parse_wheel_filename(_file(wheel))[3] & tags
        ]
        if not fitting:
            sources.append(package["name"])
            fitting = [package["sdist"]["hashes"]["sha256"]]
        hashes = [f"    --hash=sha256:{digest}" for digest in sorted(set(fitting))]
        lines.append(" \\\n".join([f"{package['name']}=={package['version']}", *hashes]))
    head = [f"# {name}: Python {' or '.join(pythons)}, Linux x86-64."]
    if sources:
        head.append(f"# From source, for want of a wheel: {', '.join(sources)}.")
    return "\n".join([*head, *lines]) + "\n"


def _resolve(pins: list[str], python: str) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as scratch:
        wanted, found = Path(scratch) / "pins.txt", Path(scratch) / "pylock.toml"
        wanted.write_text("\n".join(pins))
        command = [find_uv_bin(), "pip", "compile", "--quiet", "--no-deps", "--no-config"]
        command += ["--python-version", python, "--format", "pylock.toml"]
        command += ["--universal", "--output-file", str(found), str(wanted)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        packages: list[dict[str, Any]] = tomllib.loads(found.read_text())["packages"]
        return packages


def _tags(python: str) -> list[Tag]:
    version = tuple(int(part) for part in python.split("."))
    return [
        *cpython_tags(version, platforms=_PLATFORMS),
        *compatible_tags(version, f"cp{''.join(python.split('.'))}", _PLATFORMS),
    ]


def _file(wheel: dict[str, Any]) -> str:
    return re.sub(r".*/", "", wheel.get("name") or wheel["url"])


if __name__ == "__main__":
    main(sys.argv[1:])
