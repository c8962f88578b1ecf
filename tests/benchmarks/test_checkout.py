from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.checkout import Side, check_worker, processor_s, serving
from benchmarks.contender import HERE, Unavailable
from benchmarks.service import make_models
from benchmarks.versus_rows import ALL, SERVICES, Row

ROOT = HERE.parent
MARK = "# of the copy\n"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout with other code in every file."""
    shutil.copytree(ROOT / "eas_processor", tmp_path / "copy" / "eas_processor")
    for file in (tmp_path / "copy").rglob("*.py"):
        file.write_text(file.read_text() + MARK)
    return tmp_path / "copy"


def test_a_directory_without_the_code_is_refused(tmp_path: Path) -> None:
    # The package is installed in this environment: it must not be taken for the checkout's.
    with (
        pytest.raises(Unavailable, match=r"the code of .* is not found"),
        serving(tmp_path / "empty", SERVICES["on"], tmp_path, tmp_path / "scratch"),
    ):
        pass


@contextlib.contextmanager
def waiting(*arguments: str | Path, code: str = "") -> Iterator[int]:
    """Run `code` in a process of these arguments, and keep it; the process."""
    program = f"{code}\nprint(flush=True)\ninput()"
    command = [sys.executable, "-c", program, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.communicate(b"\n")


def test_a_worker_that_runs_other_code_is_refused(copy: Path) -> None:
    with waiting(copy) as launcher:
        check_worker(copy, launcher)
        with pytest.raises(Unavailable, match="differs from"):
            check_worker(ROOT, launcher)


def test_a_process_that_names_no_code_is_refused(copy: Path) -> None:
    with waiting() as launcher, pytest.raises(Unavailable, match="names no copy of the code"):
        check_worker(copy, launcher)


def test_processor_time_counts_threads_that_have_ended() -> None:
    code = (
        "import threading, time\n"
        "def burn():\n    while time.thread_time() < 0.2: pass\n"
        "thread = threading.Thread(target=burn); thread.start(); thread.join()"
    )
    with waiting(code=code) as process:
        assert processor_s(process) >= 0.2
    with pytest.raises(Unavailable, match="has ended"):
        processor_s(process)


@pytest.mark.slow
def test_a_checkout_runs_its_own_code_and_does_every_kind_of_row(copy: Path) -> None:
    heads = copy / "eas_processor" / "frontends" / "http" / "heads.py"
    heads.write_text(heads.read_text().replace("Server: eas", "Server: own"))
    work = copy.parent
    make_models(work)
    with serving(copy, SERVICES["on"], work / "mlp", work / "scratch") as side:
        with urllib.request.urlopen(side.url.partition("/api/")[0] + "/healthz") as answer:
            assert answer.headers["Server"] == "own"
        for row in ALL:
            if row.service == "on":
                small = Row(row.name, 1, row.body, row.paths, row.beside)
                _check_round(side, small)


def _check_round(side: Side, row: Row) -> None:
    assert [each.shape[1] for each in side.answers(row)] == [10] * len(side.answers(row))
    known = side.load(row, 0.2)
    assert known.throughput > 0 and known.p50 > 0
    if row.beside:
        assert known.engine is None and known.worker is None
    else:
        assert known.engine and known.worker and known.engine > 0 < known.worker
