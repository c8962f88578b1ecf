"""Endpoints and credentials: from URLs, service files, the environment and tools' own files."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from eas_processor.errors import ModelFetchError
from eas_processor.model_store.objects import SCHEMES, check_objects
from eas_processor.model_store.objects.access import Access, Hints
from eas_processor.model_store.objects.address import parse

pytestmark = [pytest.mark.medium, pytest.mark.usefixtures("no_settings")]
SHANGHAI = Hints("oss-cn-shanghai.aliyuncs.com")
OSSUTIL_1 = """[Credentials]
language=EN
endpoint=oss-cn-beijing.aliyuncs.com
accessKeyID=id
accessKeySecret=se%cret=
stsToken=token
[Bucket-Endpoint]
my-bucket=http://10.0.0.7:9000
"""
OSSUTIL_2 = """[default]
access-key-id = id
accessKeySecret = secret
region = cn-hangzhou
[profile other]
access_key_id = other
access_key_secret = secret
"""


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(content)
    return path


def access(url: str, hints: Hints = Hints()) -> Access:  # noqa: B008 - it is frozen
    address = parse(url)
    return SCHEMES[address.scheme](address, hints)


def refusal(url: str, hints: Hints = Hints()) -> str:  # noqa: B008 - it is frozen
    with pytest.raises(ModelFetchError) as caught:
        access(url, hints)
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "endpoint", "expected", "region", "virtual_hosted"),
    [
        ("oss://b/k", "oss-cn-x.aliyuncs.com", "https://s3.oss-cn-x.aliyuncs.com", "cn-x", True),
        (
            "oss://b.oss-cn-x-internal.aliyuncs.com/k",
            "oss-cn-y.aliyuncs.com",
            "https://s3.oss-cn-x-internal.aliyuncs.com",
            "cn-x",
            True,
        ),
        ("oss://b/k", "http://oss.example.com/", "http://oss.example.com", "us-east-1", True),
        ("oss://b/k", "http://127.0.0.1:9000", "http://127.0.0.1:9000", "us-east-1", False),
        ("oss://b.localhost:9000/k", "", "https://localhost:9000", "us-east-1", False),
    ],
)
def test_endpoints_of_oss(
    url: str, endpoint: str, expected: str, region: str, virtual_hosted: bool
) -> None:
    found = access(url, Hints(endpoint))
    assert (found.endpoint, found.region) == (expected, region)
    assert found.virtual_hosted == virtual_hosted


def test_the_order_of_endpoints(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of_service_file = Hints(region="cn-shenzhen")
    assert access("oss://b/k", of_service_file).region == "cn-shenzhen"
    write(user / ".ossutilconfig", OSSUTIL_1)
    assert access("oss://b/k", of_service_file).region == "cn-beijing"
    assert access("oss://my-bucket/k", of_service_file).endpoint == "http://10.0.0.7:9000"
    monkeypatch.setenv("OSS_ENDPOINT", "oss-cn-a.aliyuncs.com")
    assert access("oss://my-bucket/k").region == "cn-a"
    assert access("oss://my-bucket/k", SHANGHAI).region == "cn-shanghai"


def test_credentials_of_oss(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def found() -> tuple[str, str, str]:
        credentials = access("oss://b/k", SHANGHAI).credentials
        assert credentials
        return credentials.key_id, credentials.secret, credentials.token

    assert access("oss://b/k", SHANGHAI).credentials is None
    aliyun = '{"current": "p", "profiles": [{"name": "p", "access_key_id": "a", '
    write(user / ".aliyun" / "config.json", aliyun + '"access_key_secret": "s"}]}')
    assert found() == ("a", "s", "")
    shared = "[default]\ntype = access_key\naccess_key_id = b\naccess_key_secret = s\n"
    write(user / ".alibabacloud" / "credentials", shared)
    assert found() == ("b", "s", "")
    write(user / ".ossutilconfig", OSSUTIL_1)
    assert found() == ("id", "se%cret=", "token")
    write(user / ".ossutilconfig", OSSUTIL_2)
    assert found() == ("id", "secret", "")
    monkeypatch.setenv("OSSUTIL_PROFILE", "other")
    assert found() == ("other", "secret", "")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "c")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "s")
    monkeypatch.setenv("ALIBABA_CLOUD_SECURITY_TOKEN", "t")
    assert found() == ("c", "s", "t")
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", "d")
    said = "OSS_ACCESS_KEY_ID is set and OSS_ACCESS_KEY_SECRET is not: set both"
    assert refusal("oss://b/k", SHANGHAI) == said
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", "s")
    assert found() == ("d", "s", "")


def test_files_of_aws(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = "[default]\nregion = eu-west-1\n[profile lab]\nservices = minio\n[profile sso]\n"
    config += "sso_session = x\n[services minio]\ns3 =\n  endpoint_url = http://minio:9000\n"
    write(user / ".aws" / "config", config)
    keys = "[default]\naws_access_key_id = id\naws_secret_access_key = secret\n"
    write(user / ".aws" / "credentials", f"{keys}[lab]\naws_access_key_id = lab\n")
    found = access("s3://b/k")
    assert (found.endpoint, found.region) == ("", "eu-west-1")
    assert found.credentials is not None
    assert found.credentials.key_id == "id"
    monkeypatch.setenv("AWS_PROFILE", "lab")
    assert refusal("s3://b/k").endswith("profile lab: an access key has no secret")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    found = access("s3://b/k")
    assert (found.endpoint, found.region) == ("http://minio:9000", "us-east-1")
    assert found.credentials is not None
    assert found.credentials.key_id == "of environment"
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_PROFILE", "sso")
    assert "run `aws configure export-credentials --format env`" in refusal("s3://b/k")
    monkeypatch.setenv("AWS_PROFILE", "gone")
    assert refusal("s3://b/k").startswith("AWS_PROFILE is 'gone', which is not in ")


def test_files_of_google(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not access("gs://b/k").by_library
    key = write(user / ".config/gcloud/application_default_credentials.json", "{}")
    assert access("gs://b/k").options == {"application_credentials": str(key)}
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(user / "gone"))
    said = f"GOOGLE_APPLICATION_CREDENTIALS is {str(user / 'gone')!r}, which is not a file"
    assert refusal("gs://b/k") == said


@pytest.mark.parametrize(
    ("url", "endpoint", "message"),
    [
        (
            "oss://b/k",
            "",
            "oss://b/k: no endpoint is known; set `oss_endpoint` in the service file",
        ),
        ("oss://b/k", "http://h/ x", "oss_endpoint: expected a host or an http(s) URL, got 'http:"),
        ("oss://b/k", "ftp://h", "oss_endpoint: expected a host or an http(s) URL, got 'ftp://h'"),
        ("oss://b/k", "https://id:secret@h", "oss_endpoint: expected a host or an http(s) URL, go"),
        ("oss://id:secret@b/k", "", "oss:// URLs cannot contain credentials: set them in the env"),
        ("oss:///k", "", "is not a URL of a bucket: expected oss://bucket/key, got oss://"),
        ("s3://b/a//k", "", "s3://b/a//k: a key with //, . or .. cannot be fetched"),
        ("s3://b/a/../k", "", "s3://b/a/../k: a key with //, . or .. cannot be fetched"),
    ],
)
def test_what_is_refused(url: str, endpoint: str, message: str) -> None:
    said = refusal(url, Hints(endpoint))
    assert said.startswith(message)
    assert "secret" not in said


@pytest.mark.parametrize("content", ["accessKeySecret=secret", "[a\nsecret", "[a]\n[]\n=secret"])
def test_a_damaged_file_is_not_repeated(user: Path, content: str) -> None:
    path = write(user / ".ossutilconfig", content)
    said = refusal("oss://b/k", SHANGHAI)
    assert said.startswith(f"{path}, line ")
    assert "secret" not in said


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "secret")
    assert "'secret'" not in repr(access("oss://b/k", SHANGHAI))


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    said = "oss://b/k: needs the package obstore: run `pip install 'eas-processor[stores]'`"
    with pytest.raises(ModelFetchError) as caught:
        check_objects("oss://b/k", SHANGHAI)
    assert str(caught.value).startswith(said)
