"""The cache: a folder that is ours alone, and notes that are given back only when they hold."""

import os
import stat
import threading
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_bridge.cache import Cache, private
from gitops_bridge.errors import ConfigError

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")


@contextmanager
def umask(mask):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777])
def test_made_private_whatever_the_umask(tmp_path, mask):
    cache = Cache(tmp_path / "a" / "b")
    with umask(mask):
        cache.write("note", "text")
        assert cache.read("note") == "text"
    assert mode(tmp_path / "a") == mode(tmp_path / "a" / "b") == 0o700
    assert mode(tmp_path / "a" / "b" / "note") == 0o600


@pytest.mark.parametrize("bits", [0o777, 0o1777, 0o770, 0o720, 0o702])
def test_a_folder_that_others_may_write_is_refused(tmp_path, bits):
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "note").write_text("planted")
    folder.chmod(bits)
    for use in (lambda: Cache(folder).read("note"), lambda: Cache(folder).write("note", "x")):
        with pytest.raises(ConfigError, match="may be written by others") as caught:
            use()
        assert str(folder) in caught.value.message
        assert "repository.cache" in (caught.value.hint or "")


def test_a_folder_that_others_may_read_is_closed(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o755)
    Cache(folder).write("note", "text")
    assert mode(folder) == 0o700


@AS_ROOT
@pytest.mark.parametrize("linked", [False, True])
def test_somebody_elses_folder_is_refused(tmp_path, linked):
    theirs, folder = tmp_path / "theirs", tmp_path / "cache"
    theirs.mkdir(mode=0o700)
    os.chown(theirs, 12345, 12345)
    if linked:
        folder.symlink_to(theirs)
    else:
        theirs.rename(folder)
    with pytest.raises(ConfigError, match="belongs to user"):
        private(folder)


@AS_ROOT
def test_a_link_that_somebody_else_made_is_refused(tmp_path):
    ours, folder = tmp_path / "ours", tmp_path / "cache"
    ours.mkdir(mode=0o700)
    folder.symlink_to(ours)
    os.lchown(folder, 12345, 12345)
    with pytest.raises(ConfigError, match="belongs to user 12345"):
        private(folder)


@pytest.mark.parametrize("place", ["/proc/nowhere/cache", "a file"])
def test_what_cannot_be_made_remembers_nothing(tmp_path, place):
    (tmp_path / "a file").write_text("")
    cache = Cache(tmp_path / place)
    with pytest.raises(OSError, match=r"\[Errno"):
        private(cache.folder)
    cache.write("note", "text")
    assert cache.read("note") is None


DAMAGE = {
    "halved": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "zeroed": lambda content: bytes(len(content)),
    "not UTF-8": lambda content: content[:-2] + b"\xff\xfe",
    "longer": lambda content: content + b"more",
    "without a head": lambda content: content.partition(b"\n")[2],
    "another text": lambda content: content.replace(b"the text", b"teh text"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_does_not_hold_is_thrown_away(tmp_path, damage):
    cache = Cache(tmp_path / "cache")
    cache.write("note", "the text")
    path = tmp_path / "cache" / "note"
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    assert cache.read("note") is None
    assert not path.exists()


def test_what_was_made_from_something_else_is_thrown_away(tmp_path):
    cache = Cache(tmp_path / "cache")
    cache.write("note", "the text", "tree a")
    assert cache.read("note", "tree a") == "the text"
    (tmp_path / "cache" / "copy").write_bytes((tmp_path / "cache" / "note").read_bytes())
    assert cache.read("copy", "tree a") is None
    assert cache.read("note", "tree b") is None
    assert cache.read("note", "tree a") is None


@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_what_is_no_file_is_no_note(tmp_path, kind):
    cache = Cache(tmp_path / "cache")
    cache.write("other", "text")
    path = tmp_path / "cache" / "note"
    {
        "folder": path.mkdir,
        "link": lambda: path.symlink_to("other"),
        "pipe": lambda: os.mkfifo(path),
    }[kind]()
    assert cache.read("note") is None


@given(st.text(), st.text(), st.binary(max_size=200))
def test_any_bytes(tmp_path_factory, text, made_from, content):
    cache = Cache(tmp_path_factory.getbasetemp() / "any")
    cache.write("note", text, made_from)
    assert cache.read("note", made_from) == text
    (cache.folder / "note").write_bytes(content)
    assert cache.read("note", made_from) is None


def test_many_writers_leave_one_whole_note(tmp_path):
    texts = [str(number) * 100_000 for number in range(4)]
    threads = [
        threading.Thread(target=lambda t=t: [Cache(tmp_path).write("note", t) for _ in range(20)])
        for t in texts
    ]
    tmp_path.chmod(0o700)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Cache(tmp_path).read("note") in texts
    assert os.listdir(tmp_path) == ["note"]


def test_what_was_left_half_written_is_swept(tmp_path):
    cache = Cache(tmp_path / "cache")
    cache.write("00-first", "text")
    abandoned, current = cache.folder / ".note.1.1", cache.folder / ".note.2.2"
    abandoned.write_text("half")
    current.write_text("half")
    os.utime(abandoned, (1, 1))
    cache.write("00-second", "text")
    assert not abandoned.exists()
    assert current.exists()
