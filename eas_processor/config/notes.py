"""A reader of JSON that accepts comments, trailing commas and a byte order mark."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NoReturn

from eas_processor.errors import ServiceFileError

_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_STRING_OR_COMMENT = re.compile(rf"{_STRING}|//[^\n]*|#[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_STRING_OR_LAST_COMMA = re.compile(rf"{_STRING}|,(?=\s*[\]}}])", re.DOTALL)
_NOT_TEXT = re.compile(r"[\0\ud800-\udfff]")
_NOT_BLANK = re.compile(r"[^\n]")


def read_json(path: Path) -> Any:
    """
    Return the value in the JSON file at `path`.

    Raises ServiceFileError, which names the file, and the line and column if the syntax is wrong.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ServiceFileError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise ServiceFileError(f"{path}: is a directory, expected a JSON file") from None
    except OSError as error:
        raise ServiceFileError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ServiceFileError(f"{path}: is not UTF-8 text (byte {error.start})") from None
    return parse_json(text, str(path))


def parse_json(text: str, name: str) -> Any:
    """Return the value of a JSON text. Raises ServiceFileError, which begins with `name`."""
    if not text.strip():
        raise ServiceFileError(f"{name}: is empty, expected a JSON object")
    plain = _without_last_commas(_without_comments(text, name))
    try:
        value = json.loads(plain, object_pairs_hook=_object, parse_constant=_no_constant)
        _check_strings(value)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ServiceFileError(f"{name}: {where}: not JSON: {error.msg}") from None
    except RecursionError:
        raise ServiceFileError(f"{name}: is nested too deeply") from None
    except ValueError as error:
        raise ServiceFileError(f"{name}: {error}") from None
    return value


# Comments become spaces, so that the positions in errors of `json` stay right.
def _without_comments(text: str, name: str) -> str:
    def blank(match: re.Match[str]) -> str:
        found = match[0]
        if found.startswith('"'):
            return found
        if found.startswith("/*") and not (found.endswith("*/") and len(found) >= len("/**/")):
            line = text.count("\n", 0, match.start()) + 1
            raise ServiceFileError(f"{name}: line {line}: the comment that begins here never ends")
        return _NOT_BLANK.sub(" ", found)

    return _STRING_OR_COMMENT.sub(blank, text)


def _without_last_commas(text: str) -> str:
    def blank(match: re.Match[str]) -> str:
        if match[0] != ",":
            return match[0]
        before = text[: match.start()].rstrip()
        return "," if before.endswith(("[", "{", ",")) else " "

    return _STRING_OR_LAST_COMMA.sub(blank, text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"the key {key!r} is given twice in one object")
        result[key] = value
    return result


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON value")


def _check_strings(value: Any) -> None:
    """Refuse NUL, which no path or header can contain, and unpaired surrogates."""
    if isinstance(value, dict):
        for key, member in value.items():
            _check_strings(key)
            _check_strings(member)
    elif isinstance(value, list):
        for member in value:
            _check_strings(member)
    elif isinstance(value, str) and (bad := _NOT_TEXT.search(value)):
        code = f"\\u{ord(bad[0]):04x}"
        raise ValueError(f"a string contains {code}, which is not a valid character: remove it")
