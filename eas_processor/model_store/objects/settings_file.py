"""Reads the settings files of the stores' own tools."""

from __future__ import annotations

import configparser
import os
from pathlib import Path

from eas_processor.errors import ModelFetchError
from eas_processor.home import user_home

Sections = dict[str, dict[str, str]]


def place_of(variable: str, *parts: str) -> Path | None:
    """Return the path in an environment variable, else the path `parts` in the user's home."""
    if named := os.environ.get(variable, ""):
        return Path(os.path.expanduser(named))
    home = user_home()
    return home.joinpath(*parts) if home else None


def read_text(path: Path | None) -> str:
    """Return the text of a file, '' if it does not exist. Raises ModelFetchError."""
    try:
        return path.read_text(encoding="utf-8-sig") if path else ""
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise ModelFetchError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ModelFetchError(f"{path} is not text in UTF-8") from None


def read_sections(path: Path | None) -> Sections:
    """
    Return the sections of an INI file, none if it does not exist. Raises ModelFetchError.

    Names are in lower case, and keys are without `-` and `_`, as the tools read them.
    """
    parser = configparser.ConfigParser(
        strict=False, interpolation=None, default_section="", allow_no_value=True
    )
    try:
        parser.read_string(read_text(path))
    except configparser.Error as error:
        # The text of the error contains the line, which may have a secret.
        line = getattr(error, "lineno", 0) or next(iter(getattr(error, "errors", [(0,)])))[0]
        raise ModelFetchError(f"{path}, line {line}: expected [section] or key = value") from None
    return {
        name.strip().lower(): {_plain(key): (value or "").strip() for key, value in items.items()}
        for name, items in parser.items()
    }


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
