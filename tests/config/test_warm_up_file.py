from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eas_wire as wire
from eas_processor.config import LoadedService, read_warm_up
from eas_processor.errors import WarmUpError

Load = Callable[..., LoadedService]
FIRST, SECOND = b"\x00one\n", b"\xfftwo" * 100


def lines(*requests: bytes) -> bytes:
    return b"\n".join(map(base64.b64encode, requests))


def refusal(loaded: LoadedService) -> str:
    with pytest.raises(WarmUpError) as caught:
        read_warm_up(loaded)
    return str(caught.value).removeprefix(f"{loaded.path}: warm_up_data_path: ")


def test_none(load: Load) -> None:
    assert read_warm_up(load()) == []


def test_any_other_file_is_one_request(load: Load, tmp_path: Path) -> None:
    (tmp_path / "warm_up.bin").write_bytes(lines(FIRST, SECOND))
    assert read_warm_up(load(warm_up_data_path="warm_up.bin")) == [lines(FIRST, SECOND)]


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n\r\n"])
def test_a_text_file_holds_one_request_a_line(load: Load, tmp_path: Path, ending: bytes) -> None:
    content = b"\xef\xbb\xbf" + lines(FIRST, SECOND).replace(b"\n", b" \r\n \n") + ending
    (tmp_path / "warm_up.TXT").write_bytes(content)
    assert read_warm_up(load(warm_up_data_path="warm_up.TXT")) == [FIRST, SECOND]


def test_from_a_url(load: Load, server: Any) -> None:
    server.answer = lambda path, headers: server.reply(lines(FIRST, SECOND))
    url = f"{server.url}/a%2Fwarm_up.txt?x=y"
    assert read_warm_up(load(warm_up_data_path=url)) == [FIRST, SECOND]


def test_a_line_that_is_not_base64(load: Load, tmp_path: Path) -> None:
    (tmp_path / "w.txt").write_bytes(lines(FIRST) + b"\n\n{not base64}\n")
    message = refusal(load(warm_up_data_path="w.txt"))
    assert message.startswith(f"{tmp_path / 'w.txt'}, line 3: expected a request, in base64 or")


@pytest.mark.parametrize(("name", "content"), [("w.bin", b""), ("w.txt", b""), ("w.txt", b"\n \n")])
def test_an_empty_file(load: Load, tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    message = f"{tmp_path / name} is empty, expected a serialized request"
    assert refusal(load(warm_up_data_path=name)) == message


def test_files_that_are_not_there(load: Load, tmp_path: Path) -> None:
    assert refusal(load(warm_up_data_path="w")) == f"{tmp_path / 'w'} does not exist"
    assert refusal(load(warm_up_data_path=".")) == f"{tmp_path}: Is a directory"
    assert refusal(load(warm_up_data_path="hdfs://b/w")).startswith("hdfs:// is not supported: ")


def test_a_text_file_of_json_lines(load: Load, tmp_path: Path) -> None:
    (tmp_path / "w.txt").write_text('{"inputs": {"x": [1]}}\n\n {"inputs": {"x": [2]}} \n')
    requests = read_warm_up(load(warm_up_data_path="w.txt"))
    assert requests == [b'{"inputs": {"x": [1]}}', b'{"inputs": {"x": [2]}}']


def test_a_line_that_is_cut_off_json(load: Load, tmp_path: Path) -> None:
    (tmp_path / "w.txt").write_text('{"inputs": {"x": [1]}}\n{"inputs":\n')
    assert refusal(load(warm_up_data_path="w.txt")).startswith(
        f"{tmp_path / 'w.txt'}, line 2: expected a request, in base64 or a JSON object ("
    )


@pytest.mark.parametrize("signature", ["", "predict"])
@pytest.mark.parametrize("name", ["x", "y"])
def test_several_messages_in_one_file_are_refused(
    load: Load, tmp_path: Path, signature: str, name: str
) -> None:
    def message(key: str) -> bytes:
        array = wire.Tensor(wire.dtype_number("DT_FLOAT"), np.ones((2, 200), np.float32))
        return wire.encode_request(wire.Request(signature, {key: array}, ["y", "z"]))

    path = tmp_path / "w.bin"
    path.write_bytes(message("x"))
    assert read_warm_up(load(warm_up_data_path="w.bin")) == [message("x")]
    path.write_bytes(message("x") + message(name))
    if name == "x" or signature:
        refused = refusal(load(warm_up_data_path="w.bin"))
        assert refused.startswith(f"{path} contains several requests")
    else:
        # Nothing is given twice: this is one request with two inputs, byte for byte.
        assert len(read_warm_up(load(warm_up_data_path="w.bin"))) == 1
