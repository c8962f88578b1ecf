"""The machine's limit on open files, which is a limit on connections."""

from __future__ import annotations

import logging
import resource

from eas_processor.frontends.admin import MOST_CONNECTIONS
from eas_processor.frontends.http.connection import REFUSED_AT_ONCE

log = logging.getLogger("eas_processor.engine")

# Measured: 15 with the standard streams, the loop, its signals and the listeners; 3 for the log and
# the admin port. The rest is for what a thread opens for a moment.
_ENGINE = 32
# A worker has four sockets and a descriptor of its process. A launcher and its spare have three
# each, which services share, and each service holds the file by which it is found.
_INSTANCE = 4 + 1 + 1
# An update can ask for more instances than there are now.
_FEWEST_INSTANCES = 8
# A download, an archive and what is unpacked from it, certificates, the pipes of a new process.
_RELOAD = 32
_FEWEST_CONNECTIONS = 16


def kept(instances: int, updated: int = 0) -> int:
    """
    Return the descriptors that connections must leave free: 256 for up to 8 instances.

    An update of a service starts as many instances as it has beside them; `updated` are those of
    the largest service, all of them unless it is given.
    """
    instances = max(instances, _FEWEST_INSTANCES)
    updated = max(updated or instances, _FEWEST_INSTANCES)
    own = _ENGINE + MOST_CONNECTIONS + REFUSED_AT_ONCE + _RELOAD
    return own + _INSTANCE * (instances + updated)


class OpenFiles:
    """Says how many of the connections that are `asked` for the limit of open files allows."""

    def __init__(self, asked: int) -> None:
        """Raise the soft limit to the hard one."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self._limit = hard
        self._asked = asked
        self._kept = 0
        self._said = asked

    def most_connections(self, instances: int, updated: int = 0) -> int:
        """
        Return how many may be open beside `instances`; warn when they are fewer than before.

        `updated` is as for `kept`.

        What was kept for more instances stays kept: a rollback may bring them back.
        """
        if self._limit == resource.RLIM_INFINITY:
            return self._asked
        self._kept = max(self._kept, kept(instances, updated))
        most = max(self._limit - self._kept, _FEWEST_CONNECTIONS)
        most = min(self._asked, most)
        if most < self._said:
            self._said = most
            log.warning(
                "the limit of open files is %d: %d connections are taken at a time, not %d "
                "(--max-connections); raise it (ulimit -Hn, or LimitNOFILE= in a systemd unit), or "
                "lower --max-connections",
                self._limit,
                most,
                self._asked,
            )
        return most
