"""Fleets for the report's tests: deployments with everything that can happen to one."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from gitops_bridge.report import Badge, DeploymentTimeline, Event, FleetReport, Link, Tone

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
DIFF = """--- a/overlays/prod/65a000000000000000000010/model/kustomization.yaml
+++ b/overlays/prod/65a000000000000000000010/model/kustomization.yaml
@@ -8,4 +8,4 @@
 images:
 - name: models
-  digest: sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
+  digest: sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
"""
PULL = "https://git.example.com/ml/models/pull/41"
SETTLED, HELD = Badge("settled", Tone.GOOD), Badge("held", Tone.WARNING)
REVIEW, FAILED = Badge("in review", Tone.BUSY), Badge("failed", Tone.BAD)


def story(days: int = 0) -> tuple[Event, ...]:
    """A model proposed, approved, delivered, reverted by a person and held."""

    def event(hours: float, word: str, tone: Tone, summary: str, **more: object) -> Event:
        at, commit = NOON - timedelta(days=days, hours=hours), "0123456789abcdef" * 2 + "01234567"
        return Event(at, Badge(word, tone), summary, commit=commit, **more)  # type: ignore[arg-type]

    links = (Link("pull request 41", PULL),)
    replace = "Replace model of churn in prod"
    return (
        event(1, "held", Tone.WARNING, "Replaying the replacement would undo a person's revert",
              by="gitops-bridge"),
        event(2, "reverted", Tone.WARNING, f'Revert "{replace}"', by="Ann Example", by_person=True,
              reason="False alarms for new customers", diff=DIFF),
        event(26, "delivered", Tone.GOOD, replace, by="gitops-bridge", links=links, diff=DIFF,
              model="65a000000000000000000021"),
        event(30, "merged", Tone.GOOD, replace, by="Bob Example", by_person=True, links=links),
        event(49, "proposed", Tone.BUSY, replace, by="gitops-bridge", links=links),
        event(50, "asked", Tone.PLAIN, "Replace model: DATA_DRIFT", by="jane.doe"),
    )  # fmt: skip


def deployment(number: int, environment: str = "prod", **more: object) -> DeploymentTimeline:
    known: dict[str, object] = {
        "id": f"65a0000000000000{number:08}", "name": f"churn {number}",
        "environment": environment, "phase": SETTLED, "model": "65a000000000000000000020",
        "model_name": "Light Gradient Boosted Trees Classifier",
        "image": "registry.example.com/mlops/models@sha256:" + "ab" * 32,
        "live": Badge("ready", Tone.GOOD), "events": story(number % 100),
    }  # fmt: skip
    return DeploymentTimeline(**{**known, **more})  # type: ignore[arg-type]


def fleet(*deployments: DeploymentTimeline) -> FleetReport:
    return FleetReport("https://git.example.com/ml/models", "main", "c0ffee" * 6 + "c0ff", NOON,
                 deployments)  # fmt: skip


def example() -> FleetReport:
    return fleet(
        deployment(1, name="fraud-cards", phase=HELD, note="Ann Example reverted the newest model; "
                   "gitops-bridge release delivers it again."),
        deployment(2, name="churn"),
        deployment(3, name="credit-risk", phase=REVIEW),
        deployment(4, name="demand-forecast", live=Badge("crash loop", Tone.BAD)),
        deployment(5, name="next-best-offer", phase=FAILED, live=None),
        deployment(6, "staging", name="churn"),
        deployment(7, "staging", name="fraud-cards", phase=REVIEW, live=Badge("not looked at")),
        deployment(8, "staging", name="stopped one", model=None, model_name=None, image=None,
                   live=None, events=()),
    )  # fmt: skip
