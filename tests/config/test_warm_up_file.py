from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
    assert message.startswith(f"{tmp_path / 'w.txt'}, line 3: expected a request in base64")


@pytest.mark.parametrize(("name", "content"), [("w.bin", b""), ("w.txt", b""), ("w.txt", b"\n \n")])
def test_an_empty_file(load: Load, tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    message = f"{tmp_path / name} is empty, expected a serialized request"
    assert refusal(load(warm_up_data_path=name)) == message


def test_files_that_are_not_there(load: Load, tmp_path: Path) -> None:
    assert refusal(load(warm_up_data_path="w")) == f"{tmp_path / 'w'} does not exist"
    assert refusal(load(warm_up_data_path=".")) == f"{tmp_path}: Is a directory"
    assert refusal(load(warm_up_data_path="oss://b/w")).startswith("oss:// is not supported yet")
