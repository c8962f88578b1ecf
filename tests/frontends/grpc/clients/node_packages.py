"""The packages of Node that tests use, kept from one run to the next."""

from __future__ import annotations

import subprocess
from pathlib import Path

from fixtures import need

FOLDER = Path(__file__).parents[4] / ".venv-node"


def node_packages() -> Path:
    """Return a folder with `@grpc/grpc-js`, for NODE_PATH."""
    npm = need.path_of("npm")
    packages = FOLDER / "node_modules"
    if not (packages / "@grpc" / "grpc-js").exists():
        install = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(FOLDER)]
        done = subprocess.run(
            [*install, "@grpc/grpc-js@^1.14"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            need.missing(f"@grpc/grpc-js cannot be installed: {done.stderr.strip()[-400:]}")
    return packages
