"""A software bill of materials, made from locks."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_PACKAGE = re.compile(
    r"^([\w.-]+)==([\w.+!-]+)(?: ; [^\\\n]+)?((?:[ \\]*\n +--hash=sha256:[0-9a-f]{64})*)",
    re.MULTILINE,
)
_HASH = re.compile(r"[0-9a-f]{64}")
_NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # of URLs, RFC 9562


def bill_of_materials(name: str, version: str, locks: Sequence[Path]) -> str:
    """
    Return a CycloneDX 1.6 document, in JSON, with each package of the locks.

    It contains no time, so that the same locks give the same bytes. A package has a hash for each
    of its files; an installation uses one of them.
    """
    components = [each for lock in locks for each in _components(lock.read_text("ascii"))]
    document: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": name,
                "name": name,
                "version": version,
            }
        },
        "components": components,
        "dependencies": [
            {"ref": name, "dependsOn": sorted(each["bom-ref"] for each in components)}
        ],
    }
    number = uuid.uuid5(_NAMESPACE, json.dumps(document, sort_keys=True))
    document["serialNumber"] = f"urn:uuid:{number}"
    return json.dumps(document, indent=2) + "\n"


def _components(lock: str) -> list[dict[str, Any]]:
    return [
        {
            "type": "library",
            "bom-ref": (purl := f"pkg:pypi/{_normalised(name)}@{version}"),
            "name": name,
            "version": version,
            "purl": purl,
            "hashes": [{"alg": "SHA-256", "content": each} for each in _HASH.findall(hashes)],
        }
        for name, version, hashes in _PACKAGE.findall(lock)
    ]


def _normalised(name: str) -> str:
    """Return the name in the form of PEP 503, which package URLs use."""
    return re.sub(r"[-_.]+", "-", name).lower()
