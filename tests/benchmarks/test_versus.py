from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks import versus
from benchmarks.checkout import Round
from benchmarks.contender import HERE, Unavailable
from benchmarks.versus_rows import Row
from benchmarks.versus_table import Measured

ROOT = HERE.parent


class FakeSide:
    """Answers with a number, and notes in which order it is loaded."""

    def __init__(self, name: str, order: list[str], *, answer: float = 1.0) -> None:
        self.name, self.order, self.answer = name, order, answer
        self.fails_at: set[int] = set()
        self.rounds = 0

    def answers(self, row: Row) -> list[np.ndarray]:
        return [np.array([self.answer])]

    def load(self, row: Row, seconds: float) -> Round:
        self.order.append(f"{self.name} {row.name}")
        self.rounds += 1
        if self.rounds in self.fails_at:
            raise Unavailable("1 of 5 requests failed")
        return Round(1000.0, 1.0, 10.0, 10.0)


@pytest.fixture
def order() -> list[str]:
    return []


@pytest.fixture
def sides(order: list[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeSide]:
    known = {name: FakeSide(name, order) for name in ("old", "new")}

    @contextlib.contextmanager
    def serving(checkout: Path, *_: object) -> Iterator[FakeSide]:
        if checkout.name not in known:
            raise Unavailable("it did not start")
        yield known[checkout.name]

    monkeypatch.setattr(versus, "serving", serving)
    return known


def compare(*names: str, old: str = "old", pairs: int = 2) -> list[Measured]:
    rows = [Measured(Row(name, 1)) for name in names]
    versus.compare((Path(old), Path("new")), rows, pairs, 0.1, Path())
    return rows


def test_rounds_alternate_and_the_order_is_swapped(
    sides: dict[str, FakeSide], order: list[str]
) -> None:
    compare("on-1", "on-8")
    warm_up, first, second = order[:4], order[4:8], order[8:]
    assert warm_up == first == ["old on-1", "new on-1", "old on-8", "new on-8"]
    assert second == ["new on-1", "old on-1", "new on-8", "old on-8"]


def test_different_answers_are_not_timed(sides: dict[str, FakeSide]) -> None:
    sides["new"].answer = 1.0000001
    (row,) = compare("on-1")
    assert not row.pairs and row.left_out == ["old and new give different answers"]


def test_a_row_that_old_cannot_do_is_left_out(sides: dict[str, FakeSide]) -> None:
    sides["old"].fails_at = {1}
    first, second = compare("on-1", "on-8")
    assert not first.pairs and first.left_out == ["old: 1 of 5 requests failed"]
    assert len(second.pairs) == 2 and not second.left_out


def test_a_round_that_fails_takes_its_pair_along_alone(sides: dict[str, FakeSide]) -> None:
    sides["new"].fails_at = {3}  # after the warm-up and the first pair
    (row,) = compare("on-1", pairs=3)
    assert list(row.pairs) == [0, 2]
    assert row.left_out == ["pair 2, new: 1 of 5 requests failed"]


def test_a_server_that_does_not_start_is_said_with_each_row(sides: dict[str, FakeSide]) -> None:
    for row in compare("on-1", "on-8", old="older"):
        assert not row.pairs and row.left_out == ["old: it did not start"]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.versus", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["/"], "/ is no checkout of this repository"),
        ([ROOT, "--rows", "on-3"], "no row matches 'on-3'"),
        ([ROOT, "--pairs", "0"], "must be above 0"),
        ([ROOT, "--json", "/nowhere/file"], "there is no directory /nowhere"),
    ],
)
def test_what_cannot_be_compared_is_refused_at_once(
    arguments: list[str | Path], sentence: str
) -> None:
    done = run(*arguments)
    assert done.returncode == 2 and sentence in done.stderr


@pytest.mark.slow
def test_the_command_compares_a_checkout_with_itself(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    options = ["--pairs", "1", "--seconds", "0.2", "--rows", "on-1", "inline-8", "--json", file]
    done = run(ROOT, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "geometric mean over 2 rows, requests/s" in done.stdout
    known = json.loads(file.read_text())
    assert [len(each["pairs"]) for each in known["rows"]] == [1, 1]
    assert done.stderr == ""
