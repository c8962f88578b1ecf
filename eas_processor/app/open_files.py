"""Derives the limit of connections from the limit of open files."""

from __future__ import annotations

import logging
import resource

from eas_processor.frontends.admin import MOST_CONNECTIONS
from eas_processor.frontends.http.connection import REFUSED_AT_ONCE

log = logging.getLogger("eas_processor.engine")

# Measured: 15 for the standard streams, the loop, its signals and the listeners, and 3 for the log
# and the admin port. The rest is for files that threads open briefly.
_ENGINE = 32
# A worker needs four sockets and a pidfd. The last one covers the entry of the service, and the
# three descriptors each of a launcher and its spare, which services share.
_INSTANCE = 4 + 1 + 1
# An update may increase the number of instances.
_FEWEST_INSTANCES = 8
# For downloads, archives and their files, certificates, and the pipes of a new process.
_RELOAD = 32
_FEWEST_CONNECTIONS = 16


def kept(instances: int, updated: int = 0) -> int:
    """
    Return how many descriptors connections must leave free: 256 for up to 8 instances.

    An update may start as many instances as the service has, in addition to them. `updated` is the
    number of instances of the largest service, by default `instances`.
    """
    instances = max(instances, _FEWEST_INSTANCES)
    updated = max(updated or instances, _FEWEST_INSTANCES)
    own = _ENGINE + MOST_CONNECTIONS + REFUSED_AT_ONCE + _RELOAD
    return own + _INSTANCE * (instances + updated)


class OpenFiles:
    """Tells how many of the `asked` connections the limit of open files allows."""

    def __init__(self, asked: int) -> None:
        """Raise the soft limit to the hard one."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self._limit = hard
        self._asked = asked
        self._kept = 0
        self._warned_of = asked

    def most_connections(self, instances: int, updated: int = 0) -> int:
        """
        Return how many connections may be open beside `instances`, and warn if the number falls.

        `updated` is as for `kept`. Descriptors that were once kept for more instances stay kept,
        because a rollback may bring those instances back.
        """
        if self._limit == resource.RLIM_INFINITY:
            return self._asked
        self._kept = max(self._kept, kept(instances, updated))
        most = max(self._limit - self._kept, _FEWEST_CONNECTIONS)
        most = min(self._asked, most)
        if most < self._warned_of:
            self._warned_of = most
            log.warning(
                "the limit of open files is %d: %d connections may be open at a time, not %d "
                "(--max-connections); raise it (ulimit -Hn, or LimitNOFILE= in a systemd unit), or "
                "lower --max-connections",
                self._limit,
                most,
                self._asked,
            )
        return most
