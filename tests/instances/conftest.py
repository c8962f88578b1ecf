import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from fixtures.engine import *  # noqa: F403 - fixtures


@pytest.fixture
def no_more_files(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., AbstractContextManager[None]]:
    """Within it only `left` pairs of sockets can be made: the limit of open files is reached."""

    @contextmanager
    def limited(left: int = 0) -> Iterator[None]:
        make = socket.socketpair

        def refuse() -> tuple[socket.socket, socket.socket]:
            nonlocal left
            if not left:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            left -= 1
            return make()

        with monkeypatch.context() as patch:
            patch.setattr(socket, "socketpair", refuse)
            yield

    return limited
