"""A hash over the rooms, by which engine and launcher tell whether they are of one release."""

import hashlib
import os
from typing import List

ROOMS = ("wire", "link", "worker", "tf")


def room_files(package: str) -> List[str]:
    """Return the source files of the rooms below `package`, as relative paths, in a fixed order."""
    found = ["__init__.py"]
    for room in ROOMS:
        for directory, _, names in sorted(os.walk(os.path.join(package, room))):
            relative = os.path.relpath(directory, package)
            sources = sorted(name for name in names if name.endswith(".py"))
            found += [os.path.normpath(os.path.join(relative, name)) for name in sources]
    return found


def content_hash(package: str) -> str:
    """Return 16 hexadecimal digits over names and content of the rooms below `package`."""
    digest = hashlib.sha256()
    for name in room_files(package):
        with open(os.path.join(package, name), "rb") as file:
            digest.update(name.encode() + b"\0" + file.read() + b"\0")
    return digest.hexdigest()[:16]
