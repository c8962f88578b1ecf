"""`eascmd completion`: a script for each shell, printed or installed."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from fixtures import need

from eas_processor.cli.completion import SHELLS
from eas_processor.cli.main import main
from eas_processor.cli.parser import make_parser


@pytest.fixture
def shtab(monkeypatch: pytest.MonkeyPatch) -> None:
    def complete(parser: Any, *, shell: str) -> str:
        return f"{shell} {parser.prog}"

    fake = types.ModuleType("shtab")
    fake.complete = complete  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "shtab", fake)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a home directory of a user with bash."""
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "BASH_COMPLETION_USER_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/usr/bin/bash")
    return tmp_path


@pytest.mark.parametrize("shell", SHELLS)
def test_it_is_printed(
    shtab: None, home: Path, shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    assert capsys.readouterr().out == f"{shell} eascmd\n"
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "path", "content"),
    [
        ([], ".local/share/bash-completion/completions/eascmd", "bash"),
        (["bash"], ".local/share/bash-completion/completions/eascmd", "bash"),
        (["zsh"], ".local/share/zsh/site-functions/_eascmd", "zsh"),
        (["fish"], ".config/fish/completions/eascmd.fish", "fish"),
    ],
)
def test_it_is_installed_where_the_shell_looks(
    shtab: None,
    home: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    path: str,
    content: str,
) -> None:
    assert main(["completion", *words, "--install"]) == 0
    assert (home / path).read_text() == f"{content} eascmd\n"
    said = capsys.readouterr().out
    assert f"wrote {home / path}" in said
    assert f"To undo it: rm {home / path}" in said
    if content == "zsh":
        assert f"fpath=({(home / path).parent} $fpath)" in said


def test_the_users_own_directories_count(
    shtab: None, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    assert main(["completion", "zsh", "--install"]) == 0
    assert main(["completion", "fish", "--install"]) == 0
    assert (home / "data" / "zsh" / "site-functions" / "_eascmd").exists()
    assert (home / "config" / "fish" / "completions" / "eascmd.fish").exists()
    monkeypatch.setenv("BASH_COMPLETION_USER_DIR", f"{home / 'bash'}:/elsewhere")
    assert main(["completion", "bash", "--install"]) == 0
    assert (home / "bash" / "completions" / "eascmd").exists()


def test_a_shell_that_is_not_known_must_be_named(
    shtab: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHELL", "/bin/sh")
    with pytest.raises(SystemExit):
        main(["completion", "--install"])
    assert "name the shell: bash, zsh, fish" in capsys.readouterr().err


def test_a_directory_that_cannot_be_written_is_named(
    shtab: None, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".config").write_text("a file, not a directory")
    assert main(["completion", "fish", "--install"]) == 1
    said = capsys.readouterr().err
    assert f"{home}/.config/fish/completions/eascmd.fish cannot be written" in said
    assert "run `eascmd completion fish`" in said


def test_bash_completes_a_command(tmp_path: Path) -> None:
    """The real script, in a real shell."""
    shtab = need.module("shtab")
    bash = need.path_of("bash")
    script = tmp_path / "eascmd.bash"
    script.write_text(shtab.complete(make_parser(), shell="bash"))
    ask = (
        f"source {script}; COMP_WORDS=(eascmd sch); COMP_CWORD=1; _shtab_eascmd; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run([bash, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["schema"]


def test_completion_without_shtab_names_the_extra() -> None:
    program = (
        "import sys; sys.modules['shtab'] = None; "
        "from eas_processor.cli.main import main; sys.exit(main(['completion', 'bash']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 1
    assert "extra `completion`" in done.stderr
    assert "Traceback" not in done.stderr
