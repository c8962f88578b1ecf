from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fixtures.yard import Yard


@pytest.fixture
def yard(tmp_path: Path, service: Callable[..., Any]) -> Yard:
    return Yard(tmp_path / "models", service)
