"""What `eascmd` says to wrong or unusual usage: slips, the vendor's commands and help."""

from __future__ import annotations

import pytest

from eas_processor import __version__
from eas_processor.cli.main import main
from eas_processor.cli.parser import make_parser
from eas_processor.cli.vendor_commands import NAMES

COMMANDS = sorted(make_parser().commands)
OF_THE_VENDOR = (
    "create modify desc ls list version stop start delete scale autoscale showworkers dw "
    "deleteworkers upload pysdk resource release config"
)


@pytest.mark.parametrize("name", sorted({*NAMES, *OF_THE_VENDOR.split()}))
def test_each_command_of_the_vendor_says_what_to_use_here(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "digits"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"eascmd: `{name}` ")
    assert "here" in line


@pytest.mark.parametrize("words", [["bench", "create", "x.json"], ["-c", "keys", "w"]])
def test_longer_spellings_of_the_vendor(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "here" in line


def test_none_of_them_hides_a_command() -> None:
    assert not set(NAMES) & set(COMMANDS)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["serv", "x"], "did you mean serve?"),
        (["benhc"], "did you mean bench?"),
        (["modfy"], "did you mean modify?"),
        (["serve", "x", "--prot", "3"], "--prot: did you mean --port?"),
        (["serve", "x", "--prot=3"], "--prot: did you mean --port?"),
        (["predict", "http://x", "--inptu", "1"], "--inptu: did you mean --input?"),
    ],
)
def test_a_slip_is_told_what_was_meant(
    words: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert meant in capsys.readouterr().err


def test_help_and_version_are_commands_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out.startswith(f"eascmd {__version__}\n")
    assert main(["help"]) == 0
    assert "warmup-file" in capsys.readouterr().out
    assert main(["help", "bench"]) == 0
    assert "--rate" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_80_columns(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["help", command] if command else ["help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    # Each command has its text beside it.
    assert not command or "usage: eascmd " + command in lines[0]
    if not command:
        (line,) = [each for each in lines if "warmup-file" in each]
        assert "write a file" in line
