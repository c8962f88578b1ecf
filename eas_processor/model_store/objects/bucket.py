"""Lists and reads the objects of one bucket, with obstore."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from eas_processor.model_store.objects.access import Access
from eas_processor.model_store.objects.address import Address
from eas_processor.model_store.objects.failures import Failures

MOST_OBJECTS = 100_000
_PIECE = 2**17
"""In bytes. When a connection is cut off, less than this is lost."""
_CLIENT = {"connect_timeout": "10s", "read_timeout": "60s", "timeout": "30days"}


class Found(NamedTuple):
    """An object as the store describes it. `name` is relative to the address."""

    name: str
    key: str
    size: int
    etag: str
    modified: str

    @property
    def version(self) -> str:
        """A value that changes with the content."""
        return self.etag or self.modified

    @property
    def condition(self) -> str:
        """The value of If-Match that proves the same bytes, '' if there is none."""
        return self.etag if self.etag and not self.etag.startswith("W/") else ""


def check_library(address: Address) -> None:
    """Refuse the address if obstore is not installed. Raises ModelFetchError."""
    if importlib.util.find_spec("obstore") is None:
        raise address.refusal(
            "needs the package obstore: run `pip install 'eas-processor[stores]'`, "
            "or `pip install '.[stores]'` in a clone"
        )


class Bucket:
    """
    The objects of one address.

    Raises ModelFetchError for lasting failures, and UnreachableError and ChangedError for failures
    after which another attempt may succeed.
    """

    def __init__(self, address: Address, access: Access) -> None:
        self.address = address
        self.access = access
        self._failures = Failures(address, access)
        with self._failures.translated():
            self._store = _open(address, access)

    def find(self) -> tuple[bool, list[Found]]:
        """Return whether the address is a directory, and the object or those below it."""
        key = self.address.key
        with self._failures.translated():
            if key and not key.endswith("/"):
                try:
                    described = self._head(key)
                except FileNotFoundError:
                    pass  # no object or no bucket; listing tells which
                else:
                    return False, [_found(key.rpartition("/")[2], described)]
            found = self._below(key.rstrip("/"))
        if not found:
            raise self.address.refusal("there is no such object, and none below it")
        return True, found

    def read(self, found: Found, offset: int) -> Iterator[Any]:
        """Yield the bytes of an object from `offset` on, in pieces of at least _PIECE bytes."""
        options: dict[str, Any] = {"range": {"offset": offset}} if offset else {}
        if found.condition:
            options["if_match"] = found.condition
        with self._failures.translated(reading=True):
            answer = self._store.get(found.key, options=options)
            etag = _etag(answer.meta)
            self._failures.compare(found.etag, etag, "ETag")
            self._failures.compare((offset, found.size), tuple(answer.range), "range")
            yield from answer.stream(min_chunk_size=_PIECE)

    def _head(self, key: str) -> Any:
        try:
            return self._store.head(key)
        except FileNotFoundError:
            raise
        except Exception as error:
            if not self._failures.is_refused(error):
                raise
        # An answer to HEAD has no body, so this reads one byte to get the reason.
        self._store.get(key, options={"range": (0, 1)})
        return self._store.head(key)

    def _below(self, prefix: str) -> list[Found]:
        described: list[Any] = []
        for page in self._store.list(prefix or None, chunk_size=1000):
            described += page
            if len(described) > MOST_OBJECTS:
                raise self.address.refusal(
                    f"has more than the {MOST_OBJECTS} objects that are allowed"
                )
        start = len(prefix) + 1 if prefix else 0
        all_ = [_found(each["path"][start:], each) for each in described]
        parents = {part for each in all_ for part in _parents(each.name)}
        for each in all_:
            if each.name in parents and each.size:
                raise self.address.refusal(
                    f"{each.key} is an object and has others below it, so it cannot be copied to a "
                    "directory"
                )
        # Consoles create empty objects for directories.
        return sorted(each for each in all_ if each.name and each.name not in parents)


def _parents(name: str) -> Iterator[str]:
    while name := name.rpartition("/")[0]:
        yield name


def _found(name: str, described: Any) -> Found:
    modified = described["last_modified"].isoformat()
    return Found(name, described["path"], described["size"], _etag(described), modified)


def _etag(described: Any) -> str:
    """Return the ETag in quotes, which some stores leave out in lists."""
    etag: str = described["e_tag"] or ""
    return etag if not etag or etag.endswith('"') else f'"{etag}"'


def _open(address: Address, access: Access) -> Any:
    who = access.credentials
    if who and not all(map(_fits_header, (who.key_id, who.secret, who.token))):
        raise address.refusal(f"the credentials of {who.source} contain an invalid character")
    if not _fits_header(access.region):
        raise address.refusal(f"the region is {access.region!r}, expected one such as cn-shanghai")
    stores = importlib.import_module("obstore.store")
    client: dict[str, Any] = _CLIENT | {
        "allow_http": access.endpoint.startswith("http://"),
        "user_agent": "eas-processor",
    }
    if access.certificates:
        try:
            client["root_certificate"] = Path(access.certificates).read_bytes()
        except OSError as error:
            raise address.refusal(f"{access.certificates}: {error.strerror}") from error
    # The library does not retry. Attempts of this package resume, in another process too.
    options: dict[str, Any] = {"client_options": client, "retry_config": {"max_retries": 0}}
    options |= access.options | {"skip_signature": not (access.credentials or access.by_library)}
    if address.scheme == "gs":
        return stores.GCSStore(address.bucket, **options)
    # obstore reads missing options from AWS_ variables, which do not apply to OSS.
    options |= {"region": access.region, "virtual_hosted_style_request": access.virtual_hosted}
    if access.endpoint:
        url = access.endpoint
        if access.virtual_hosted:
            scheme, _, host = url.partition("://")
            url = f"{scheme}://{address.bucket}.{host}"
        options |= {"endpoint": url, "aws_endpoint_url_s3": url}
    if not access.by_library:
        options["credential_provider"] = lambda: _signer(access)
    return stores.S3Store(address.bucket, **options)


def _fits_header(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def _signer(access: Access) -> dict[str, Any]:
    """Return the credentials as obstore expects them."""
    who = access.credentials
    return {
        "access_key_id": who.key_id if who else "",
        "secret_access_key": who.secret if who else "",
        "token": (who.token or None) if who else None,
        "expires_at": None,
    }
