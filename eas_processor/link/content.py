"""A hash of the worker code, by which an engine recognises launchers of its own release."""

import hashlib
import os
from typing import List

PACKAGES = (
    "eas_wire",
    "eas_processor/link",
    "eas_processor/codecs",
    "eas_processor/hooks",
    "eas_processor/worker",
    "eas_processor/tf",
)


def code_files(root: str) -> List[str]:
    """Return the source files of `PACKAGES` below `root`, as relative paths in a fixed order."""
    found = ["eas_processor/__init__.py"]
    for package in PACKAGES:
        for directory, _, names in sorted(os.walk(os.path.join(root, package))):
            relative = os.path.relpath(directory, root)
            sources = sorted(name for name in names if name.endswith(".py"))
            found += [os.path.normpath(os.path.join(relative, name)) for name in sources]
    return found


def content_hash(root: str) -> str:
    """Return a hash of the names and contents of `code_files`, as 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name in code_files(root):
        with open(os.path.join(root, name), "rb") as file:
            digest.update(name.encode() + b"\0" + file.read() + b"\0")
    return digest.hexdigest()[:16]
