"""Uses a `urllib3.PoolManager` or `ProxyManager` of the caller as a transport."""

from __future__ import annotations

from typing import Any, Mapping, NoReturn

from urllib3 import Timeout
from urllib3 import exceptions as http_errors

from ._checks import WrongType
from ._transport import Transport
from .exception import NO_ANSWER, ConnectionLost, InvalidRequest, TimedOut, Untrusted


class PoolManagerTransport(Transport):
    """The transport that `client.connection_pool = urllib3.ProxyManager(...)` sets."""

    def __init__(self, pool: Any) -> None:
        if not callable(getattr(pool, "urlopen", None)):
            raise InvalidRequest(
                f"connection_pool: expected a urllib3.PoolManager or a Transport, got {pool!r}"
            )
        self._pool = pool

    def __reduce__(self) -> NoReturn:
        raise WrongType(
            f"connection_pool: a client with a {type(self._pool).__name__} of urllib3 cannot be "
            "pickled or copied: give PooledTransport(proxy=..., ca_certs=...) as its transport, "
            "or set the pool in the process that uses it"
        )

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        try:
            answer = self._pool.request(
                method,
                url,
                body=body,
                headers=headers,
                retries=False,
                redirect=False,
                timeout=Timeout(total=timeout),
            )
        except http_errors.SSLError as error:
            raise Untrusted(NO_ANSWER, f"{url}: {error}") from error
        except http_errors.NewConnectionError as error:
            raise ConnectionLost(NO_ANSWER, f"{url}: could not connect: {error}") from error
        except http_errors.TimeoutError as error:
            raise TimedOut(
                NO_ANSWER, f"{url}: no answer within {timeout:.3g} s (see set_timeout)"
            ) from error
        except http_errors.HTTPError as error:
            raise ConnectionLost(NO_ANSWER, f"{url}: the connection was lost: {error}") from error
        return answer.status, answer.headers, answer.data

    def close(self) -> None:
        self._pool.clear()
