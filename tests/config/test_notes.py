from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eas_processor.config.notes import parse_json, read_json
from eas_processor.errors import ServiceFileError

# What may stand between the parts of a JSON text: json itself knows only the first four.
FILLING = st.sampled_from(
    ["", " ", "\n", "\t", "/* a, ] */", "# ,}\n", '// "b\n', "/**/", "/*\n*/"]
)
TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT | st.sampled_from(["http://a/*b*/#c", ",]", "//", '"', '\\"', "\\"]),
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=15,
)  # fmt: skip


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_reads_plain_json_as_json_does(value: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert parse_json(text, "f") == json.loads(text)


@given(VALUES, st.data())
def test_comments_and_last_commas_change_nothing(value: Any, data: st.DataObject) -> None:
    def write(part: Any) -> str:
        fill = lambda: data.draw(FILLING)  # noqa: E731
        if isinstance(part, dict):
            pairs = [f"{fill()}{json.dumps(k)}{fill()}:{write(v)}" for k, v in part.items()]
            opening, members, closing = "{", pairs, "}"
        elif isinstance(part, list):
            opening, members, closing = "[", [write(each) for each in part], "]"
        else:
            return f"{fill()}{json.dumps(part)}{fill()}"
        last = f"{fill()}," if members and data.draw(st.booleans()) else ""
        return f"{opening}{','.join(members)}{last}{fill()}{closing}{fill()}"

    assert parse_json(write(value), "f") == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f: is empty"),
        (" \n", "f: is empty"),
        ('{\n  "a": 1\n  "b": 2}', "f: line 3, column 3: not JSON"),
        ('{ /* x\n */ "a" 1}', "f: line 2, column 9: not JSON"),
        ("[,]", "not JSON"),
        ("{,}", "not JSON"),
        ("[1,,]", "not JSON"),
        ('{"a": 1} 2', "f: line 1, column 10: not JSON"),
        ("{\n/* a */ /* b", "f: line 2: the comment that begins here never ends"),
        ("{} /*/", "never ends"),
        ('{"a": {"b": 1, "b": 2}}', "the key 'b' is given twice"),
        ('{"a": NaN}', "NaN is not a JSON value"),
        (r'{"a": "x\u0000"}', r"a string contains \u0000"),
        (r'{"a": ["\ud83d"]}', r"a string contains \ud83d"),
        ("[" * 100_000, "nested too deeply"),
        ("9" * 10_000, "f: "),
    ],
)
def test_refusals_say_where_and_what(text: str, message: str) -> None:
    with pytest.raises(ServiceFileError) as caught:
        parse_json(text, "f")
    assert message in str(caught.value)
    assert str(caught.value).startswith("f: ")


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(path) == {"a": 1}


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    utf16 = tmp_path / "utf16.json"
    utf16.write_bytes("{}".encode("utf-16"))
    for path, message in (
        (tmp_path / "none.json", "no such file"),
        (tmp_path, "is a directory"),
        (utf16, "is not UTF-8 text"),
    ):
        with pytest.raises(ServiceFileError) as caught:
            read_json(path)
        assert str(caught.value).startswith(f"{path}: {message}")
