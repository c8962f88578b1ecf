"""Write a build as a directory from which pip makes the same build on another machine."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from eas_processor.builds.catalogue import Entry
from eas_processor.builds.locks import build_tools
from eas_processor.builds.sbom import bill_of_materials
from eas_processor.builds.worker_code import write_worker_code
from eas_processor.errors import BuildError

_MARK = ".eas-build"

# The pip of these Pythons cannot install manylinux2014 wheels, and may not find the newest pip that
# supports them.
_NEWEST_PIP = {"3.6": ",<22", "3.7": ",<24.1"}

_README = """\
# {name}

TensorFlow {tensorflow} on Python {pythons}, Linux x86-64. With that Python:

    {python} -m venv build
    build/bin/python -m pip install 'pip>=20.3{newest_pip}'
    build/bin/python -m pip install --require-hashes --no-deps -r build-requirements.txt
    build/bin/python -m pip install --require-hashes --no-deps --no-build-isolation \\
        -r requirements.txt
{cuda}
Without a package index, add `--no-index --find-links WHEELS` to each `pip install`. This fills that
directory where there is one:

    eascmd build {name} --output DIR --wheels WHEELS

If eascmd is installed, this command tests the environment and registers it as {name},
so that services run in it:

    eascmd build {name} --use build

`code` holds the processor's code: `PYTHONPATH=code build/bin/python` can import its hooks,
`eas_processor.tf.hooks`. `sbom.cdx.json` is the bill of materials (CycloneDX).
"""
_CUDA = """\
    build/bin/python -m pip install --require-hashes --no-deps -r requirements-cuda.txt
"""


def export(entry: Entry, output: Path, *, with_cuda: bool = False) -> None:
    """
    Write locks, code, a bill of materials and a README into `output`, all of them or none.

    An earlier export there is replaced. Raises BuildError if `output` holds anything else.
    """
    _refuse_foreign(output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{output.name}-", dir=output.parent))
        try:
            _write(entry, scratch / "new", with_cuda)
            _replace(output, scratch / "new", scratch / "old")
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise BuildError(f"{output} cannot be written: {error.strerror or error}") from error


def _replace(output: Path, new: Path, old: Path) -> None:
    """Rename `output` to `old` and `new` to `output`; undo the first if the second fails."""
    there = output.exists()
    if there:
        os.rename(output, old)
    try:
        os.rename(new, output)
    except BaseException:
        if there:
            os.rename(old, output)
        raise


def _refuse_foreign(output: Path) -> None:
    if output.is_symlink() or (output.exists() and not output.is_dir()):
        raise BuildError(f"{output} is not a directory; give --output one that is new or empty")
    if output.is_dir() and any(output.iterdir()) and not (output / _MARK).is_file():
        raise BuildError(
            f"{output} has files that are not of a build; give --output a directory that is new, "
            "empty or was written by it before"
        )


def _write(entry: Entry, directory: Path, with_cuda: bool) -> None:
    directory.mkdir()
    shutil.copyfile(entry.lock, directory / "requirements.txt")
    tools = directory / "build-requirements.txt"
    tools.write_text(build_tools(entry.lock), encoding="ascii")
    cuda = entry.cuda_lock if with_cuda else None
    if cuda is not None:
        shutil.copyfile(cuda, directory / "requirements-cuda.txt")
    write_worker_code(directory / "code")
    locks = [entry.lock] if cuda is None else [entry.lock, cuda]
    bill = bill_of_materials(entry.name, entry.tensorflow, locks)
    (directory / "sbom.cdx.json").write_text(bill, encoding="ascii")
    text = _README.format(
        name=entry.name,
        tensorflow=entry.tensorflow,
        pythons=" or ".join(entry.pythons),
        python=f"python{entry.pythons[0]}",
        newest_pip=_NEWEST_PIP.get(entry.pythons[0], ""),
        cuda="" if cuda is None else _CUDA,
    )
    (directory / "README.md").write_text(text, encoding="utf-8")
    (directory / _MARK).write_text(f"{entry.name}\n", encoding="ascii")
