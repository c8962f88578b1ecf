"""`--inputs`, `--input_exprs` and `--input_examples` of `eascmd run --dir`."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from eas_processor.cli.saved_model_inputs import read_given
from eas_processor.errors import CallError


class Opened:
    """What runs code when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, ("/dev/null", "w")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", np.array([[1.5]]))
    np.savez("two.npz", x=np.array([1]), y=np.array([2]))
    np.savez("one.npz", z=np.array([3]))
    Path("dict.pkl").write_bytes(pickle.dumps({"k": np.array([4])}))
    Path("text.npy").write_text("hello")
    return tmp_path


def test_files(files: Path) -> None:
    given = read_given("p=a.npy;q=two.npz[y];r=one.npz; s = one.npz[z];", "", "")
    assert {key: value.tolist() for key, value in given.items()} == {
        "p": [[1.5]],
        "q": [2],
        "r": [3],
        "s": [3],
    }


def test_a_variable_of_a_file_of_one_array(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert read_given("p=a.npy[x]", "", "")["p"].tolist() == [[1.5]]
    assert capsys.readouterr().err == "a.npy contains one array; [x] is ignored\n"


def test_a_pickle_is_read_only_when_asked_for(files: Path) -> None:
    with pytest.raises(CallError, match=r"dict\.pkl contains a pickle .* add --allow_pickle"):
        read_given("p=dict.pkl[k]", "", "")
    assert read_given("p=dict.pkl[k]", "", "", allow_pickle=True)["p"].tolist() == [4]
    np.savez("objects.npz", o=np.array([Opened()], dtype=object))
    with pytest.raises(CallError, match=r"objects\.npz contains a pickle"):
        read_given("p=objects.npz", "", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("p", "--inputs: expected KEY=VALUE, separated by ';', got 'p'"),
        ("p=a.npy[", "--inputs: expected FILE or FILE[VARIABLE], got 'a.npy['"),
        ("p=none.npy", "--inputs: none.npy: No such file or directory"),
        ("p=two.npz", "--inputs: two.npz has the arrays x, y; choose with two.npz[NAME]"),
        ("p=two.npz[k]", "--inputs: two.npz has no array 'k'; it has x, y"),
        ("p=text.npy", "--inputs: text.npy contains a pickle or is not a .npy or .npz file"),
    ],
)
def test_bad_files_get_a_sentence(files: Path, text: str, message: str) -> None:
    with pytest.raises(CallError) as error:
        read_given(text, "", "")
    assert str(error.value).startswith(message)


def test_expressions_are_divided_outside_of_quotes_and_brackets() -> None:
    given = read_given("", """a=[1];b=['x;y', "it's;"];""", "")
    assert given == {"a": [1], "b": ["x;y", "it's;"]}


def test_expressions_go_before_files_and_examples_before_both(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = read_given("p=a.npy;q=a.npy", "p=[2];q=[3]", "q=[{}]")
    assert given["p"] == [2]
    assert given["q"].tolist() == [b"\n\x00"]
    assert capsys.readouterr().err.splitlines() == [
        "input p is given twice; --input_exprs is used",
        "input q is given twice; --input_exprs is used",
        "input q is given twice; --input_examples is used",
    ]


def test_examples_are_those_of_tensorflow() -> None:
    """
    The bytes are from `saved_model_cli.preprocess_input_examples_arg_string`.

    Its features come in any order, as all of a map in protobuf; ours in that of their names.
    """
    text = "x=[{'f': [1.5, 2], 's': ['a', 'b\\x00'], 'i': [-1, 3]}, {'f': [2.0]}]"
    examples = read_given("", "", text)["x"]
    assert examples.dtype == object
    assert examples.tolist() == [
        b"\n9\n\x11\n\x01f\x12\x0c\x12\n\n\x08\x00\x00\xc0?\x00\x00\x00@"
        b"\n\x14\n\x01i\x12\x0f\x1a\r\n\x0b\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x03"
        b"\n\x0e\n\x01s\x12\t\n\x07\n\x01a\n\x02b\x00",
        b"\n\x0f\n\r\n\x01f\x12\x08\x12\x06\n\x04\x00\x00\x00@",
    ]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{'a': [1]}", "expected a list of dictionaries"),
        ("[1]", "expected a list of dictionaries"),
        ("[{'a': open('x')}]", "expected a list of dictionaries"),
        ("[{'a': 1}]", "feature 'a': expected a list of values, got 1"),
        ("[{1: [1]}]", "the name of a feature is text, got 1"),
        ("[{'a': [1, 'b']}]", "feature 'a': expected values of one kind"),
        ("[{'a': [None]}]", "feature 'a': expected values of one kind"),
        ("[{'a': [2 ** 63]}]", "expected a list of dictionaries"),
        ("[{'a': [9223372036854775808]}]", "feature 'a': a number does not fit int64"),
    ],
)
def test_bad_examples_get_a_sentence(value: str, message: str) -> None:
    with pytest.raises(CallError) as error:
        read_given("", "", f"x={value}")
    assert str(error.value).startswith(f"--input_examples: x: {message}")
