"""The certificate that the engine shows, and how it is renewed while connections are open."""

from __future__ import annotations

import ssl
from pathlib import Path

from eas_processor.errors import StartError


class Tls:
    """
    TLS 1.2 and newer with the certificate chain in `cert`, and its key in `key` or in `cert` too.

    Both are PEM files. Raises StartError, which names the file.
    """

    def __init__(self, cert: Path, key: Path | None = None) -> None:
        self._cert = cert
        self._key = key
        self.context = self._load(_new_context())

    def renew(self) -> None:
        """Show what the files hold now to those who connect from now on. Raises StartError."""
        # Half of a pair would stay in the context that the listener has, so it is tried first.
        self._load(_new_context())
        self._load(self.context)

    def _load(self, context: ssl.SSLContext) -> ssl.SSLContext:
        key = self._key or self._cert
        _try_to_read("--tls-cert", self._cert)
        _try_to_read("--tls-key", key)
        try:
            context.load_cert_chain(self._cert, self._key, password=_refuse_to_ask)
        except _EncryptedKey:
            raise StartError(
                f"the key in {key} is encrypted; decrypt it (openssl pkey -in ... -out ...)"
            ) from None
        except (ssl.SSLError, OSError, ValueError) as error:
            raise StartError(self._what_is_wrong(error)) from error
        return context

    def _what_is_wrong(self, error: Exception) -> str:
        reason = getattr(error, "reason", None) or ""
        if reason == "KEY_VALUES_MISMATCH":
            return f"the key in {self._key} is not that of the certificate in {self._cert}"
        if b"-----BEGIN CERTIFICATE-----" not in self._cert.read_bytes():
            return f"--tls-cert: expected a PEM file with a certificate, got {self._cert}"
        key = self._key or self._cert
        if b"PRIVATE KEY-----" not in key.read_bytes():
            option = "--tls-key" if self._key else "--tls-key is not given, and --tls-cert"
            return f"{option}: expected a PEM file with a private key, got {key}"
        return f"the certificate in {self._cert} and the key in {key} cannot be used: {error}"


def _try_to_read(option: str, path: Path) -> None:
    # OpenSSL's own errors name no file.
    try:
        path.open("rb").close()
    except OSError as error:
        raise StartError(f"{option}: {path} cannot be read: {error.strerror}") from error


class _EncryptedKey(Exception):
    pass


def _refuse_to_ask() -> str:
    # OpenSSL would ask on the terminal, and a service has nobody to answer.
    raise _EncryptedKey


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
