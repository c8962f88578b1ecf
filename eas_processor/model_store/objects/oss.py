"""
The access to Alibaba Cloud OSS, by its S3 interface.

See https://help.aliyun.com/en/oss/developer-reference/use-aws-sdks-to-access-oss: the hosts are
s3.oss-REGION.aliyuncs.com, and a bucket's name comes before them.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from eas_processor.errors import ModelFetchError
from eas_processor.model_store.objects.access import (
    Access,
    Credentials,
    Hints,
    as_url,
    from_environment,
    has_subdomains,
)
from eas_processor.model_store.objects.address import Address
from eas_processor.model_store.objects.settings_file import (
    Sections,
    place_of,
    read_sections,
    read_text,
)

_OF_VENDOR = re.compile(r"(https?://)(oss-([a-z0-9-]+?)(-internal)?\.aliyuncs\.com)(:\d+)?")
_ANY_REGION = "us-east-1"
_HOW = "set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET, or run `ossutil config`"


def access(address: Address, hints: Hints) -> Access:
    """Return the access to a bucket of OSS. Raises ModelFetchError."""
    path = place_of("OSSUTIL_CONFIG_FILE", ".ossutilconfig")
    of_ossutil = read_sections(path)
    url = _endpoint(address, hints, of_ossutil, path)
    region = _region(hints, of_ossutil) or _ANY_REGION
    if known := _OF_VENDOR.fullmatch(url):
        region = known[3]
        url = f"{known[1]}s3.{known[2]}{known[5] or ''}"
    credentials = _credentials(of_ossutil, path)
    return Access(_HOW, url, region, has_subdomains(url), credentials)


def _endpoint(address: Address, hints: Hints, of_ossutil: Sections, path: Path | None) -> str:
    default = _default(of_ossutil)
    bucket = address.bucket.lower().replace("-", "").replace("_", "")
    of_bucket = of_ossutil.get("bucket-endpoint", {}).get(bucket) or of_ossutil.get(
        f"buckets {address.bucket.lower()}", {}
    ).get("endpoint")
    for named, named_by in (
        (address.endpoint, "the endpoint in the URL"),
        (hints.oss_endpoint, "oss_endpoint"),
        (os.environ.get("OSS_ENDPOINT", "").strip(), "OSS_ENDPOINT"),
        (of_bucket, f"{path}"),
        (default.get("endpoint"), f"{path}"),
    ):
        if named:
            return as_url(named, named_by)
    if region := _region(hints, of_ossutil):
        return as_url(f"oss-{region}.aliyuncs.com", "the region")
    raise address.refusal(
        "no endpoint is known; set `oss_endpoint` in the service file or OSS_ENDPOINT, "
        "such as oss-cn-shanghai.aliyuncs.com"
    )


def _region(hints: Hints, of_ossutil: Sections) -> str:
    named = (
        os.environ.get("OSS_REGION", "").strip()
        or _default(of_ossutil).get("region", "")
        or hints.region
    )
    return named.removeprefix("oss-")


def _credentials(of_ossutil: Sections, path: Path | None) -> Credentials | None:
    found = from_environment(
        "OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN"
    ) or from_environment(
        "ALIBABA_CLOUD_ACCESS_KEY_ID",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
        "ALIBABA_CLOUD_SECURITY_TOKEN",
    )
    if found:
        return found
    default = _default(of_ossutil)
    if default.get("accesskeyid"):
        return _of(default, "ststoken", path)
    shared = place_of("ALIBABA_CLOUD_CREDENTIALS_FILE", ".alibabacloud", "credentials")
    profile = os.environ.get("ALIBABA_CLOUD_PROFILE", "default").lower()
    section = read_sections(shared).get(profile, {})
    if section.get("accesskeyid"):
        return _of(section, "securitytoken", shared)
    return _of_aliyun(place_of("", ".aliyun", "config.json"))


def _of_aliyun(path: Path | None) -> Credentials | None:
    """Return the credentials that `aliyun configure`, Alibaba Cloud's command, has stored."""
    try:
        content: Any = json.loads(read_text(path) or "{}")
        current = os.environ.get("ALIBABA_CLOUD_PROFILE") or content.get("current")
        profiles = {each["name"]: each for each in content.get("profiles", [])}
        profile = profiles.get(current, {})
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ModelFetchError(f"{path} is not a configuration of aliyun") from None
    if not profile.get("access_key_id"):
        return None
    plain = {key.replace("_", ""): str(value or "") for key, value in profile.items()}
    return _of(plain, "ststoken", path)


def _of(section: dict[str, str], token: str, path: Path | None) -> Credentials:
    secret = section.get("accesskeysecret", "")
    if not secret:
        raise ModelFetchError(f"{path} has an access key and no secret for it")
    return Credentials(section["accesskeyid"], secret, section.get(token, ""), f"{path}")


def _default(of_ossutil: Sections) -> dict[str, str]:
    """Return the section in use, which ossutil 1 and ossutil 2 name differently."""
    profile = os.environ.get("OSSUTIL_PROFILE", "default").lower()
    for name in (profile, f"profile {profile}", "credentials"):
        if name in of_ossutil:
            return of_ossutil[name]
    return {}
