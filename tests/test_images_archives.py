"""`gitops_bridge.images.archives` on archives that are broken, harmful or merely odd."""

import contextlib
import gzip
import io
import os
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_bridge.errors import ImageError
from gitops_bridge.images import archives
from gitops_bridge.images.archives import Limits
from tests.servers.packages import tarred, zipped


@pytest.fixture
def put(tmp_path):
    """A function that writes an archive; its files are to go to `tmp_path / "into"`."""
    (tmp_path / "into").mkdir()

    def put(content):
        path = tmp_path / "archive"
        path.write_bytes(content)
        return path, tmp_path / "into"

    return put


def tar_of(*members, mode="w:gz"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=tarfile.GNU_FORMAT) as archive:
        for name, kind, link in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, link, 0
            if kind == tarfile.REGTYPE:
                member.size = 3
            archive.addfile(member, io.BytesIO(b"abc"))
    return buffer.getvalue()


def zip_of(*members, mode=0):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members:
            info = zipfile.ZipInfo("x")
            info.filename, info.external_attr = name, mode << 16
            with contextlib.suppress(UserWarning):
                archive.writestr(info, content)
    return buffer.getvalue()


def files_in(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


FILES = {"a": b"1", "deep/er/b": b"22", "exe": b"333"}


@pytest.mark.parametrize("content", [tarred(FILES), tarred(FILES, "w"), zipped(FILES)])
def test_files_arrive_readable_by_all(put, content):
    path, into = put(content)
    archives.check(path)
    archives.unpack(path, into)
    assert {name: (into / name).read_bytes() for name in FILES} == FILES
    assert stat.S_IMODE((into / "deep").stat().st_mode) == 0o755
    assert stat.S_IMODE((into / "a").stat().st_mode) == 0o644


def test_only_the_right_to_execute_is_kept(put):
    path, into = put(tarred(FILES, executable="exe"))
    archives.unpack(path, into)
    assert stat.S_IMODE((into / "exe").stat().st_mode) == 0o755
    path, again = put(zip_of(("set-user-id", b"x"), mode=0o104711))
    archives.unpack(path, again)
    assert stat.S_IMODE((again / "set-user-id").stat().st_mode) == 0o755


ESCAPES = [
    "../out", "/out", "a/../../out", "a/..", "..", "a\nb", "a\x00b", "a\x1b[2J", "a\u2028b", "a\\b",
    "x" * 256, "a/" * 2001 + "b",
]  # fmt: skip


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("pack", ["tar", "zip"])
def test_names_that_escape_or_hide_are_refused(put, tmp_path, name, pack):
    if pack == "tar" and "\x00" in name:
        name = "a\x01b"
    content = zip_of((name, b"")) if pack == "zip" else tar_of((name, tarfile.REGTYPE, ""))
    path, into = put(content)
    with pytest.raises(ImageError, match="archive holds"):
        archives.unpack(path, into)
    assert files_in(into) == set()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["a\udcffb", "caf\udce9"])
def test_names_that_are_no_utf_8_are_refused(put, name):
    path, into = put(tar_of((name, tarfile.REGTYPE, "")))
    with pytest.raises(ImageError, match="characters that hide"):
        archives.unpack(path, into)


LINKS = ["/etc/passwd", "..", "../x", "a/../../x", "b/../x", "../into-else", "", "x\ny"]


@pytest.mark.parametrize("target", LINKS)
@pytest.mark.parametrize("pack", ["tar", "zip"])
def test_links_that_lead_out_are_refused(put, target, pack):
    content = (
        zip_of(("link", target), mode=0o120777)
        if pack == "zip"
        else tar_of(("link", tarfile.SYMTYPE, target))
    )
    path, into = put(content)
    with pytest.raises(ImageError, match="out of the folder"):
        archives.unpack(path, into)
    assert files_in(into) == set()


def test_links_that_stay_inside_are_made(put):
    path, into = put(
        tar_of(
            ("lib/so.1", tarfile.REGTYPE, ""),
            ("lib/so", tarfile.SYMTYPE, "so.1"),
            ("bin/so", tarfile.SYMTYPE, "../lib/so"),
            ("same", tarfile.LNKTYPE, "lib/so.1"),
        )
    )
    archives.unpack(path, into)
    assert {(into / name).read_bytes() for name in ("lib/so", "bin/so", "same")} == {b"abc"}


def test_nothing_is_written_through_a_link(put, tmp_path):
    for members in (
        [("d", tarfile.SYMTYPE, "e"), ("d/file", tarfile.REGTYPE, "")],
        [("e", tarfile.DIRTYPE, ""), ("d", tarfile.SYMTYPE, "e"), ("d", tarfile.REGTYPE, "")],
        [("e", tarfile.DIRTYPE, ""), ("d", tarfile.SYMTYPE, "e"), ("h", tarfile.LNKTYPE, "d")],
        [("h", tarfile.LNKTYPE, "/etc/passwd")],
        [("h", tarfile.LNKTYPE, "../archive")],
        [("h", tarfile.LNKTYPE, "later"), ("later", tarfile.REGTYPE, "")],
    ):
        into = Path(tempfile.mkdtemp(dir=tmp_path))
        path, _ = put(tar_of(*members))
        with pytest.raises(ImageError, match="archive holds"):
            archives.unpack(path, into)
        (tmp_path / "into").rmdir()
        (tmp_path / "into").mkdir()


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes_are_refused(put, kind):
    path, into = put(tar_of(("d", kind, "")))
    with pytest.raises(ImageError, match="special file"):
        archives.unpack(path, into)
    assert files_in(into) == set()


@pytest.mark.parametrize("mode", [0o010644, 0o020644, 0o060644, 0o140644])
def test_a_zip_with_special_files_is_refused(put, mode):
    path, into = put(zip_of(("d", b""), mode=mode))
    with pytest.raises(ImageError, match="special file"):
        archives.unpack(path, into)


@pytest.mark.parametrize("names", [("a", "a"), ("a", "./a"), ("a/b", "a//b"), ("a", "a/b")])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_name_twice_is_refused(put, names):
    for content in (
        zip_of(*((name, b"x") for name in names)),
        tar_of(*((name, tarfile.REGTYPE, "") for name in names)),
    ):
        path, into = put(content)
        with pytest.raises(ImageError, match=r"twice|both as a folder"):
            archives.unpack(path, into)
        for file in sorted(into.rglob("*"), reverse=True):
            file.unlink() if file.is_file() else file.rmdir()


def test_bombs_are_stopped_where_they_begin_to_hurt(put):
    path, into = put(zipped({"zeros": bytes(80 << 20)}, zipfile.ZIP_DEFLATED))
    with pytest.raises(ImageError, match="unpacks to more than") as caught:
        archives.unpack(path, into)
    assert "bomb" in caught.value.hint
    assert (into / "zeros").stat().st_size <= 65 << 20


@pytest.mark.parametrize("pack", ["gzip", "zip"])
def test_a_bomb_is_no_more_read_than_unpacked(put, pack):
    zeros = bytes(80 << 20)
    bomb = gzip.compress(zeros) if pack == "gzip" else zipped({"a": zeros}, zipfile.ZIP_DEFLATED)
    path, _ = put(bomb)
    with pytest.raises(ImageError, match="unpacks to more than"):
        archives.check(path)


def header(name, kind, size):
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    "kind",
    [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK],
)
def test_a_bomb_of_one_header_is_not_read(put, kind):
    """The library would hold all of it in memory, before anything is unpacked."""
    size = 2 << 20
    content = header("x", kind, size) + bytes(size) + header("y", tarfile.REGTYPE, 0) + bytes(1024)
    path, into = put(gzip.compress(content))
    with pytest.raises(ImageError, match=f"a header of {size} bytes"):
        archives.unpack(path, into)
    path, _ = put(content)
    with pytest.raises(ImageError, match=f"a header of {size} bytes"):
        archives.check(path)


@pytest.mark.parametrize("version", ["0.0", "0.1", "1.0", "old"])
def test_sparse_files_are_refused(put, version):
    """Their maps have no bound, and the library reads them whole."""
    if version == "old":
        content = header("x", tarfile.GNUTYPE_SPARSE, 0) + bytes(1024)
    else:
        major, minor = version.split(".")
        fields = {"GNU.sparse.major": major, "GNU.sparse.minor": minor}
        told = {"0.0": {"GNU.sparse.size": "9"}, "0.1": {"GNU.sparse.map": "0,9"}, "1.0": fields}
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
            member = tarfile.TarInfo("x")
            member.pax_headers = told[version]
            archive.addfile(member)
        content = buffer.getvalue()
    path, into = put(content)
    with pytest.raises(ImageError, match="holds a sparse file"):
        archives.unpack(path, into)


def test_long_names_are_fine(put):
    name = "/".join(["x" * 200] * 10)
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz", format=form) as archive:
            archive.addfile(tarfile.TarInfo(name))
        path, into = put(buffer.getvalue())
        archives.unpack(path, into)
        assert (into / name).is_file()
        (into / name).unlink()
        for folder in (into / name).parents:
            if folder == into:
                break
            folder.rmdir()


def test_totals_and_counts_are_limited(put):
    path, into = put(tarred({str(number): b"x" for number in range(20)}))
    with pytest.raises(ImageError, match="more than 10 entries"):
        archives.unpack(path, into, Limits(entries=10))
    path, into = put(zipped({"a": b"x" * 1000}))
    with pytest.raises(ImageError, match="more than 100 bytes"):
        archives.unpack(path, into, Limits(total=100))


def test_a_zip_with_too_large_a_directory_is_not_read(put):
    path, into = put(zipped({str(number): b"" for number in range(50)}))
    with pytest.raises(ImageError, match="states 50 entries"):
        archives.check(path, Limits(entries=40))
    with pytest.raises(ImageError, match="50 entries in"):
        archives.unpack(path, into, Limits(directory=100))


@pytest.mark.parametrize(
    "content", [zipped(FILES), tarred(FILES), zipped({"a": os.urandom(99_999)})]
)
def test_an_archive_cut_anywhere_is_noticed(put, content):
    for length in [*range(0, len(content), max(1, len(content) // 50)), len(content) - 1]:
        path, _ = put(content[:length])
        with pytest.raises(ImageError, match=r"archive is (broken|no archive)"):
            archives.check(path)


def test_a_tar_cut_before_its_empty_blocks_is_noticed(put):
    content = tarred(FILES, "w")
    whole = len(content.rstrip(b"\0"))
    for length in range(512, whole, 100):
        path, _ = put(content[:length])
        with pytest.raises(ImageError, match=r"archive is (broken|no archive)"):
            archives.check(path)


def test_a_flipped_bit_in_a_gzip_is_noticed(put):
    content = bytearray(gzip.compress(os.urandom(50_000)))
    content[30_000] ^= 1
    path, _ = put(bytes(content))
    with pytest.raises(ImageError, match="is broken"):
        archives.check(path)


def test_a_flipped_bit_in_a_zipped_file_is_noticed(put):
    content = bytearray(zipped({"a": os.urandom(50_000)}))
    content[30_000] ^= 1
    path, into = put(bytes(content))
    with pytest.raises(ImageError, match="Bad CRC-32"):
        archives.check(path)
    with pytest.raises(ImageError, match="Bad CRC-32"):
        archives.unpack(path, into)


@pytest.mark.parametrize("content", [b"", b"<html>log in</html>", b"PK", bytes(1000)])
def test_what_is_no_archive_is_refused(put, content):
    path, into = put(content)
    with pytest.raises(ImageError, match="is no"):
        archives.check(path)
    with pytest.raises(ImageError, match="is no"):
        archives.unpack(path, into)


def test_an_encrypted_zip_is_refused(put):
    content = bytearray(zipped({"a": b"secret"}))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path, into = put(bytes(content))
    with pytest.raises(ImageError, match="encrypted"):
        archives.unpack(path, into)


def test_a_zip_of_more_than_65535_entries_is_read(put):
    path, _ = put(zipped({f"{number:x}": b"" for number in range(66_000)}))
    archives.check(path)


def test_what_the_library_cannot_read_passes_until_it_is_unpacked(put):
    """A dedicated model's package is never unpacked here, so its ways to pack are its own."""
    content = zipped({"a": b"x" * 1000}, zipfile.ZIP_LZMA)
    path, into = put(content)
    archives.check(path)
    with pytest.raises(ImageError, match="in an unusual way"):
        archives.unpack(path, into)


def test_read_is_limited(put):
    path, _ = put(zipped({"a": b"x" * 100}))
    assert archives.read(path, "a", 100) == b"x" * 100
    assert archives.read(path, "b", 100) is None
    with pytest.raises(ImageError, match="larger than 99"):
        archives.read(path, "a", 99)


names = st.lists(
    st.text(st.sampled_from("ab./\\\n\x00é "), min_size=1, max_size=12), min_size=1, max_size=5
)
kinds = st.sampled_from(
    [tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE]
)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(names.map("/".join), kinds, names.map("/".join)), max_size=6))
def test_whatever_a_tar_holds_nothing_leaves_the_folder(members):
    with tempfile.TemporaryDirectory() as folder:
        outer = Path(folder).resolve()
        (outer / "into").mkdir()
        (outer / "a").write_bytes(b"outside")
        (outer / "archive").write_bytes(tar_of(*members))
        with contextlib.suppress(ImageError):
            archives.unpack(outer / "archive", outer / "into")
        assert {path.name for path in outer.iterdir()} == {"into", "a", "archive"}
        assert (outer / "a").read_bytes() == b"outside"
        for path in (outer / "into").rglob("*"):
            with contextlib.suppress(RuntimeError, OSError):  # links in a ring lead nowhere
                assert path.resolve().is_relative_to(outer / "into")


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_a_damaged_archive_is_an_error_of_ours_or_still_unpacks(data):
    content = bytearray(
        data.draw(st.sampled_from([zipped(FILES), tarred(FILES), tarred(FILES, "w")]))
    )
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "archive"
        path.write_bytes(bytes(content))
        (Path(folder) / "into").mkdir()
        with contextlib.suppress(ImageError):
            archives.check(path)
        with contextlib.suppress(ImageError):
            archives.unpack(path, Path(folder) / "into")
        assert {item.name for item in Path(folder).iterdir()} == {"archive", "into"}
