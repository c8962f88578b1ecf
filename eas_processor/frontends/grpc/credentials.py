"""The TLS context of a gRPC port, from the PEM texts of an `SSLConfig`."""

from __future__ import annotations

import ssl
import tempfile

from eas_processor.errors import StartError


def context_of(
    key: str, certificate: str, authority: str = "", *, verifies: bool = False
) -> ssl.SSLContext:
    """
    Return a context with `certificate` for TLS 1.2 and newer and HTTP/2.

    If it `verifies` clients, they need a certificate of `authority`, or without one of any
    authority that this system trusts. All are PEM texts. Raises StartError, which names the field.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    _load_pair(context, key, certificate)
    if verifies:
        context.verify_mode = ssl.CERT_REQUIRED
        if authority:
            _trust(context, authority)
        else:
            context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    return context


def _load_pair(context: ssl.SSLContext, key: str, certificate: str) -> None:
    # `load_cert_chain` reads only files. Only the owner can read a temporary file.
    with tempfile.NamedTemporaryFile("w", prefix="eas-", suffix=".pem") as file:
        file.write(f"{certificate}\n{key}\n")
        file.flush()
        try:
            context.load_cert_chain(file.name, password=_refuse_to_ask)
        except _EncryptedKey:
            raise StartError(
                "server_key: the key is encrypted; decrypt it (openssl pkey -in ... -out ...)"
            ) from None
        except (ssl.SSLError, ValueError) as error:
            if getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
                raise StartError("server_key: does not belong to server_cert") from None
            raise StartError(
                f"server_cert and server_key cannot be used: expected PEM texts of a certificate "
                f"and its private key ({error})"
            ) from None


def _trust(context: ssl.SSLContext, authority: str) -> None:
    try:
        context.load_verify_locations(cadata=authority)
    except (ssl.SSLError, ValueError) as error:
        raise StartError(
            f"custom_ca: expected the PEM text of a certificate authority ({error})"
        ) from None


class _EncryptedKey(Exception):
    pass


def _refuse_to_ask() -> str:
    # OpenSSL would ask for the password on the terminal.
    raise _EncryptedKey
