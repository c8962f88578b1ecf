"""The access to Amazon S3 and compatible stores, such as MinIO and Ceph."""

from __future__ import annotations

import os
import re

from eas_processor.errors import ModelFetchError
from eas_processor.model_store.objects.access import (
    Access,
    Credentials,
    Hints,
    as_url,
    from_environment,
)
from eas_processor.model_store.objects.address import Address
from eas_processor.model_store.objects.settings_file import Sections, place_of, read_sections

_HOW = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run `aws configure`"
_BY_PROGRAM = ("ssosession", "ssostarturl", "credentialprocess", "rolearn")
# With one of these, the library fetches credentials from the address that it names.
_ASKING = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


def access(address: Address, hints: Hints) -> Access:
    """Return the access to a bucket of S3. Raises ModelFetchError."""
    config_path = place_of("AWS_CONFIG_FILE", ".aws", "config")
    keys_path = place_of("AWS_SHARED_CREDENTIALS_FILE", ".aws", "credentials")
    config, keys = read_sections(config_path), read_sections(keys_path)
    name = (os.environ.get("AWS_PROFILE") or "default").lower()
    in_config = config.get("default" if name == "default" else f"profile {name}", {})
    profile = in_config | keys.get(name, {})
    if not profile and os.environ.get("AWS_PROFILE"):
        raise ModelFetchError(f"AWS_PROFILE is {name!r}, which is not in {keys_path}")
    credentials = from_environment(
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"
    )
    if credentials is None:
        credentials = _of_profile(profile, f"{keys_path}, profile {name}")
    by_library = credentials is None and _is_asked()
    if credentials is None and not by_library and any(each in profile for each in _BY_PROGRAM):
        raise address.refusal(
            f"the profile {name!r} takes its credentials from a program or a role; "
            "run `aws configure export-credentials --format env` and set what it prints"
        )
    return Access(
        _HOW,
        _endpoint(profile, config),
        _first("AWS_REGION", "AWS_DEFAULT_REGION") or profile.get("region") or "us-east-1",
        credentials=credentials,
        by_library=by_library,
        certificates=_first("AWS_CA_BUNDLE") or profile.get("cabundle", ""),
    )


def _endpoint(profile: dict[str, str], config: Sections) -> str:
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"):
        if named := _first(name):
            return as_url(named, name)
    services = config.get(f"services {profile.get('services', '')}".lower(), {})
    nested = re.search(r"^\s*endpoint_url\s*=\s*(\S+)", services.get("s3", ""), re.MULTILINE)
    named = nested[1] if nested else profile.get("endpointurl", "")
    return as_url(named, "endpoint_url of the profile") if named else ""


def _of_profile(profile: dict[str, str], source: str) -> Credentials | None:
    key_id, secret = profile.get("awsaccesskeyid", ""), profile.get("awssecretaccesskey", "")
    if not key_id:
        return None
    if not secret:
        raise ModelFetchError(f"{source}: an access key has no secret")
    return Credentials(key_id, secret, profile.get("awssessiontoken", ""), source)


def _is_asked() -> bool:
    """Tell whether the environment names an address to fetch credentials from."""
    metadata = _first("AWS_EC2_METADATA_DISABLED").lower() == "false"
    return metadata or any(map(_first, _ASKING))


def _first(*names: str) -> str:
    return next((value for name in names if (value := os.environ.get(name, "").strip())), "")
