"""The machine's limit on open files, which is a limit on connections."""

from __future__ import annotations

import logging
import resource

log = logging.getLogger("eas_processor.engine")

# Sockets to launchers and workers, the listener, logs, and what the interpreter holds.
_OWN = 128


def raise_limit(max_connections: int) -> None:
    """Raise the soft limit to the hard one, and say so if that is too low for `max_connections`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < max_connections + _OWN:
        log.warning(
            "the limit of open files is %d, too low for %d connections (--max-connections); "
            "raise it (ulimit -Hn, or LimitNOFILE= in a systemd unit), or lower --max-connections",
            hard,
            max_connections,
        )
