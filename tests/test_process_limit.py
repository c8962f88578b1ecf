from __future__ import annotations

import resource
from pathlib import Path

import pytest

from eas_processor.process_limit import _advice, advised, is_shortage


@pytest.fixture
def rlimit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (500, 500))


def machine(directory: Path, cgroup: str, **limits: str) -> tuple[Path, Path]:
    """Write what /proc and /sys/fs/cgroup say; the limits are by directory, `__` for a slash."""
    (directory / "self").mkdir()
    (directory / "self" / "cgroup").write_text(cgroup)
    for name, limit in limits.items():
        at = directory / "cgroup" / name.replace("__", "/")
        at.mkdir(parents=True, exist_ok=True)
        (at / "pids.max").write_text(f"{limit}\n")
    return directory, directory / "cgroup"


@pytest.mark.parametrize(
    ("cgroup", "limits"),
    [
        ("0::/a/b\n", {"a__b": "max", "a": "16"}),
        ("0::/\n", {".": "16"}),
        ("3:cpu:/x\n4:pids:/a\n0::/\n", {"pids__a": "16", "pids": "max"}),
        ("4:pids:/docker/of-the-host\n", {"pids": "16"}),
    ],
)
def test_a_container_that_may_have_few_processes_is_told_its_setting(
    tmp_path: Path, rlimit: None, cgroup: str, limits: dict[str, str]
) -> None:
    said = _advice(*machine(tmp_path, cgroup, **limits))
    assert "16 processes" in said and "--pids-limit" in said


def test_a_user_who_may_have_few_processes_is_told_to_raise_ulimit(
    tmp_path: Path, rlimit: None
) -> None:
    assert "500 processes" in _advice(*machine(tmp_path, "0::/a\n", a="max"))
    assert "ulimit -u" in _advice(tmp_path / "none", tmp_path / "none")


def test_without_a_limit_the_machine_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY,) * 2)
    assert "threads-max" in _advice(tmp_path, tmp_path)


@pytest.mark.parametrize(
    "words",
    [
        "RuntimeError: can't start new thread",
        "F0000 env.cc:74] Check failed: ret == 0 (11 vs. 0)Thread tf_ creation via "
        "pthread_create() failed.",
        "a worker cannot be forked: Resource temporarily unavailable",
    ],
)
def test_only_a_shortage_is_advised(words: str) -> None:
    assert is_shortage(words)
    assert advised(words).startswith(f"{words}; ") and "processes and threads" in advised(words)
    assert advised("the model is broken") == "the model is broken"
