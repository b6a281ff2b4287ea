"""Subjects of pull requests for tests: a replacement, as it comes out of an action."""

from __future__ import annotations

from dataclasses import replace

from gitops_bridge.actions import (
    Action,
    Deployment,
    ExecutionType,
    Model,
    ModelFormat,
    Package,
    Request,
    Scale,
)
from gitops_bridge.desired import comparison, effect, messages
from gitops_bridge.desired import record as records
from gitops_bridge.desired.pull_request import Build, Subject
from gitops_bridge.desired.rollout import Change, Rollout
from tests.team import DEPLOYMENT, ENVIRONMENT_ID, MODEL_A, MODEL_B

IMAGE = "registry.example.com/mlops/models:65f000000000000000000055-0123456789"
DIGEST = "sha256:" + "ab" * 32


def request(name="churn", model_name="Gradient Boosted Trees", package="churn v7"):
    return Request(
        action=Action.DEPLOYMENT_REPLACE_MODEL,
        environment_id=ENVIRONMENT_ID,
        deployment=Deployment(DEPLOYMENT, name, MODEL_A),
        model=Model(
            MODEL_B, ExecutionType.DEDICATED, ModelFormat.PACKAGE, model_name,
            Package("65f000000000000000000055", package, "churned", "Binary", "7", "0.5"),
        ),
        scale=Scale(2),
    )  # fmt: skip


def manifest(model, image="old", **labels):
    labels = {"datarobot.com/model-id": model, **labels}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": f"mlops-{DEPLOYMENT}", "labels": labels},
        "spec": {
            "replicas": 2,
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "model-package", "image": image}]},
            },
        },
    }  # fmt: skip


def subject(before=None, after=None, facts=None, **texts):
    """A replacement of model A by model B; `texts` are what users wrote."""
    asked = request(**texts)
    old = records.of(replace(asked, model=replace(asked.model, id=MODEL_A)), rollout=1, restarts=0,
                     image=IMAGE.replace("0123456789", "aaaaaaaaaa"))  # fmt: skip
    new = records.of(asked, rollout=2, restarts=0, image=IMAGE)
    rollout = Rollout(Change.REPLACE, {}, old, new)
    return Subject(
        message=messages.commit(rollout, DEPLOYMENT, "prod"),
        rollout=rollout,
        deployment=DEPLOYMENT,
        environment="prod",
        base="main",
        effect=effect.effect(
            before or [manifest(MODEL_A)], after or [manifest(MODEL_B, image="new")]
        ),
        build=Build(IMAGE, DIGEST, "build-65f0", None, gated=True),
        champion=comparison.of_record(old),
        challenger=comparison.of_record(new),
        facts=facts or comparison.DeploymentFacts(),
    )


def huge(lines=20_000):
    """A subject whose manifests differ in very many lines."""
    before = {"kind": "ConfigMap", "metadata": {"name": "big"}, "data": {}}
    after = {**before, "data": {f"key-{number}": "value" * 4 for number in range(lines)}}
    return subject(before=[before], after=[after])


def full_subject():
    """A replacement of which DataRobot tells everything."""
    change = subject(
        facts=comparison.DeploymentFacts(
            importance="HIGH", approval="APPROVED", reason="DATA_DRIFT", requester="jane.doe",
            health={"service": "passing", "drift": "failing", "accuracy": "warning"},
            comment="AUC fell since May; the new model was trained on this year's customers.",
        ),
        model_name="Light Gradient Boosted Trees Classifier",
    )  # fmt: skip
    known = {
        "type": "AutoML", "project": "Customer churn", "creator": "Jane Doe", "classes": "yes, no",
        "image": f"registry.example.com/mlops/models@{DIGEST}",
    }  # fmt: skip
    champion = replace(
        change.champion, **known, training_data="customers-2024.csv", version="6",
        name="Gradient Boosted Trees Classifier", metrics={"AUC": "0.71 (0.8 in training)"},
        drift="psi 0.31, 5333 rows", package="churn v6", package_id="65f000000000000000000054",
        use={"requests": "120", "predictions": "48000", "response time": "41.26 ms"},
    )  # fmt: skip
    challenger = replace(
        change.challenger, **known, training_data="customers-2025.csv",
        metrics={"AUC": "0.84 in training"},
    )  # fmt: skip
    return replace(change, champion=champion, challenger=challenger)
