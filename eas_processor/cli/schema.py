"""`eascmd schema`: the JSON Schema of a service file."""

from __future__ import annotations

import json

from eas_processor.config import json_schema


def print_schema() -> None:
    """Print the schema. Editors use it to check and complete a service file."""
    print(json.dumps(json_schema(), indent=2))
