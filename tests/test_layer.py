import gzip
import hashlib
import io
import random
import tarfile

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gitops_bridge.errors import ImageError
from gitops_bridge.images.layer import describe

BLOCK = 65_535


def sha256(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("layer")


# Sizes at which the tar ends just before, on and just after the edge of a block or a piece.
EDGES = [n * BLOCK - 1536 + d for n in (1, 2, 8, 16) for d in (-512, -1, 0, 1, 511, 512)]


@given(st.one_of(st.integers(1, 5000), st.sampled_from(EDGES), st.integers(1, 17 * BLOCK)))
@example(1)
@settings(deadline=None, max_examples=60)
def test_a_layer_is_a_gzipped_tar_of_the_file(folder, size):
    content = random.Random(size).randbytes(size)
    file = folder / "package"
    file.write_bytes(content)
    layer = describe(file, "model.mlpkg")
    blob = b"".join(layer)
    assert len(blob) == len(layer)
    assert sha256(blob) == layer.digest
    tar = gzip.decompress(blob)
    assert sha256(tar) == layer.diff_id
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        (entry,) = archive.getmembers()
        assert archive.extractfile(entry).read() == content
    assert (entry.name, entry.mode, entry.uid, entry.gid, entry.mtime, entry.uname) == (
        "opt/ml/model/model.mlpkg", 0o644, 0, 0, 0, "",
    )  # fmt: skip
    assert f"sha256:{layer.sha256}" == sha256(content)
    assert len(layer) - size < 2100 + size // 1000


def test_the_bytes_do_not_depend_on_the_file_but_its_content(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    for number, file in enumerate((first, second)):
        file.write_bytes(b"model" * 1000)
        file.chmod(0o600 + number)
    assert describe(first, "m").digest == describe(second, "m").digest
    assert describe(first, "m").digest != describe(second, "n").digest
    # A known value: another version of Python or zlib must not change what a registry holds.
    known = "sha256:3cf92b58135fb4ebc9eeb30b113f90f1adec4999536e87fa7abd41145694d973"
    assert describe(first, "m").digest == known


def test_a_file_that_changes_is_noticed(tmp_path):
    file = tmp_path / "package"
    file.write_bytes(b"x" * 200_000)
    layer = describe(file, "m")
    for size in (199_999, 200_001):
        file.write_bytes(b"x" * size)
        with pytest.raises(ImageError, match="changed while"):
            list(layer)


@pytest.mark.parametrize("name", ["", "a/b", "..", "a\nb", "/etc/passwd"])
def test_names_that_are_no_file_names(tmp_path, name):
    (tmp_path / "package").write_bytes(b"x")
    with pytest.raises(ImageError, match="file name"):
        describe(tmp_path / "package", name)


def test_what_is_no_model(tmp_path):
    with pytest.raises(ImageError, match="No such file"):
        describe(tmp_path / "absent", "m")
    (tmp_path / "empty").touch()
    with pytest.raises(ImageError, match="empty"):
        describe(tmp_path / "empty", "m")
    with pytest.raises(ImageError, match="cannot be read"):
        describe(tmp_path, "m")
