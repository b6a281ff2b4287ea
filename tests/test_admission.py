"""Will Argo CD take this? Each kind of fault put into a repository as init leaves it, and told."""

import shutil

import pytest
import yaml

from gitops_bridge import agent, documents
from gitops_bridge.controller import open_context
from gitops_bridge.controller.checks import check, examine
from gitops_bridge.kustomize import find
from tests.cli import act
from tests.team import TOP, git

ENVIRONMENT = "overlays/example/environment"
HOME = "overlays/example/65a000000000000000000010"
OTHER = "overlays/example/65a000000000000000000011"
COMPONENT = "kind: Component\nlabels: [{pairs: {team: risk}}]\n"
CONFIG = """
repository: {url: https://git.example.com/ml/models.git}
environments:
  65a000000000000000000001:
    {name: example, namespace: mlops-serving-example, prediction_url: https://p.example.com}
"""


@pytest.fixture
def root(tmp_path):
    for part in ("base", "argocd", "overlays"):
        shutil.copytree(TOP / part, tmp_path / part)
    (tmp_path / "gitops-bridge.yaml").write_text(CONFIG)
    return tmp_path


def told(root):
    found = {}
    for finding in check(root, find("")):
        if finding.problems:
            found[finding.folder] = " | ".join(finding.problems)
    return found


def warned(root):
    return [text for finding in check(root, find("")) for text in finding.warnings]


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def resource(root, text, home=HOME):
    (root / home / "more.yaml").write_text(text)
    edit(
        root / home / "kustomization.yaml", "- ../../../base\n", "- ../../../base\n  - more.yaml\n"
    )


def component(root, folder):
    (root / folder).mkdir(parents=True)
    (root / folder / "kustomization.yaml").write_text(COMPONENT)
    edit(root / HOME / "kustomization.yaml", "- model", f"- model\n  - ../../../{folder}")


def operation(path, value, op="add"):
    return {"op": op, "path": path, "value": value}


def patch(root, *operations, folder=HOME, kind="Deployment", name="mlops"):
    path = root / folder / "kustomization.yaml"
    data = documents.load(path.read_text())
    data.setdefault("patches", []).append(
        {"target": {"kind": kind, "name": name}, "patch": yaml.safe_dump(list(operations))}
    )
    path.write_text(documents.dump(data))


def job(root, *operations):
    patch(root, *operations, folder=f"{ENVIRONMENT}/builder", kind="Job", name="image-builder")


POD = "/spec/template/spec"
MODEL = f"{POD}/containers/0"


def test_the_worked_example_is_taken(root):
    assert told(root) == {}
    assert warned(root) == []


SCALED_OBJECT = """\
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: mlops}
spec: {scaleTargetRef: {name: %s}, triggers: []}
"""
SEALED = """\
apiVersion: bitnami.com/v1alpha1
kind: SealedSecret
metadata: {name: feature-store}
spec: {encryptedData: {key: AgB}, template: {metadata: {name: feature-store}}}
"""

IN_AN_OVERLAY = {
    "a kind that the project refuses": (
        lambda root: resource(root, "kind: CronJob\napiVersion: batch/v1\nmetadata: {name: x}\n"),
        "AppProject mlops-serving does not allow batch/CronJob",
    ),
    "a cluster-scoped object": (
        lambda root: resource(
            root,
            "kind: ClusterRole\napiVersion: rbac.authorization.k8s.io/v1\nmetadata: {name: x}\n",
        ),
        "does not allow rbac.authorization.k8s.io/ClusterRole",
    ),
    "another namespace": (
        lambda root: resource(
            root, "kind: Service\napiVersion: v1\nmetadata: {name: x, namespace: kube-system}\n"
        ),
        "does not allow the namespace kube-system of https://kubernetes.default.svc",
    ),
    "a folder that Argo CD does not watch": (
        lambda root: component(root, "platform/team"),
        "would not see changes in platform/team: manifest-generate-paths in argocd/serving.yaml",
    ),
    "a file that overrides the image": (
        lambda root: (root / HOME / ".argocd-source.yaml").write_text(
            "kustomize: {images: ['model-image=evil.example.com/x:1']}\n"
        ),
        ".argocd-source.yaml overrides kustomize.images",
    ),
    "one for a single Application": (
        lambda root: (root / HOME / ".argocd-source-example-x.yaml").write_text(
            "kustomize: {nameSuffix: -x}\n"
        ),
        "overrides kustomize.nameSuffix",
    ),
    "an autoscaler of KEDA for another workload": (
        lambda root: resource(root, SCALED_OBJECT % "mlop"),
        "spec.scaleTargetRef.name names the Deployment 'mlop', and there is no object named so",
    ),
    "a sealed secret's own name": (
        lambda root: resource(root, SEALED),
        "spec.template.metadata.name names the SealedSecret 'feature-store', but it is called",
    ),
    "a privileged container": (
        lambda root: patch(root, operation(f"{MODEL}/securityContext/privileged", True)),
        "Pod Security baseline refuses model-package privileged",
    ),
    "a folder of the node": (
        lambda root: patch(
            root, operation(f"{POD}/volumes/-", {"name": "node", "hostPath": {"path": "/"}})
        ),
        "refuses hostPath node",
    ),
    "the node's network": (
        lambda root: patch(root, operation(f"{POD}/hostNetwork", True)),
        "refuses hostNetwork",
    ),
    "a service account of others": (
        lambda root: patch(root, operation(f"{POD}/serviceAccountName", "admin", "replace")),
        "runs under the service account 'admin'",
    ),
    "a sidecar nobody knows": (
        lambda root: patch(
            root, operation(f"{POD}/containers/-", {"name": "miner", "image": "x/y:1"})
        ),
        "nobody has announced its container 'miner' (image 'x/y:1')",
    ),
    "a secret in clear": (
        lambda root: resource(
            root, "kind: Secret\napiVersion: v1\nmetadata: {name: x}\nstringData: {password: a}\n"
        ),
        "is a Secret in clear",
    ),
    "a generated one": (
        lambda root: edit(
            root / HOME / "kustomization.yaml",
            "components:",
            "secretGenerator: [{name: x, literals: [a=b]}]\ncomponents:",
        ),
        "is a Secret in clear",
    ),
    "a password in a variable": (
        lambda root: patch(
            root, operation(f"{MODEL}/env/-", {"name": "DB_PASSWORD", "value": "hunter2"})
        ),
        "the variable DB_PASSWORD of model-package holds its value in clear",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", IN_AN_OVERLAY)
def test_a_fault_in_an_overlay_is_told(name, root):
    fault, expected = IN_AN_OVERLAY[name]
    fault(root)
    found = told(root)
    assert list(found) == [HOME]
    assert expected in found[HOME]


IN_THE_ENVIRONMENT = {
    "a variable twice": (
        lambda root: patch(
            root,
            operation(f"{MODEL}/env/-", {"name": "ADDRESS", "value": "0.0.0.0:8080"}),
            folder=f"{ENVIRONMENT}/serving",
        ),
        "container model-package has env ADDRESS twice",
    ),
    "a number in a variable": (
        lambda root: patch(
            root,
            operation(f"{MODEL}/env/-", {"name": "THREADS", "value": 4}),
            folder=f"{ENVIRONMENT}/serving",
        ),
        "env THREADS is 4, not text",
    ),
    "a privileged container": (
        lambda root: patch(
            root,
            operation(f"{MODEL}/securityContext/privileged", True),
            folder=f"{ENVIRONMENT}/serving",
        ),
        "Pod Security baseline refuses model-package privileged",
    ),
    "a sidecar nobody knows": (
        lambda root: patch(
            root,
            operation(f"{POD}/containers/-", {"name": "miner", "image": "x/y:1"}),
            folder=f"{ENVIRONMENT}/serving",
        ),
        "nobody has announced its container 'miner'",
    ),
    "another builder": (
        lambda root: job(root, operation(f"{MODEL}/image", "example.com/k:1", "replace")),
        "'example.com/k:1' builds the images, and nobody has announced it",
    ),
    "a privileged builder": (
        lambda root: job(root, operation(f"{MODEL}/securityContext/privileged", True)),
        "refuses kaniko privileged",
    ),
    "a folder of the node for the builder": (
        lambda root: job(
            root,
            operation(f"{POD}/volumes/0/hostPath", {"path": "/run"}),
            operation(f"{POD}/volumes/0/emptyDir", None, "remove"),
        ),
        "refuses hostPath workspace",
    ),
    "the API key in a variable of Kaniko": (
        lambda root: job(
            root,
            operation(
                f"{MODEL}/env/-",
                {"name": "K", "valueFrom": {"secretKeyRef": {"name": "mlops-api-key", "key": "x"}}},
            ),
        ),
        "by the variable K, container kaniko can read DataRobot's API key",
    ),
    "the API key in a volume of Kaniko": (
        lambda root: job(
            root,
            operation(f"{POD}/volumes/-", {"name": "k", "secret": {"secretName": "mlops-api-key"}}),
            operation(f"{MODEL}/volumeMounts/-", {"name": "k", "mountPath": "/k"}),
        ),
        "by the volume k, container kaniko can read",
    ),
    "an environment that is not deployed": (
        lambda root: edit(
            root / "argocd/serving.yaml", "- environment: example", "- environment: other"
        ),
        "no ApplicationSet in argocd/ takes overlays/example/*",
    ),
    "an environment whose images are not built": (
        lambda root: edit(
            root / "argocd/builds.yaml", "- environment: example", "- environment: other"
        ),
        "no ApplicationSet in argocd/ takes the folder example of the builds branch",
    ),
    "a namespace that the project refuses": (
        lambda root: edit(
            root / "argocd/serving-project.yaml", "mlops-serving-example", "somewhere"
        ),
        "does not allow the namespace mlops-serving-example",
    ),
    "a repository that the project refuses": (
        lambda root: edit(
            root / "argocd/serving-project.yaml", "git.example.com/ml", "git.example.com/other"
        ),
        "does not allow the repository https://git.example.com/ml/models.git",
    ),
    "Jobs that the project refuses": (
        lambda root: edit(root / "argocd/builds-project.yaml", "kind: Job", "kind: CronJob"),
        "AppProject mlops-builds does not allow batch/Job",
    ),
    "a project that is not there": (
        lambda root: edit(root / "argocd/serving.yaml", "project: mlops-serving", "project: gone"),
        "argocd/ has no AppProject 'gone'",
    ),
}


@pytest.mark.parametrize("name", IN_THE_ENVIRONMENT)
def test_a_fault_in_an_environment_is_told_before_anybody_deploys(name, root):
    shutil.rmtree(root / HOME)
    fault, expected = IN_THE_ENVIRONMENT[name]
    fault(root)
    found = told(root)
    assert list(found) == [ENVIRONMENT]
    assert expected in found[ENVIRONMENT]


def test_the_word_deployment_id_is_text_where_no_route_is(root):
    patch(
        root,
        operation(f"{MODEL}/env/-", {"name": "TAGS", "value": "deployment-id=none"}),
        folder=f"{ENVIRONMENT}/serving",
    )
    edit(
        root / ENVIRONMENT / "serving/kustomization.yaml",
        "/deployments/deployment-id",
        ("/by-deployment-id/deployment-id"),
    )
    edit(root / HOME / "model/kustomization.yaml", "/deployments/", "/by-deployment-id/")
    assert told(root) == {}


def test_a_folder_copied_to_another_environment(root):
    copy = HOME.replace("example", "stage")
    shutil.copytree(root / ENVIRONMENT, root / "overlays/stage/environment")
    shutil.copytree(root / HOME, root / copy)
    for name in ("serving", "builds"):
        path = root / f"argocd/{name}.yaml"
        data = yaml.safe_load(path.read_text())
        elements = data["spec"]["generators"][0]["matrix"]["generators"][0]["list"]["elements"]
        elements.append({**elements[0], "environment": "stage"})
        path.write_text(yaml.safe_dump(data))
    with (root / "gitops-bridge.yaml").open("a") as file:
        file.write(
            "  65a000000000000000000002:\n    {name: stage, namespace: mlops-serving-example, "
            "prediction_url: https://p.example.com}\n"
        )
    found = told(root)
    assert list(found) == [copy]
    assert (
        "labelled with the prediction environment 65a000000000000000000001, but stage is "
        "65a000000000000000000002"
    ) in found[copy]
    assert f"Deployment mlops-{HOME[-24:]} is in {HOME} too" in found[copy]


def in_the_template(root, change):
    path = root / "argocd/serving.yaml"
    data = yaml.safe_load(path.read_text())
    change(data["spec"]["template"])
    path.write_text(yaml.safe_dump(data))


def test_names_that_two_applications_would_share(root):
    in_the_template(root, lambda found: found["metadata"].update(name="{{ .environment }}"))
    shutil.copytree(root / HOME, root / OTHER)
    assert "3 Applications would be called example" in told(root)["argocd"]


def test_a_set_that_overrides_what_git_says(root):
    kustomize = {"images": ["model-image=x:1"]}
    in_the_template(root, lambda found: found["spec"]["source"].update(kustomize=kustomize))
    assert "spec.source.kustomize (images) changes what Git renders to" in told(root)["argocd"]


def test_what_is_not_understood_is_said(root):
    name = "{{ .environment | sha1sum }}"
    in_the_template(root, lambda found: found["metadata"].update(name=name))
    assert "is not understood here, so it is not judged" in told(root)["argocd"]


def test_a_link_out_of_the_repository(root):
    (root / "etc").symlink_to("/etc")
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "All")
    assert "the symbolic link etc leads out of the repository" in told(root)["."]


def test_what_the_team_announces_is_expected(root):
    with (root / "gitops-bridge.yaml").open("a") as file:
        file.write(
            "trust: {sidecars: [proxy], service_accounts: [scorer], builders: [example.com/k]}\n"
        )
    patch(
        root,
        operation(f"{POD}/containers/-", {"name": "proxy", "image": "x/y:1", "resources": {
            "requests": {"cpu": "10m"}}}),
        operation(f"{POD}/serviceAccountName", "scorer", "replace"),
    )  # fmt: skip
    job(root, operation(f"{MODEL}/image", "example.com/k:1", "replace"))
    assert told(root) == {}


def test_the_environment_says_which_level_holds(root):
    namespace = (
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: mlops-serving-example\n"
        "  labels: {pod-security.kubernetes.io/enforce: %s}\n"
    )
    (root / "argocd/namespaces.yaml").write_text(namespace % "restricted")
    assert "Pod Security restricted refuses" in told(root)[HOME]
    (root / "argocd/namespaces.yaml").write_text(namespace % "privileged")
    patch(root, operation(f"{POD}/hostNetwork", True))
    assert told(root) == {}


def test_kinds_the_suffix_reaches_by_base(root):
    resource(root, SCALED_OBJECT % "mlops" + "---\n" + """\
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata: {name: mlops}
spec: {targetRef: {apiVersion: apps/v1, kind: Deployment, name: mlops}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: mlops}
spec: {hosts: [a.example.com], http: [{route: [{destination: {host: mlops}}]}]}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: feature-store}
spec: {data: []}
""")  # fmt: skip
    patch(root, operation(f"{MODEL}/env/-", {
        "name": "K", "valueFrom": {"secretKeyRef": {"name": "feature-store", "key": "k"}}}
    ))  # fmt: skip
    assert "but it is called" not in told(root)[HOME]
    edit(root / "base/kustomization.yaml", "configurations:\n  - name-references.yaml\n", "")
    found = told(root)[HOME]
    for pointer in (
        "spec.scaleTargetRef.name names the Deployment 'mlops', but it is called",
        "spec.targetRef.name names the Deployment 'mlops'",
        "destination.host names the Service 'mlops'",
        "valueFrom.secretKeyRef.name names the Secret 'feature-store', but it is called",
    ):
        assert pointer in found


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("gcr.io/kaniko-project/executor:v1.24.0", "archived project"),
        ("ghcr.io/osscontainertools/kaniko:v1.27.4", "CVE-2026-28406"),
        ("martizih/kaniko:v1.26.0", "older than v1.28.0"),
        ("ghcr.io/osscontainertools/kaniko:v1.28.0", None),
        ("ghcr.io/osscontainertools/kaniko@sha256:" + "0" * 64, None),
    ],
)
def test_unsafe_versions_of_kaniko_are_told(image, expected, root):
    job(root, operation(f"{MODEL}/image", image, "replace"))
    assert told(root) == {}
    assert [text for text in warned(root) if expected and expected in text] or not expected


def test_what_only_some_deployments_need_is_a_warning(root):
    edit(
        root / ENVIRONMENT / "monitoring/kustomization.yaml", "name: tracking-agent\n", "name: x\n"
    )
    (root / HOME / "model/kustomization.yaml").unlink()
    shutil.rmtree(root / HOME)
    assert [text for text in warned(root) if "placeholder image tracking-agent" in text]


def test_doctor_and_check_judge_alike(team):
    """A snapshot is judged as a checkout is."""
    act(team, "deployment_start")
    team.pull()
    shutil.copytree(TOP / "argocd", team.clone / "argocd")
    team.commit("Our Argo CD")
    team.push()
    ctx = open_context(agent.read_config(team.config), {})
    snapshot = ctx.repository.snapshot("main", fetch=True)
    of_snapshot = list(examine(snapshot, ctx.kustomize, ctx.config))
    assert of_snapshot == list(check(team.clone, find(""), ctx.config))
    assert any("no ApplicationSet in argocd/ takes" in str(item.problems) for item in of_snapshot)
