"""
Run the engine's tests at the ends of the ranges of its requirements: `make test-ranges`.

    python tools/test_ranges.py oldest|newest ... [-- PYTEST-ARGUMENT ...]

Each end has an environment `.venv-ranges-END`. It has the oldest or the newest versions that
pyproject.toml permits for the server and its extras, without TensorFlow. Only versions with a wheel
for this Python count. The packages that only tests need are the newest that fit.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from uv import find_uv_bin

ROOT = Path(__file__).resolve().parents[1]
RESOLUTIONS = {"oldest": "lowest-direct", "newest": "highest"}
EXTRAS = ("server", "grpc", "stores", "otel", "images", "completion")
TOOLS = ["pytest", "pytest-timeout", "hypothesis", "packaging", "pyyaml", "h11", "ngh2"]
TOOLS += ["grpcio-health-checking", "grpcio-reflection", "moto[s3]", "flask", "flask-cors"]
TOOLS += ["pip", "setuptools"]
# Tests that need neither TensorFlow nor a service. The tests of archives depend on no package.
TESTS = ["tests/config", "tests/contracts", "tests/frontends", "tests/serving", "tests/app"]
TESTS += ["tests/builds", "tests/model_store", "tests/cli"]
TESTS += ["--ignore=tests/model_store/test_archive_attacks.py"]
TESTS += ["--ignore=tests/frontends/grpc/clients"]


def main(ends: list[str], arguments: list[str]) -> int:
    """Run the tests at each end; return how many ends failed."""
    failed = []
    for end in ends:
        python = environment(end)
        print(f"== the {end} packages", flush=True)
        command = [str(python), "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider"]
        paths = os.environ | {"PYTHONPATH": str(ROOT)}
        tests = arguments or TESTS
        if subprocess.run([*command, *tests], cwd=ROOT, env=paths, check=False).returncode:
            failed.append(end)
    if failed:
        print(f"failed with the {' and the '.join(failed)} packages", file=sys.stderr)
    return len(failed)


def environment(end: str) -> Path:
    """Return the Python of an end's environment, made again if its packages have changed."""
    directory = ROOT / f".venv-ranges-{end}"
    python, mark = directory / "bin" / "python", directory / "installed.txt"
    packages = resolve(RESOLUTIONS[end])
    if mark.exists() and mark.read_text() == packages:
        return python
    uv("venv", "--quiet", "--clear", "--python", sys.executable, str(directory))
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(packages)
        file.flush()
        options = ["--quiet", "--only-binary", ":all:", "--python", str(python)]
        uv("pip", "install", *options, "--requirement", file.name, *TOOLS)
    mark.write_text(packages)
    return python


def resolve(resolution: str) -> str:
    """Return the requirements of an end, one `name==version` per line."""
    options = ["--resolution", resolution, "--only-binary", ":all:", "--python", sys.executable]
    options += [f"--extra={extra}" for extra in EXTRAS]
    options += ["--quiet", "--no-header", "--no-annotate", "pyproject.toml"]
    return uv("pip", "compile", *options)


def uv(*arguments: str) -> str:
    """Run uv and return its output. Exits if it fails."""
    done = subprocess.run(
        [find_uv_bin(), *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"make: uv {arguments[0]} failed; the lines above say why")
    return done.stdout


if __name__ == "__main__":
    words = [*sys.argv[1:], "--"]
    split = words.index("--")
    sys.exit(main(words[:split] or list(RESOLUTIONS), words[split + 1 : -1]))
