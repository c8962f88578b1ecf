"""The notebook: it runs from the first cell to the last, and is stored without outputs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
from fixtures import need

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebook" / "first_calls.ipynb"


@pytest.fixture
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel `python3` of this interpreter, before any that the user has."""
    kernel = tmp_path / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.joinpath("kernel.json").write_text(
        json.dumps({"argv": command, "display_name": "Python 3", "language": "python"})
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def results(notebook: Any) -> dict[str, str]:
    """Return the text of each cell's last result, by the cell's id."""
    return {
        cell.id: output.data["text/plain"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "execute_result"
    }


@pytest.mark.slow
@pytest.mark.usefixtures("kernels")
def test_it_runs_from_the_first_cell_to_the_last() -> None:
    need.module("tensorflow")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=180, kernel_name="python3").execute()
    shown = results(notebook)
    assert shown["call-http"] == shown["call-grpc"] == "array([2.5, 3. , 4.5], dtype=float32)"
    assert shown["stop"] == "0"


def test_it_has_no_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    ran = [cell.id for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")]
    assert ran == []
