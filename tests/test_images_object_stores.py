"""`gitops_bridge.images.object_stores` against stores with state: moto's S3, and a small GCS."""

import hashlib
import os

import boto3
import pytest
from moto.server import ThreadedMotoServer

from gitops_bridge.datarobot import retry_after
from gitops_bridge.errors import ConfigError, ImageError, RequestError
from gitops_bridge.images import object_stores
from gitops_bridge.images.fetch import Pace, download
from gitops_bridge.images.sources import HttpSource
from tests.servers.google_storage import GoogleStorageServer
from tests.servers.packages import Clock

CONTENT = os.urandom(2_500_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utc:DeprecationWarning")


@pytest.fixture
def bucket(monkeypatch):
    """boto3's client of a store with the bucket `models`, found as a Job finds its own."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for key, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "canary-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(key, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="models")
    yield client
    client.close()
    server.stop()


@pytest.fixture
def get(tmp_path):
    def get(source, **options):
        clock = Clock()
        pace = Pace(clock, clock.sleep, 1e9, lambda line: None)
        target = tmp_path / "file"
        return download(source, target, parts=tmp_path / "parts", pace=pace, **options)

    return get


@pytest.fixture
def s3(bucket):
    """A function from an address to its source; the connections are closed after the test."""
    sources = []

    def s3(url):
        sources.append(object_stores.s3(url, ca_file=None, verify=True))
        return sources[-1]

    yield s3
    for source in sources:
        source.client.close()


def test_an_object_of_s3(bucket, s3, get):
    bucket.put_object(Bucket="models", Key="churn/v 1.mlpkg", Body=CONTENT)
    assert get(s3("s3://models/churn/v 1.mlpkg")).sha256 == SHA256


def test_s3_goes_on_where_it_was(bucket, s3, get, tmp_path):
    etag = bucket.put_object(Bucket="models", Key="a", Body=CONTENT)["ETag"]
    body = s3("s3://models/a").open(1_000_000, etag)
    assert (body.start, body.size) == (1_000_000, len(CONTENT))
    assert b"".join(body.chunks) == CONTENT[1_000_000:]
    body.close()


def test_s3_with_another_object_by_now_begins_anew(bucket, s3):
    bucket.put_object(Bucket="models", Key="a", Body=CONTENT)
    for start, validator in ((1_000_000, '"of-another"'), (1 << 40, None)):
        body = s3("s3://models/a").open(start, validator)
        assert (body.start, body.size) == (0, len(CONTENT))
        body.close()


def test_s3_states_the_sha256_it_was_given(bucket, s3, get):
    bucket.put_object(Bucket="models", Key="a", Body=CONTENT, ChecksumAlgorithm="SHA256")
    body = s3("s3://models/a").open(0, None)
    body.close()
    assert body.sha256 == SHA256


@pytest.mark.parametrize(("url", "status"), [("s3://models/none", 404), ("s3://none/a", 404)])
def test_what_s3_does_not_have(s3, get, url, status):
    with pytest.raises(ImageError, match="NoSuch") as caught:
        get(s3(url))
    assert (caught.value.status, caught.value.retry) == (status, False)


def test_s3_out_of_reach_is_worth_a_retry(bucket, s3, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(ImageError, match="EndpointConnectionError") as caught:
        s3("s3://models/a").open(0, None)
    assert caught.value.retry


def test_s3_without_credentials_is_final(bucket, s3, monkeypatch, tmp_path):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ImageError, match="NoCredentials") as caught:
        s3("s3://models/a").open(0, None)
    assert not caught.value.retry


@pytest.mark.parametrize("url", ["s3://models", "s3:///a", "s3://models/a?versionId=1"])
def test_an_address_must_name_an_object(url):
    with pytest.raises(RequestError, match="names no object"):
        object_stores.s3(url, ca_file=None, verify=True)


@pytest.fixture
def google():
    with GoogleStorageServer() as server:
        yield server


@pytest.fixture
def gs(google):
    sessions = []

    def gs(url):
        rest, path, params = object_stores.gs(
            url, emulator=google.address, ca_file=None, verify=True
        )
        sessions.append(rest)
        return HttpSource(rest, path, params, retry_after)

    yield gs
    for rest in sessions:
        rest.__exit__()


def test_an_object_of_google_cloud_storage_over_a_broken_connection(google, gs, get):
    google.objects["models", "churn/v 1.mlpkg"] = CONTENT
    google.drop_after = 1_000_000
    assert get(gs("gs://models/churn/v 1.mlpkg")).sha256 == SHA256


def test_what_google_cloud_storage_does_not_have(gs, get):
    with pytest.raises(ImageError, match="No such object") as caught:
        get(gs("gs://models/none"))
    assert caught.value.status == 404


def test_google_without_a_login_says_so(monkeypatch, tmp_path):
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(ConfigError, match="gs: Your default credentials were not found"):
        object_stores.gs("gs://models/a", emulator=None, ca_file=None, verify=True)
