"""Reads the TLS settings of a gRPC port from an `SSLConfig` file."""

from __future__ import annotations

import ssl
from pathlib import Path

from eas_processor.config.text_protos.server_config import read_ssl
from eas_processor.errors import StartError
from eas_processor.frontends.grpc.credentials import context_of


def tls_context(path: Path) -> ssl.SSLContext:
    """Return the TLS context for the file at `path`. Raises SetupError, which names the file."""
    config = read_ssl(path)
    try:
        return context_of(
            config.key,
            config.certificate,
            config.client_authority,
            verifies=config.verifies_clients,
        )
    except StartError as error:
        raise StartError(f"{path}: {error}") from None
