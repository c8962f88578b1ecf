"""The certificate of the engine, and its renewal while connections are open."""

from __future__ import annotations

import logging
import math
import ssl
import time
from collections.abc import Sequence
from pathlib import Path

from eas_processor.contracts.counters import EngineMetric
from eas_processor.errors import StartError
from eas_processor.frontends.http.certificate import Certificate, read_certificates, shown_time

log = logging.getLogger("eas_processor.engine")

_SOON_DAYS = 14


class Tls:
    """
    TLS 1.2 and newer, with the certificate chain in `cert` and its key in `key` or in `cert`.

    Both are PEM files. `alpn` names the protocols. Raises StartError, which names the file. At the
    start, a certificate that is not valid now is used with a warning, because clients may not
    check it. A renewal to such a certificate is refused.
    """

    def __init__(
        self, cert: Path, key: Path | None = None, alpn: Sequence[str] = ("http/1.1",)
    ) -> None:
        self._cert = cert
        self._key = key
        self._alpn = alpn
        self.context = self._load(_new_context(alpn))
        self._chain = self._read_chain()
        self._warn(self._chain)

    @property
    def not_after(self) -> float:
        """When the certificate expires, as Unix time in seconds; NaN if that is unknown."""
        return self._chain[0].not_after if self._chain else math.nan

    def metrics(self) -> list[EngineMetric]:
        """Return the metrics of the certificate."""
        if math.isnan(self.not_after):
            return []
        return [
            EngineMetric(
                "tls_certificate_not_after_seconds",
                "gauge",
                "When the certificate expires, as Unix time.",
                self.not_after,
            )
        ]

    def renew(self) -> None:
        """Use the present content of the files for new connections. Raises StartError."""
        # Loaded into a new context first: a failure would leave half a pair in the listener's.
        self._load(_new_context(self._alpn))
        chain = self._read_chain()
        # A certificate that expired while it was in use must not prevent the reload of a model.
        if chain[:1] != self._chain[:1] and (fault := _fault(chain[0]) if chain else ""):
            raise StartError(f"the certificate in {self._cert} {fault}; the previous one is kept")
        self._warn(chain)
        self._load(self.context)
        self._chain = chain

    def _read_chain(self) -> list[Certificate]:
        try:
            return read_certificates(self._cert.read_bytes())
        except (OSError, ValueError) as error:
            # OpenSSL has accepted the certificate, so it can be used.
            log.warning("cannot tell when the certificate in %s expires: %s", self._cert, error)
            return []

    def _warn(self, chain: list[Certificate]) -> None:
        for number, each in enumerate(chain):
            which = f"certificate {number + 1} of the chain" if number else "the certificate"
            if said := _fault(each) or _ends_soon(each):
                log.warning("%s in %s %s", which, self._cert, said)

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
            return f"the key in {self._key} does not belong to the certificate in {self._cert}"
        if b"-----BEGIN CERTIFICATE-----" not in self._cert.read_bytes():
            return f"--tls-cert: expected a PEM file with a certificate, got {self._cert}"
        key = self._key or self._cert
        if b"PRIVATE KEY-----" not in key.read_bytes():
            option = "--tls-key" if self._key else "--tls-key is not given, and --tls-cert"
            return f"{option}: expected a PEM file with a private key, got {key}"
        return f"the certificate in {self._cert} and the key in {key} cannot be used: {error}"


def _fault(certificate: Certificate) -> str:
    """Return why a certificate is not valid now, or '' if it is valid."""
    now = time.time()
    if now > certificate.not_after:
        return f"has expired ({shown_time(certificate.not_after)})"
    if now < certificate.not_before:
        return f"is not valid before {shown_time(certificate.not_before)}"
    return ""


def _ends_soon(certificate: Certificate) -> str:
    days = (certificate.not_after - time.time()) / 86400
    return f"expires soon ({shown_time(certificate.not_after)})" if days < _SOON_DAYS else ""


def _try_to_read(option: str, path: Path) -> None:
    # OpenSSL's errors do not name the file.
    try:
        path.open("rb").close()
    except OSError as error:
        raise StartError(f"{option}: {path} cannot be read: {error.strerror}") from error


class _EncryptedKey(Exception):
    pass


def _refuse_to_ask() -> str:
    # OpenSSL would ask for the password on the terminal.
    raise _EncryptedKey


def _new_context(alpn: Sequence[str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(list(alpn))
    return context
