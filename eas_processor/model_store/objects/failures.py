"""Turns errors of a store or the network into one sentence without secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from eas_processor.errors import EasError, ModelFetchError
from eas_processor.model_store.objects.access import Access
from eas_processor.model_store.objects.address import Address

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,80})</Code>")
_OTHER_PLACE = re.compile(r"<(?:Endpoint|Region)>([A-Za-z0-9.:-]{1,200})</")
_REDIRECT = "redirect without LOCATION"
_SYSTEM = re.compile(r'message: "([^"]{1,200})"|error: "([^"]{1,200})"')
_PASSING_STATUS = {408, 425, 429, 500, 502, 503, 504}
_NO_ANSWER = ("HTTP error", "error sending request", "error decoding response body", "timed out")


class UnreachableError(Exception):
    """A failure after which another attempt may succeed. Its text is the reason."""


class ChangedError(UnreachableError):
    """The object has changed since it was listed."""


class Failures:
    """Translates the failures of one address."""

    def __init__(self, address: Address, access: Access) -> None:
        self._address = address
        self._access = access
        self._place = access.endpoint or {"s3": "Amazon S3", "gs": "Google"}[address.scheme]

    @contextmanager
    def translated(self, *, reading: bool = False) -> Iterator[None]:
        """Turn what obstore raises into UnreachableError, ChangedError and ModelFetchError."""
        try:
            yield
        except (EasError, UnreachableError):
            raise
        except BaseException as error:
            # A panic of obstore's Rust code is not an Exception.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            # The text may contain requests with secrets, so only known parts of it are shown.
            raise self._translate(error, reading) from None

    def is_refused(self, error: Exception) -> bool:
        """Tell whether the store has refused a request without giving a reason."""
        text = str(error)
        return _status(text) in (400, 401, 403) and not _CODE.search(text)

    def compare(self, expected: object, actual: object, what: str) -> None:
        """Raise ChangedError if an answer differs from the request."""
        if expected != actual:
            raise ChangedError(f"the {what} of the answer is {actual}, expected {expected}")

    def _translate(self, error: BaseException, reading: bool) -> Exception:
        text = str(error)
        found = _CODE.search(text)
        code, status = found[1] if found else "", _status(text)
        if code == "NoSuchBucket":
            return self._refusal(f"there is no bucket {self._address.bucket} at {self._place}")
        if reading and (isinstance(error, FileNotFoundError) or status in (404, 412)):
            return ChangedError("it was changed while it was fetched")
        if status in _PASSING_STATUS:
            return UnreachableError(f"{self._place} answered {status} {code}".rstrip())
        other = _OTHER_PLACE.search(text)
        if other or status in (301, 307) or _REDIRECT in text:
            where = f"it is in {other[1]}, " if other else ""
            region = f" as the region {self._access.region}" if self._access.region else ""
            return self._refusal(
                f"the bucket is not at {self._place}{region}: {where}set its endpoint and region"
            )
        if status in (400, 401, 403) or "LoadCredentials" in text:
            return self._refusal(self._denied(code, status))
        if status is not None:
            return self._refusal(f"{self._place} answered {status} {code}".rstrip())
        if "invalid path" in text or "Could not parse path" in text:
            return self._refusal("a key with //, . or .. in it cannot be fetched")
        if any(each in text for each in _NO_ANSWER):
            return UnreachableError(self._no_answer(text))
        return self._refusal(f"{self._place} cannot be asked ({type(error).__name__})")

    def _denied(self, code: str, status: int | None) -> str:
        access, said = self._access, f" ({code})" if code else ""
        if not access.credentials and not access.by_library:
            return f"not readable without credentials{said}; {access.advice}"
        source = access.credentials.source if access.credentials else "the environment"
        if code in ("InvalidAccessKeyId", "InvalidAccessKeyId.NotFound"):
            return f"{self._place} does not know the access key of {source}"
        if code == "SignatureDoesNotMatch":
            return f"the secret of {source} is not the one of its access key{said}"
        if "Token" in code:
            return f"the session token of {source} is not valid or has expired{said}"
        if code.startswith("RequestTimeTooSkewed"):
            return f"the clock of this machine differs from that of {self._place}{said}"
        if code in ("", "AccessDenied", "AllAccessDisabled"):
            return (
                f"the credentials of {source} may not read it{said}, "
                "or it is not there and they may not list the bucket"
            )
        return f"{self._place} refused the credentials of {source} with {status}{said}"

    def _no_answer(self, text: str) -> str:
        if "timed out" in text or "TimedOut" in text or "Timeout" in text:
            return f"{self._place} did not answer in time"
        if "error decoding response body" in text:
            return f"the connection to {self._place} was cut off"
        if "InvalidCertificate" in text:
            return f"the certificate of {self._place} is not valid here"
        said = _SYSTEM.search(text)
        why = f": {said[1] or said[2]}" if said else ""
        return f"no connection to {self._place}{why}"

    def _refusal(self, reason: str) -> ModelFetchError:
        return self._address.refusal(reason)


def _status(text: str) -> int | None:
    found = _STATUS.search(text)
    return int(found[1]) if found else None
