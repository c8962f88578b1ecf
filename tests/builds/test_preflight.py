from __future__ import annotations

import pytest

from eas_processor.builds import preflight
from eas_processor.builds.catalogue import find_entry
from eas_processor.builds.preflight import check_machine
from eas_processor.errors import BuildError

ENTRY = find_entry("tensorflow_cpu_1.14")


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which the build runs."""
    monkeypatch.setattr(preflight.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(preflight, "glibc", lambda: (2, 23))
    monkeypatch.setattr(preflight, "processor_flags", lambda: frozenset({"sse2", "avx"}))


def refusal() -> str:
    with pytest.raises(BuildError) as error:
        check_machine(ENTRY)
    return str(error.value)


def test_a_machine_that_fits() -> None:
    check_machine(ENTRY)


def test_another_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight.platform, "machine", lambda: "aarch64")
    assert refusal() == (
        "tensorflow_cpu_1.14 runs only on Linux x86-64, and this is Linux on aarch64"
    )


def test_without_avx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "processor_flags", lambda: frozenset({"sse2"}))
    assert "is compiled for processors with AVX, and this one has none" in refusal()


def test_a_system_that_does_not_say_what_its_processor_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preflight, "processor_flags", frozenset)
    check_machine(ENTRY)


def test_musl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "glibc", lambda: None)
    assert "needs glibc 2.23 or newer, and this system's C library is another" in refusal()


def test_an_old_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "glibc", lambda: (2, 17))
    assert refusal().endswith("needs glibc 2.23 or newer, and this system has 2.17")


@pytest.mark.parametrize(
    ("said", "version"),
    [("glibc 2.31", (2, 31)), ("glibc 2.31.9000", (2, 31)), ("musl 1.2", None), ("", None)],
)
def test_reads_the_version(
    monkeypatch: pytest.MonkeyPatch, said: str, version: tuple[int, int] | None
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(preflight.os, "confstr", lambda _: said)
    assert preflight.glibc() == version
