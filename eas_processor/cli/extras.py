"""Name the extra that a command needs and that a client-only installation lacks."""

from __future__ import annotations

import sys
from pathlib import Path

_EXTRAS = {
    "server": ("hpack", "httptools", "msgspec", "platformdirs", "requests", "rich", "uv", "uvloop"),
    "tensorflow": ("orjson", "tensorflow"),
    "grpc": ("grpc",),
    "images": ("PIL",),
    "completion": ("shtab",),
    "stores": ("obstore",),
}


def missing_sentence(error: ModuleNotFoundError, command: str) -> str:
    """Return which extra to install for `command`, or '' if no extra has the missing module."""
    package = (error.name or "").partition(".")[0]
    for extra, packages in _EXTRAS.items():
        if package in packages:
            return (
                f"{command} needs the package {package}, which the extra `{extra}` installs: run "
                f"{_installation(extra)}"
            )
    return ""


def _installation(extra: str) -> str:
    # Such an environment has no pip.
    if Path(sys.prefix, "uv-receipt.toml").is_file():
        return (
            f"`uv tool install` again, with this extra: '.[server,tensorflow,{extra}]' in a clone"
        )
    return f"`pip install 'eas-processor[{extra}]'`, or `pip install '.[{extra}]'` in a clone"
