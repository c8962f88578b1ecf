"""A service whose files are at places that few would choose."""

from __future__ import annotations

from pathlib import Path

from fixtures.many import EASCMD, many, write_service

PROCESSOR = Path(__file__).parents[1] / "processors" / "echo.py"


def test_a_temporary_directory_with_a_name_too_long_for_a_socket(tmp_path: Path) -> None:
    """The path of a Unix socket has at most 107 bytes; no socket here has a path."""
    home = tmp_path / ("a long name " * 10 + "é")
    home.mkdir()
    file = write_service(
        home / "service.json",
        name="echo",
        processor="",
        processor_path=str(PROCESSOR),
        processor_type="python",
    )
    with many(home, file, program=EASCMD) as engine:
        assert engine.ask("echo", b"hello") == (200, "hello")
        assert len(str(engine.temporary)) > 108
        assert engine.stop() == 0
        assert engine.left() == []
