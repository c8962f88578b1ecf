from __future__ import annotations

import ast
from pathlib import Path

from benchmarks.python_processors import PROCESSORS, write_services
from eas_processor.config import load_service
from eas_processor.worker.python_file import defines_hooks


def test_each_processor_has_a_service_file_and_code_of_its_kind(tmp_path: Path) -> None:
    write_services(tmp_path)
    for name in PROCESSORS:
        loaded = load_service(tmp_path / f"{name}.json")
        assert loaded.service.processor_path == f"./{name}.py"
        tree = ast.parse((tmp_path / f"{name}.py").read_text())
        assert defines_hooks(tree) == (name != "allspark")
