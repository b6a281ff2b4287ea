"""`gitops_bridge.images.fetch` over real connections that fail in the ways connections do."""

import hashlib
import os
import resource
import stat
import subprocess
import sys
from dataclasses import dataclass

import pytest

from gitops_bridge.datarobot import retry_after
from gitops_bridge.errors import ImageError
from gitops_bridge.images.fetch import Pace, download
from gitops_bridge.images.sources import FileSource, HttpSource
from gitops_bridge.rest import Rest
from tests.servers.datarobot import DataRobotServer
from tests.servers.packages import MODEL, PACKAGE, Clock

CONTENT = os.urandom(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Place:
    """Where a download goes, how time passes, and what was said."""

    folder: object
    clock: Clock
    said: list
    patience: float = 600

    @property
    def target(self):
        return self.folder / "model.mlpkg"

    def get(self, source, **options):
        deadline = self.clock() + self.patience
        pace = Pace(self.clock, self.clock.sleep, deadline, self.said.append)
        return download(source, self.target, parts=self.folder / "parts", pace=pace, **options)

    def leftovers(self):
        return {path.name for path in self.folder.rglob("*") if path.is_file()}


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path, Clock(), [])


@pytest.fixture
def server():
    with DataRobotServer() as server:
        server.add_package(PACKAGE, content=CONTENT, model_id=MODEL)
        yield server


@pytest.fixture
def source(server):
    with Rest(server.url, error=ImageError, retries=0, timeout=(5, 5)) as rest:
        yield HttpSource(rest, f"plain/{PACKAGE}", {}, retry_after)


def test_a_file_arrives_hashed_and_readable_by_all(place, source):
    fetched = place.get(source, sha256=SHA256.upper())
    assert (fetched.sha256, fetched.size) == (SHA256, len(CONTENT))
    assert place.target.read_bytes() == CONTENT
    assert stat.S_IMODE(place.target.stat().st_mode) == 0o644
    assert place.leftovers() == {"model.mlpkg"}
    assert "3.0 of 3.0 MB" in place.said[-1]


@pytest.mark.parametrize("trouble", [{"unbounded": True}, {"ranges": False}, {"etag": False}])
def test_servers_that_offer_little_do_too(server, place, source, trouble):
    for name, value in trouble.items():
        setattr(server.trouble, name, value)
    assert place.get(source).sha256 == SHA256


def test_drops_are_resumed_where_they_happened(server, place, source):
    server.trouble.drops, server.trouble.drop_after = 8, 700_000
    assert place.get(source).sha256 == SHA256
    assert server.seen[f"GET /plain/{PACKAGE}"] == 5
    assert any("goes on at 655360" in line for line in place.said)


def test_without_ranges_a_drop_begins_anew(server, place, source):
    server.trouble.ranges, server.trouble.drops, server.trouble.drop_after = False, 2, 2_000_000
    assert place.get(source).sha256 == SHA256
    assert any("begins anew" in line for line in place.said)


def test_without_anything_to_name_the_content_a_drop_begins_anew(server, place, source):
    server.trouble.etag, server.trouble.drops, server.trouble.drop_after = False, 2, 2_000_000
    assert place.get(source).sha256 == SHA256
    assert server.seen[f"GET /plain/{PACKAGE}"] == 3


def test_another_file_behind_the_address_is_never_spliced(server, place, source):
    other = os.urandom(2_500_000)
    server.trouble.drops, server.trouble.drop_after = 1, 1_500_000
    server.trouble.new_content_on_resume = other
    assert place.get(source).sha256 == hashlib.sha256(other).hexdigest()
    assert place.target.read_bytes() == other


def test_a_shorter_file_behind_the_address_is_fetched_whole(server, place, source):
    server.trouble.drops, server.trouble.drop_after = 1, 1_500_000
    server.trouble.new_content_on_resume = b"short"
    assert place.get(source).size == 5


def test_a_server_that_sends_another_range_is_not_believed(server, place, source):
    server.trouble.drops, server.trouble.drop_after = 1, 1_500_000
    server.trouble.wrong_range = True
    assert place.get(source).sha256 == SHA256
    assert server.seen[f"GET /plain/{PACKAGE}"] == 3


def test_a_part_that_nobody_asked_for_is_refused(server, place, source):
    server.trouble.part_unasked = True
    with pytest.raises(ImageError, match="nobody asked for") as caught:
        place.get(source)
    assert not caught.value.retry
    assert place.leftovers() == set()


def test_a_server_that_is_busy_in_the_middle_is_gone_on_with(server, place, source):
    server.trouble.drops, server.trouble.drop_after = 2, 1_000_000
    server.trouble.busy_resumes, server.trouble.retry_after = 4, "7"
    assert place.get(source).sha256 == SHA256
    assert place.clock.naps.count(7) == 4
    assert server.seen[f"GET /plain/{PACKAGE}"] == 7


def test_come_back_at_once_is_no_reason_to_hammer(server, place, source):
    server.trouble.busy, server.trouble.retry_after = 3, "0"
    assert place.get(source).sha256 == SHA256
    assert min(place.clock.naps) >= 1


def test_a_server_that_never_gets_further_is_given_up(server, place, source):
    server.trouble.drops, server.trouble.drop_after = 1000, 0
    with pytest.raises(ImageError) as caught:
        place.get(source)
    assert caught.value.retry
    assert server.seen[f"GET /plain/{PACKAGE}"] == 6


def test_a_length_that_is_a_lie_is_noticed(server, place, source):
    server.trouble.length_added = 500
    with pytest.raises(ImageError) as caught:
        place.get(source)
    assert caught.value.retry
    assert not place.target.exists()


def test_an_encoded_body_is_refused(server, place, source):
    server.trouble.encoded = True
    with pytest.raises(ImageError, match="encodes the file"):
        place.get(source)


def test_busy_servers_are_waited_for_as_long_as_they_ask(server, place, source):
    server.trouble.busy, server.trouble.retry_after = 2, "11"
    assert place.get(source).sha256 == SHA256
    assert place.clock.naps == [11, 11]


def test_but_not_beyond_the_deadline(server, place, source):
    server.trouble.busy, server.trouble.retry_after = 1, "601"
    with pytest.raises(ImageError) as caught:
        place.get(source)
    assert caught.value.retry
    assert place.clock.naps == []


def test_a_slow_file_ends_at_the_deadline_and_goes_on_next_time(server, place, source):
    class Ticking(Clock):
        def __call__(self):
            self.now += 10
            return self.now

    place.clock, place.patience = Ticking(), 150
    with pytest.raises(ImageError, match="out of time") as caught:
        place.get(source)
    assert caught.value.retry
    assert place.leftovers() == {"part", "part.json"}
    place.patience = 100_000
    assert place.get(source).sha256 == SHA256
    assert place.leftovers() == {"model.mlpkg"}


def test_progress_is_told_every_few_seconds(place, source):
    class Ticking(Clock):
        def __call__(self):
            self.now += 1
            return self.now

    place.clock, place.patience = Ticking(), 100_000
    place.get(source)
    assert 3 <= len(place.said) <= 10
    assert all("of 3.0 MB" in line and "MB/s" in line for line in place.said)


@pytest.mark.parametrize("stated", [False, True])
def test_another_sha256_is_final(server, place, source, stated):
    server.trouble.sha256 = "0" * 64 if stated else None
    with pytest.raises(ImageError, match=f"SHA-256 is {SHA256}") as caught:
        place.get(source, sha256=None if stated else "0" * 64)
    assert not caught.value.retry
    assert place.leftovers() == set()


def test_a_stated_sha256_that_is_right(server, place, source):
    server.trouble.sha256 = SHA256
    assert place.get(source).sha256 == SHA256


def test_a_part_of_another_source_is_not_used(server, place, source, tmp_path):
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "part").write_bytes(b"x" * 100)
    for note in ('{"source": "elsewhere", "validator": "\\"a\\""}', "{", "[]", '{"source": 1}'):
        (parts / "part.json").write_text(note)
        assert place.get(source).sha256 == SHA256


def test_a_part_of_unknown_content_is_never_appended_to(server, place, source, tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "part").write_bytes(CONTENT[:1_000_000])
    server.trouble.ranges = False
    place.get(source)
    assert place.target.read_bytes() == CONTENT


def test_a_part_left_by_a_kill_is_gone_on_with(server, place, source, tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "part").write_bytes(CONTENT[:2_000_000])
    note = '{"source": "%s", "validator": "%s"}' % (  # noqa: UP031 - braces
        source.name, server.packages[PACKAGE].etag().replace('"', '\\"'),
    )  # fmt: skip
    (tmp_path / "parts" / "part.json").write_text(note)
    server.trouble.drops, server.trouble.drop_after = 1, 1_000_001
    assert place.get(source, sha256=SHA256).size == len(CONTENT)
    assert server.trouble.drops == 0


def test_from_a_mounted_path(place, tmp_path):
    (tmp_path / "volume").write_bytes(CONTENT)
    fetched = place.get(FileSource(tmp_path / "volume"))
    assert fetched.sha256 == SHA256
    assert (tmp_path / "volume").exists()


@pytest.mark.parametrize("what", ["missing", "folder", "pipe"])
def test_a_path_that_is_no_file(place, tmp_path, what):
    path = tmp_path / what
    if what == "folder":
        path.mkdir()
    if what == "pipe":
        os.mkfifo(path)
    with pytest.raises(ImageError, match="no such file") as caught:
        place.get(FileSource(path))
    assert caught.value.status == 404


def test_a_full_disk_is_told_before_and_while(place, source, tmp_path):
    """In a process whose files may not grow beyond 1 MB, which fails the way a full disk does."""
    program = f"""
from tests.servers.packages import Clock
from gitops_bridge.datarobot import retry_after
from gitops_bridge.errors import ImageError
from gitops_bridge.images.disk import DiskFull
from gitops_bridge.images.sources import HttpSource
from gitops_bridge.rest import Rest
from pathlib import Path
from tests.test_images_fetch import Place
rest = Rest({source.rest.base_url!r}, error=ImageError)
source = HttpSource(rest, {source.path!r}, {{}}, retry_after)
place = Place(Path({str(tmp_path)!r}), Clock(), [])
try:
    place.get(source)
except DiskFull as error:
    print(error, error.retry, place.leftovers())
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000)),
    )  # fmt: skip
    assert "the disk is full (give the build more disk" in ended.stdout
    assert ended.stdout.endswith("True set()\n")


def test_a_file_larger_than_the_disk_is_not_begun(server, place, source):
    server.trouble.length_added = 1 << 50
    with pytest.raises(ImageError, match="bytes are needed"):
        place.get(source)
    assert place.leftovers() == set()
