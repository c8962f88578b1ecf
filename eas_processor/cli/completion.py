"""`eascmd completion`: print or install a shell's script that completes commands and options."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

from eas_processor.errors import SetupError

SHELLS = ("bash", "zsh", "fish")


def print_completion(shell: str) -> None:
    """Print the script for a shell."""
    print(script(shell))


def install_completion(shell: str) -> None:
    """Write the script to the directory of the user's shell, and print how to undo that."""
    path = path_of_script(shell)
    text = script(shell) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SetupError(
            f"{path} cannot be written ({error.strerror}): run `eascmd completion {shell}` and "
            "save what it prints where your shell looks for it"
        ) from error
    print(f"wrote {path}; new shells complete eascmd. To undo it: rm {path}")
    if shell == "zsh":
        print(f"zsh needs this line in ~/.zshrc, before `compinit`: fpath=({path.parent} $fpath)")
    if shell == "bash":
        print("bash needs the package bash-completion, which most systems have")


def script(shell: str) -> str:
    """Return the script for a shell, made from the parser."""
    from eas_processor.cli.parser import make_parser

    text: str = import_module("shtab").complete(make_parser(), shell=shell)
    return text


def path_of_script(shell: str) -> Path:
    """Return the file in the user's own directories from which the shell loads the script."""
    data = _directory("XDG_DATA_HOME", ".local/share")
    if shell == "bash":
        own = os.environ.get("BASH_COMPLETION_USER_DIR", "").partition(":")[0]
        return Path(own or data / "bash-completion") / "completions" / "eascmd"
    if shell == "zsh":
        return data / "zsh" / "site-functions" / "_eascmd"
    return _directory("XDG_CONFIG_HOME", ".config") / "fish" / "completions" / "eascmd.fish"


def shell_of_user() -> str:
    """Return the name of the user's shell, '' if SHELL does not name a supported one."""
    name = Path(os.environ.get("SHELL", "")).name
    return name if name in SHELLS else ""


def _directory(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / default)
