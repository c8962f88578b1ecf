from __future__ import annotations

import gzip
import os
import resource
import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from eas_processor.errors import ModelFetchError
from eas_processor.model_store import download as module
from eas_processor.model_store.download import download
from eas_processor.model_store.free_space import kept_free

BODY = os.urandom(300_000)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0)


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def get(server: Any, notes: list[str]) -> Callable[[str], Path]:
    return lambda path: download(server.url + path, progress=True, note=notes.append)


@pytest.fixture
def file_of(server: Any) -> Callable[..., None]:
    """Return a function that makes the server hold one file, and honour ranges and conditions."""

    def hold(body: bytes, cuts: tuple[int, ...] = (), **validators: str) -> None:
        headers = {name.replace("_", "-"): value for name, value in validators.items()}
        cut_off = iter(cuts)

        def answer(path: str, asked: dict[str, str]) -> Any:
            known = headers.get("ETag", headers.get("Last-Modified"))
            if known and known in (asked.get("if-none-match"), asked.get("if-modified-since")):
                return server.reply(status=304, headers={"Content-Length": "0"})
            if "range" in asked and asked["if-range"] == known:
                start = int(asked["range"].removeprefix("bytes=").removesuffix("-"))
                span = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
                return server.reply(body[start:], 206, {**headers, **span}, next(cut_off, None))
            return server.reply(body, 200, headers, next(cut_off, None))

        server.answer = answer

    return hold


def test_the_name_is_the_last_part_of_the_decoded_path(
    get: Callable[[str], Path], file_of: Callable[..., None], home: Path
) -> None:
    file_of(BODY)
    path = get("/bucket/models%2Fmnist.tar.gz?Signature=x%2Fy")
    assert path.name == "mnist.tar.gz"
    assert path.read_bytes() == BODY
    assert path.is_relative_to(home / "downloads")
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert get("/").name == "download"
    assert get("/a/..%2F..").name == "download"


@pytest.mark.parametrize(
    "validators",
    [{"ETag": '"1"'}, {"ETag": 'W/"1"'}, {"Last_Modified": "Mon, 02 Nov 2026 10:00:00 GMT"}],
)
def test_an_unchanged_file_is_not_sent_twice(
    get: Callable[[str], Path],
    file_of: Callable[..., None],
    server: Any,
    validators: dict[str, str],
) -> None:
    file_of(BODY, **validators)
    path = get("/m")
    before = path.stat().st_mtime_ns
    assert get("/m") == path
    assert path.stat().st_mtime_ns == before
    assert len(server.seen) == 2


def test_a_changed_file_is_fetched_again(
    get: Callable[[str], Path], file_of: Callable[..., None]
) -> None:
    file_of(b"old", ETag='"1"')
    get("/m")
    file_of(b"new", ETag='"2"')
    assert get("/m").read_bytes() == b"new"


def test_a_damaged_copy_is_not_trusted(
    get: Callable[[str], Path], file_of: Callable[..., None]
) -> None:
    file_of(BODY, ETag='"1"')
    get("/m").write_bytes(BODY[:10])
    assert get("/m").read_bytes() == BODY


@pytest.mark.parametrize(
    "validators", [{"ETag": '"1"'}, {"Last_Modified": "Mon, 02 Nov 2026 10:00:00 GMT"}]
)
def test_a_download_goes_on_where_it_was_cut_off(
    get: Callable[[str], Path],
    file_of: Callable[..., None],
    server: Any,
    validators: dict[str, str],
) -> None:
    # More cuts than tries: what brings the file forward is no failure.
    cuts = (100_000, *[10_000] * (module.TRIES + 2))
    file_of(BODY, cuts, **validators)
    assert get("/m").read_bytes() == BODY
    assert "range" not in server.seen[0]
    assert server.seen[1]["range"] == "bytes=100000-"
    assert server.seen[2]["range"] == "bytes=110000-"


def test_a_later_start_goes_on_too(
    get: Callable[[str], Path], file_of: Callable[..., None], server: Any
) -> None:
    file_of(BODY, (1000, *[0] * module.TRIES), ETag='"1"')
    with pytest.raises(ModelFetchError, match=r"/m: .*\(5 tries\)"):
        get("/m")
    file_of(BODY, ETag='"1"')
    assert get("/m").read_bytes() == BODY
    assert server.seen[-1]["range"] == "bytes=1000-"


def test_a_file_that_changed_meanwhile_is_taken_from_its_start(
    get: Callable[[str], Path], file_of: Callable[..., None], server: Any
) -> None:
    file_of(BODY, (1000, *[0] * module.TRIES), ETag='"1"')
    with pytest.raises(ModelFetchError):
        get("/m")
    file_of(BODY[::-1], ETag='"2"')
    assert get("/m").read_bytes() == BODY[::-1]


@pytest.mark.parametrize("validators", [{}, {"ETag": 'W/"1"'}])
def test_without_a_proof_of_sameness_nothing_is_resumed(
    get: Callable[[str], Path],
    file_of: Callable[..., None],
    server: Any,
    validators: dict[str, str],
) -> None:
    file_of(BODY, (200_000, 100_000), **validators)
    assert get("/m").read_bytes() == BODY
    assert len(server.seen) == 3
    assert not any("range" in each for each in server.seen)


@pytest.mark.parametrize("year", ["1970", "1980"])
def test_the_time_of_a_reproducible_build_proves_nothing(
    get: Callable[[str], Path], file_of: Callable[..., None], server: Any, year: str
) -> None:
    """Servers make the ETag of time and size too: both are those of the file before."""
    time = {"ETag": '"0-493e0"', "Last_Modified": f"Tue, 01 Jan {year} 00:00:00 GMT"}
    file_of(BODY, (1000,), **time)
    assert get("/m").read_bytes() == BODY
    file_of(BODY[::-1], **time)
    assert get("/m").read_bytes() == BODY[::-1]
    assert not any("range" in each for each in server.seen)


def test_always_cut_off_without_a_proof_ends(
    get: Callable[[str], Path], file_of: Callable[..., None], server: Any, home: Path
) -> None:
    file_of(BODY, (1000,) * 100)
    with pytest.raises(ModelFetchError, match="1000"):
        get("/m")
    assert len(server.seen) == module.TRIES
    assert not list(home.rglob("part"))


def test_a_server_that_gives_less_than_the_range(
    get: Callable[[str], Path], file_of: Callable[..., None], server: Any
) -> None:
    file_of(BODY, (1000,), ETag='"1"')
    honest = server.answer

    def answer(path: str, asked: dict[str, str]) -> Any:
        reply = honest(path, asked)
        return server.reply(reply.body[:150_000], reply.status, reply.headers, reply.cut)

    server.answer = lambda path, asked: (answer if "range" in asked else honest)(path, asked)
    assert get("/m").read_bytes() == BODY
    ranges = [None, "bytes=1000-", "bytes=151000-"]
    assert [each.get("range") for each in server.seen] == ranges


@pytest.mark.parametrize("content_range", ["bytes 5-9/300000", "nonsense"])
def test_a_server_that_resumes_elsewhere(
    get: Callable[[str], Path], file_of: Callable[..., None], server: Any, content_range: str
) -> None:
    file_of(BODY, (1000,), ETag='"1"')
    honest = server.answer

    def answer(path: str, asked: dict[str, str]) -> Any:
        if "range" in asked:
            return server.reply(b"other", 206, {"Content-Range": content_range})
        return honest(path, asked)

    server.answer = answer
    assert get("/m").read_bytes() == BODY


def test_a_range_that_cannot_be_met(
    get: Callable[[str], Path], file_of: Callable[..., None], server: Any
) -> None:
    file_of(BODY, (1000,), ETag='"1"')
    honest = server.answer
    server.answer = lambda path, asked: (
        server.reply(status=416) if "range" in asked else honest(path, asked)
    )
    assert get("/m").read_bytes() == BODY


def test_a_wrong_length(get: Callable[[str], Path], server: Any, home: Path) -> None:
    server.answer = lambda path, asked: server.reply(b"abc", headers={"Content-Length": "5"})
    with pytest.raises(ModelFetchError, match=r"/m: (.* )?3 bytes"):
        get("/m")
    assert not [each for each in home.rglob("m") if each.is_file()]


@pytest.mark.parametrize(("status", "words"), [(404, "Not Found"), (401, "Unauthorized")])
def test_refusals_of_the_server(
    get: Callable[[str], Path], server: Any, status: int, words: str
) -> None:
    server.answer = lambda path, asked: server.reply(status=status)
    with pytest.raises(ModelFetchError) as caught:
        get("/m?signature=hush")
    assert str(caught.value) == f"{server.url}/m: the server answered {status} {words}"
    assert len(server.seen) == 1


def test_a_passing_failure_is_tried_again(get: Callable[[str], Path], server: Any) -> None:
    server.answer = lambda path, asked: server.reply(
        BODY, status=503 if len(server.seen) < 3 else 200
    )
    assert get("/m").read_bytes() == BODY


def test_an_older_copy_stands_in_for_a_server_that_is_away(
    get: Callable[[str], Path], file_of: Callable[..., None], server: Any, notes: list[str]
) -> None:
    file_of(BODY, ETag='"1"')
    path = get("/m?signature=hush")
    assert notes == []
    server.answer = lambda path, asked: server.reply(status=503)
    assert get("/m?signature=hush") == path
    assert notes == [
        f"{server.url}/m: the server answered 503 Service Unavailable; "
        "the copy fetched earlier is used"
    ]


def test_no_server_and_no_copy(notes: list[str]) -> None:
    with pytest.raises(ModelFetchError) as caught:
        download("http://user:hush@127.0.0.1:1/m?hush", progress=False, note=notes.append)
    assert str(caught.value) == (
        "http://127.0.0.1:1/m: no connection: Connection refused (5 tries)"
    )


@pytest.mark.parametrize("url", ["http://[/m", "http://h:port/m", "http:///m", "http://a b/"])
def test_urls_that_are_none(url: str, notes: list[str]) -> None:
    with pytest.raises(ModelFetchError):
        download(url, progress=False, note=notes.append)


def test_redirects_are_followed(
    get: Callable[[str], Path], file_of: Callable[..., None], server: Any
) -> None:
    file_of(BODY)
    there = server.answer
    server.answer = lambda path, asked: (
        server.reply(status=302, headers={"Location": "/elsewhere"})
        if path == "/m.pb"
        else there(path, asked)
    )
    path = get("/m.pb")
    assert (path.name, path.read_bytes()) == ("m.pb", BODY)


@pytest.mark.parametrize("location", ["/m", "file:///etc/passwd"])
def test_redirects_that_lead_nowhere(
    get: Callable[[str], Path], server: Any, location: str
) -> None:
    server.answer = lambda path, asked: server.reply(status=302, headers={"Location": location})
    with pytest.raises(ModelFetchError, match="/m: cannot be fetched"):
        get("/m")


def test_an_encoding_that_was_not_asked(get: Callable[[str], Path], server: Any) -> None:
    packed = gzip.compress(b"abc")
    server.answer = lambda path, asked: server.reply(packed, headers={"Content-Encoding": "gzip"})
    with pytest.raises(ModelFetchError, match="Content-Encoding gzip, expected identity"):
        get("/m.bin")
    assert get("/m.tar.gz").read_bytes() == packed
    assert server.seen[0]["accept-encoding"] == "identity"


@pytest.mark.parametrize("headers", [{}, {"Transfer-Encoding": "identity", "Content-Length": ""}])
def test_files_that_are_too_large(
    get: Callable[[str], Path],
    server: Any,
    headers: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    home: Path,
) -> None:
    monkeypatch.setattr(module, "MAX_SIZE", 1000)
    server.answer = lambda path, asked: server.reply(BODY, headers=headers)
    with pytest.raises(ModelFetchError, match="larger than the 1000 bytes"):
        get("/m")
    assert not list(home.rglob("part"))


def with_free(monkeypatch: pytest.MonkeyPatch, *free: int) -> None:
    """Let the disk have so many bytes free beyond what is kept; the last number stays."""
    numbers = list(free)

    def statvfs(path: Any) -> SimpleNamespace:
        number = numbers.pop(0) if len(numbers) > 1 else numbers[0]
        total = 100 * 2**30
        facts = {"f_blocks": total, "f_frsize": 1, "f_bavail": kept_free(total) + number}
        return SimpleNamespace(**facts, f_files=0, f_favail=0)

    monkeypatch.setattr("eas_processor.model_store.free_space.os.statvfs", statvfs)


def test_more_than_the_disk_has(
    get: Callable[[str], Path], server: Any, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    with_free(monkeypatch, 100)
    server.answer = lambda path, asked: server.reply(BODY)
    with pytest.raises(ModelFetchError, match=r"/m: needs 300000 bytes, \d+ are free on the disk"):
        get("/m")
    assert not list(home.rglob("part*"))


def test_a_disk_that_fills_up_meanwhile(
    get: Callable[[str], Path],
    file_of: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    home: Path,
) -> None:
    with_free(monkeypatch, 10**6, 10)
    file_of(BODY, ETag='"1"')
    with pytest.raises(ModelFetchError, match=r"of which \d+ are kept for logs and tokens"):
        get("/m")
    assert not list(home.rglob("part*"))


def test_a_part_waits_where_there_is_no_room_for_the_rest(
    get: Callable[[str], Path],
    file_of: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    server: Any,
) -> None:
    file_of(BODY, (200_000, *[0] * module.TRIES), ETag='"1"')
    with pytest.raises(ModelFetchError, match="tries"):
        get("/m")
    file_of(BODY, ETag='"1"')
    with monkeypatch.context() as patched:
        with_free(patched, 99_999)
        with pytest.raises(ModelFetchError, match="needs 100000 bytes"):
            get("/m")
    assert get("/m").read_bytes() == BODY
    assert server.seen[-1]["range"] == "bytes=200000-"


def test_a_disk_that_is_full_although_it_said_otherwise(
    get: Callable[[str], Path], server: Any, home: Path
) -> None:
    # As a quota does; the limit of this process has the next write fail in the same way.
    server.answer = lambda path, asked: server.reply(BODY * 20, headers={"ETag": '"1"'})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, before[1]))
    try:
        with pytest.raises(ModelFetchError, match=f"/m: cannot be stored in {home}/.*: File too"):
            get("/m")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(home.rglob("part*"))


@pytest.mark.parametrize("length", ["9" * 5000, "\u00b2", "-1", "1e3"])
def test_a_length_that_is_no_number(get: Callable[[str], Path], server: Any, length: str) -> None:
    body = b"x" * 10
    server.answer = lambda path, asked: server.reply(body, headers={"Content-Length": length})
    assert get("/m").read_bytes() == body


def test_quiet_away_from_a_terminal(
    get: Callable[[str], Path], file_of: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    file_of(BODY)
    get("/m")
    assert capfd.readouterr() == ("", "")
