from __future__ import annotations

import errno
import multiprocessing
import resource
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from eas_processor.config import LoadedService, Token, resolve_token
from eas_processor.config.token import admin_token, engine_admin_token, metrics_token
from eas_processor.errors import HomeError, ServiceFileError

Load = Callable[..., LoadedService]


def test_a_given_token_is_used(load: Load, home: Path) -> None:
    given = resolve_token(load(token="secret").service)
    assert given == Token("secret", home / "given-tokens" / "svc")
    assert given.path is not None
    assert given.path.read_text() == "secret\n"
    assert stat.S_IMODE(given.path.stat().st_mode) == 0o600


def test_the_newest_given_token_is_used(load: Load) -> None:
    resolve_token(load(token="before").service)
    given = resolve_token(load(token="after").service)
    assert given.path is not None
    assert given.path.read_text() == "after\n"
    assert [each.name for each in given.path.parent.iterdir()] == ["svc"]


@pytest.mark.parametrize("keys", [{"token": ""}, {"generate_token": "false"}])
def test_public_services(load: Load, home: Path, keys: dict[str, str]) -> None:
    assert resolve_token(load(**keys).service) == Token("")
    assert not home.exists()


@pytest.mark.parametrize("keys", [{}, {"generate_token": True}, {"token": "", "generate_token": 1}])
def test_a_token_is_made_once_and_kept(load: Load, home: Path, keys: dict[str, object]) -> None:
    made = resolve_token(load(**keys).service)
    assert len(made.value) >= 43
    assert made.path == home / "tokens" / "svc"
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.path.parent.stat().st_mode) == 0o700
    assert resolve_token(load(**keys).service) == made
    assert [each.name for each in made.path.parent.iterdir()] == ["svc"]


def test_services_have_tokens_of_their_own(load: Load) -> None:
    assert resolve_token(load(name="a").service) != resolve_token(load(name="b").service)


def _value(loaded: LoadedService) -> str:
    return resolve_token(loaded.service).value


def test_starts_at_the_same_time_agree(load: Load) -> None:
    with multiprocessing.get_context("forkserver").Pool(4) as pool:
        assert len(set(pool.map(_value, [load()] * 16, chunksize=1))) == 1


def test_the_one_who_comes_second_takes_the_first_ones(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = resolve_token(load().service)
    monkeypatch.setattr(Path, "exists", lambda path: False)
    assert resolve_token(load().service) == first


@pytest.mark.parametrize("content", [b"", b"\n", b"two words", b"\xff"])
def test_a_damaged_token_file(load: Load, content: bytes) -> None:
    path = resolve_token(load().service).path
    assert path is not None
    path.write_bytes(content)
    with pytest.raises(ServiceFileError, match=f"{path} does not contain a token: delete the file"):
        resolve_token(load().service)


@pytest.mark.parametrize("mode", [0o640, 0o660, 0o644])
def test_a_token_file_that_a_volume_made_readable_is_taken_back(
    load: Load, caplog: pytest.LogCaptureFixture, mode: int
) -> None:
    made = resolve_token(load().service)
    assert made.path is not None
    made.path.chmod(mode)
    assert resolve_token(load().service) == made
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert f"{made.path} can be read by other users (mode {mode:04o})" in caplog.text
    assert made.value not in caplog.text


def test_another_user_s_token_file_that_others_can_read(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = resolve_token(load().service).path
    assert path is not None
    path.chmod(0o644)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refuse)
    with pytest.raises(ServiceFileError, match=r"\(mode 0644\): it belongs to uid \d+ and this"):
        resolve_token(load().service)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_file_system_without_modes(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    path = resolve_token(load().service).path
    assert path is not None
    path.chmod(0o644)
    monkeypatch.setattr(Path, "chmod", lambda path, mode: None)
    with pytest.raises(ServiceFileError, match="does not store modes: set EAS_HOME"):
        resolve_token(load().service)


def test_a_home_that_cannot_be_written(load: Load, home: Path) -> None:
    home.write_text("a file")
    with pytest.raises(HomeError, match="set EAS_HOME"):
        resolve_token(load().service)


@pytest.mark.parametrize("kind", ["tokens", "given-tokens", "admin-tokens"])
def test_a_full_disk_is_said_with_the_path_and_leaves_nothing(
    load: Load, home: Path, kind: str
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    path = home / kind / "svc"
    keys = {"token": "given-and-longer-than-a-full-disk-takes"} if kind == "given-tokens" else {}
    service = load(**keys).service
    for _ in range(3):
        resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
        try:
            with pytest.raises(ServiceFileError) as caught:
                if kind == "admin-tokens":
                    admin_token("svc")
                else:
                    resolve_token(service)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert f"cannot be stored in {path}: File too large; set EAS_HOME" in str(caught.value)
        assert list(path.parent.iterdir()) == []


def test_the_value_is_not_in_the_representation() -> None:
    assert "hush" not in repr(Token("hush"))


@pytest.mark.parametrize(
    ("make", "file"), [(engine_admin_token, "admin-token"), (metrics_token, "metrics-token")]
)
def test_an_engine_s_token_is_made_once_and_kept(
    home: Path, make: Callable[[], Token], file: str
) -> None:
    made = make()
    assert made.path == home / file and len(made.value) >= 43
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert make() == made
    made.path.chmod(0o640)
    assert make() == made
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
