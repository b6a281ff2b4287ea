"""A change that is ready to the forge's Proposal: the facts are gathered here, the text is
`desired.pull_request`'s. `reviews` asks, once for each proposal it writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_bridge.config import Environment, Gate
from gitops_bridge.controller import builds, gate, proposals
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.policy import PATIENCE, Ready
from gitops_bridge.desired import comparison, pull_request
from gitops_bridge.desired.dockerfile import BASE_DIGEST_LABEL, BASE_NAME_LABEL, SHA256_LABEL
from gitops_bridge.desired.effect import effect
from gitops_bridge.desired.pull_request import Build, Subject
from gitops_bridge.errors import ConfigError, DataRobotError
from gitops_bridge.git import Snapshot

if TYPE_CHECKING:
    from gitops_bridge.forge import Proposal

_LONGEST = 65_536  # characters anybody may be asked to read, whatever the provider takes
_NO_HTML = frozenset({"bitbucket-cloud", "bitbucket-server"})


def proposal(
    ctx: Context, environment: Environment, waiting: proposals.Proposal, ready: Ready
) -> tuple[Proposal, str | None]:
    """The pull request as it shall be for a proposal, and a warning when the team's own template
    could not be used. Raises ConfigError for a secret that is not there."""
    from gitops_bridge.forge import Proposal  # late: it loads the HTTP library

    forge = ctx.forge()
    subject = _subject(ctx, environment, waiting, ready)
    template, warning = _template(ready.snapshot), None
    limits, fold = forge.limits, forge.provider not in _NO_HTML

    def composed(template: str | None) -> pull_request.Text:
        return pull_request.compose(
            subject,
            limit=min(limits.body, _LONGEST),
            title_limit=limits.title,
            fold=fold,
            template=template,
        )

    try:
        text = composed(template)
    except ConfigError as error:
        text, warning = composed(None), error.message
    settings = ctx.config.pull_request
    labels = (*settings.labels, *text.labels) if "labels" in forge.features else ()
    return Proposal(
        branch=waiting.branch,
        base=ctx.config.repository.branch,
        title=text.title,
        body=text.body,
        labels=labels,
        reviewers=settings.reviewers,
        assignees=settings.assignees,
        draft=settings.draft or text.title.startswith(pull_request.PENDING),
        head_sha=waiting.commit,
    ), warning


def _template(snapshot: Snapshot) -> str | None:
    content = snapshot.read(pull_request.TEMPLATE)
    return None if content is None else content.decode("utf-8", "replace")


def _subject(
    ctx: Context, environment: Environment, waiting: proposals.Proposal, ready: Ready
) -> Subject:
    planned = ready.planned
    rollout = planned.rollout
    champion = comparison.of_record(rollout.before)
    challenger = comparison.of_record(rollout.after)
    facts = comparison.DeploymentFacts()
    try:
        client = ctx.datarobot(PATIENCE)
        if client:
            package = rollout.after.model.package if rollout.after else None
            told = client.facts(
                waiting.deployment,
                serving=champion.id,
                proposed=challenger.id,
                package=package.id if package else None,
            )
            champion = told.champion.enriched(champion)
            challenger = told.challenger.enriched(challenger)
            facts = told.deployment
    except DataRobotError:
        pass  # what is only shown to people stops no rollout
    return Subject(
        message=planned.edit.message,
        rollout=rollout,
        deployment=waiting.deployment,
        environment=environment.name,
        base=ctx.config.repository.branch,
        effect=effect(planned.manifests_before, planned.manifests_after),
        build=_build(ctx, ready),
        champion=champion,
        challenger=challenger,
        facts=facts,
        commit=waiting.commit,
    )


def _build(ctx: Context, ready: Ready) -> Build | None:
    after, look = ready.planned.rollout.after, ready.look
    if after is None:
        return None
    gated = ctx.config.build.gate is Gate.REGISTRY
    image = look.image or (gate.parsed(after.image) if gated else None)
    labels = gate.labels(ctx, image) if gated and image else {}
    build = look.build
    stated = build.builder.checksum(build.package_id) if build else None
    base = "@".join(labels[key] for key in (BASE_NAME_LABEL, BASE_DIGEST_LABEL) if labels.get(key))
    return Build(
        image=after.image,
        digest=image.digest if image else None,
        job=builds.standing(ctx, build) if build else None,
        checksum=labels.get(SHA256_LABEL) or stated,
        base=base or None,
        gated=gated,
    )
