"""
Write the lock of the development environment again: `make lock`.

    python tools/lock_development.py [UV-OPTION ...]

tools/locks/development.txt names one version of every package that `make install` installs, with
the SHA-256 of each of its files, for every Python that the engine supports. A version that still
fits pyproject.toml stays; `--upgrade` and `--upgrade-package NAME` take newer ones.
"""

import subprocess
import sys
from pathlib import Path

from uv import find_uv_bin

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "tools" / "locks" / "development.txt"
HEAD = "# What `make install` installs; `make lock` writes this file.\n"
RESOLVE = ["--universal", "--python-version", "3.11", "--generate-hashes", "--quiet"]
RESOLVE += [f"--extra={extra}" for extra in ("server", "tensorflow", "examples", "dev")]
WRITE = ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-package=eas-processor"]


def main(options: list[str]) -> None:
    """Write the lock; `options` go to `uv pip compile`."""
    command = [find_uv_bin(), "pip", "compile", *RESOLVE, *WRITE, *options]
    command += ["--output-file", str(LOCK), "pyproject.toml"]
    done = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
    if done.returncode:
        raise SystemExit(f"make: {LOCK.relative_to(ROOT)} stays as it is; uv says why above")
    text = HEAD + LOCK.read_text(encoding="ascii")
    LOCK.write_text(text, encoding="ascii")
    print(f"{LOCK.relative_to(ROOT)}: {text.count('--hash')} files")


if __name__ == "__main__":
    main(sys.argv[1:])
