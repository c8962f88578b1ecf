"""A load generator that counts the fate of every request."""

from __future__ import annotations

import itertools
import threading
from collections import Counter

from e2e.front_door import Client, post


class Load:
    """
    Connections that ask one request after the other; each request is different.

    `fates` counts the answers by status, `wrong` (an answer that is not this request's, or a status
    that is not due) and `lost` (no answer). `versions` are those that answered what was sent since
    the last `new_era`.
    """

    def __init__(self, address: tuple[str, int], connections: int = 32) -> None:
        self.fates: Counter[str] = Counter()
        self.versions: Counter[str] = Counter()
        self.poison = 0
        """Requests still to be sent that kill a worker."""
        self.stopping = False
        self.ended = False
        """Whether the server has been told to end, so that nobody may be let in any more."""
        self._era = 0
        self._address = address
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, daemon=True) for _ in range(connections)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def sent(self) -> int:
        return sum(self.fates.values())

    @property
    def failed(self) -> dict[str, int]:
        """What is neither a right answer nor a poison request's 500."""
        return {fate: count for fate, count in self.fates.items() if fate not in ("200", "poison")}

    def new_era(self) -> None:
        """Count `versions` anew, for requests that are sent from now on."""
        with self._lock:
            self._era += 1
            self.versions.clear()

    def stop(self) -> None:
        """Let every connection have its last answer."""
        self.stopping = True
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a request was never answered"

    def _run(self) -> None:
        while not self.stopping:
            try:
                client = Client(self._address)
            except OSError:
                if not self.ended:
                    self._count("lost: no connection")
                return
            client.socket.settimeout(60)
            with client:
                while not self.stopping and self._ask(client):
                    pass

    def _ask(self, client: Client) -> bool:
        with self._lock:
            number, poison, era = next(self._numbers), self.poison > 0, self._era
            self.poison -= poison
        body = b"%s %d" % (b"die" if poison else b"ask", number)
        try:
            response = client.ask(post(body))
        except (OSError, AssertionError) as error:
            self._count(f"lost: {error!r}")
            return False
        version, _, echoed = response.body.partition(b" ")
        if poison:
            right = response.status == 500 and b"crashed" in response.body
            self._count("poison" if right else f"wrong: poison {response.status}")
        elif response.status != 200:
            self._count(f"{response.status} {response.body[:80].decode()}")
        elif echoed != body:
            self._count("wrong answer")
        else:
            self._count("200", version.decode(), era)
        return response.headers.get("connection") != "close"

    def _count(self, fate: str, version: str = "", era: int = -1) -> None:
        with self._lock:
            self.fates[fate] += 1
            if era == self._era:
                self.versions[version] += 1
