"""The example in C, built by its Makefile: served, killed by its own crashes, and updated."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos.killers import Callee, Calls
from fixtures import need
from fixtures.compiled import shared_object
from fixtures.many import EASCMD, FAST, Many, eventually, write_service

EXAMPLE = Path(__file__).parents[2] / "examples" / "c_processor"
ROW = b"1,2,3"
SCORES = {1: b"14.5\n", 2: b"29\n"}
"""What the row comes to, by the scale of the weights."""
CRASHES = 4


def build_scaled(directory: Path, scale: int) -> None:
    """Build the example that can crash, which needs a library beside it."""
    directory.mkdir(exist_ok=True)
    shared_object(directory / "libscale.so", f"-DSCALE={scale}", source="crashing_linear.c")
    options = ["-std=gnu99", f"-I{EXAMPLE}", "-Wl,--no-as-needed", f"-L{directory}", "-lscale"]
    shared_object(directory / "librank.so", *options, source="crashing_linear.c")


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the example that has been built as its README says."""
    copy = tmp_path_factory.mktemp("example") / "c_processor"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("build"))
    need.path_of("cc")
    subprocess.run([need.path_of("make"), "--silent", "CFLAGS=-Wall -Werror"], cwd=copy, check=True)
    return copy


@pytest.fixture(scope="module")
def engine(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Many]:
    """An engine with the example, and with `rank`, two instances of it that can crash."""
    home = tmp_path_factory.mktemp("home")
    build_scaled(home / "rank", 1)
    rank = write_service(
        home / "rank.json",
        processor="",
        processor_path="rank",
        processor_entry="librank.so",
        processor_type="cpp",
        model_path=str(example / "weights.txt"),
        metadata={**FAST["metadata"], "instance": 2},
    )
    engine = Many(home, example / "service.json", rank, program=EASCMD)
    eventually(lambda: engine.get("/readyz")[0] == 200)
    yield engine
    engine.stop()


def test_the_example_answers_as_its_readme_says(engine: Many) -> None:
    assert engine.ask("scorer", ROW) == (200, "14.5\n")
    assert engine.ask("scorer", ROW + b"\n-1,0,0\n") == (200, "14.5\n-0.5\n")
    assert engine.ask("scorer", b"") == (200, "a row has 3 numbers\n")
    status, _, text = engine.http("GET", "/api/predict/scorer", token=engine.token("scorer"))
    assert (status, text) == (200, "a row has 3 numbers\n")


@pytest.mark.parametrize("row", [b"1,2", b"1,2,3,4", b"1,2,x", b"[1, 2, 3]"])
def test_a_row_of_another_kind_gets_the_status_and_sentence_of_the_processor(
    engine: Many, row: bytes
) -> None:
    expected = "row 2: expected 3 numbers with commas between them\n"
    assert engine.ask("scorer", ROW + b"\n" + row) == (400, expected)


def test_crashes_and_updates_under_load_lose_nothing_else(engine: Many) -> None:
    """A library that cannot be loaded is refused at a reload, and the old version serves on."""
    token, right = engine.token("rank"), SCORES.values()
    callee = Callee("rank", token, lambda _: ROW, lambda _, answer: answer in right)
    calls = Calls(engine, [callee], connections=16)
    for number in range(CRASHES):
        before = engine.pids("rank")
        status, text = engine.ask("rank", b"crash %d" % number)
        assert status == 500 and "crashed (killed by SIGSEGV)" in text
        eventually(lambda before=before: engine.pids("rank") != before)
        eventually(lambda: [each["state"] for each in engine.instances("rank")] == ["ready"] * 2)
    assert engine.ask("rank", ROW) == (200, SCORES[1].decode())

    directory = engine.home / "rank"
    (directory / "libscale.so").write_bytes(b"")
    refused = engine.eascmd("reload", "rank")
    assert refused.returncode == 1
    assert "libscale.so: file too short" in refused.stderr
    assert engine.ask("rank", ROW) == (200, SCORES[1].decode())

    build_scaled(directory, 2)
    assert engine.eascmd("reload", "rank").returncode == 0
    for _ in range(20):
        assert engine.ask("rank", ROW) == (200, SCORES[2].decode())
    calls.stop(f"{CRASHES} crashes, a refused update and an update")
    assert calls.failed == {}
    assert not engine.tracebacks


def test_a_model_that_the_library_refuses_ends_the_start(example: Path, tmp_path: Path) -> None:
    (example / "words.txt").write_text("no numbers")
    service = write_service(
        tmp_path / "scorer.json",
        processor="",
        processor_path=str(example / "build" / "liblinear.so"),
        model_path=str(example / "words.txt"),
    )
    engine = Many(tmp_path / "home", service, program=EASCMD)
    assert engine.process.wait(60) == 1
    assert "expected a bias and weights, all numbers" in engine.log
    assert "liblinear.so refused the model" in engine.log.splitlines()[-1]
