"""A planned change to the forge's Proposal: the facts are gathered here, the text is
`desired.pull_request`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_bridge.config import Environment, Gate
from gitops_bridge.controller import builds, images
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.planning import Plan, Planned
from gitops_bridge.controller.policy import PATIENCE
from gitops_bridge.desired import comparison, pull_request
from gitops_bridge.desired.dockerfile import BASE_DIGEST_LABEL, BASE_NAME_LABEL, SHA256_LABEL
from gitops_bridge.desired.effect import effect
from gitops_bridge.desired.pull_request import Build, Subject
from gitops_bridge.errors import ConfigError, DataRobotError
from gitops_bridge.git import Snapshot
from gitops_bridge.rollout.state import Review

if TYPE_CHECKING:
    from gitops_bridge.forge import Proposal

_LONGEST = 65_536  # characters anybody may be asked to read, whatever the provider takes
_NO_HTML = frozenset({"bitbucket-cloud", "bitbucket-server"})


def proposal(
    ctx: Context, environment: Environment, review: Review, plan: Plan, main: Snapshot
) -> tuple[Proposal, str | None]:
    """The pull request as it shall be for a proposal, and a warning when the team's own template
    could not be used. Raises ConfigError for a secret that is not there."""
    from gitops_bridge.forge import Proposal  # late: it loads the HTTP library

    forge = ctx.forge()
    planned = plan.planned
    if planned is None:
        raise ValueError("there is no change to propose")
    subject = _subject(ctx, environment, review.head, plan, planned)
    template, warning = _template(main), None
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
        branch=f"gitops-bridge/{environment.name}/{subject.deployment}",
        base=ctx.config.repository.branch,
        title=text.title,
        body=text.body,
        labels=labels,
        reviewers=settings.reviewers,
        assignees=settings.assignees,
        draft=settings.draft or text.title.startswith(pull_request.PENDING),
        head_sha=review.head,
    ), warning


def preview(
    ctx: Context, environment: Environment, plan: Plan, planned: Planned, main: Snapshot
) -> pull_request.Text:
    """The text that reviewers would get for a change, without asking the forge."""
    subject = _subject(ctx, environment, "", plan, planned)
    return pull_request.compose(subject, template=_template(main))


def _template(snapshot: Snapshot) -> str | None:
    content = snapshot.read(pull_request.TEMPLATE)
    return None if content is None else content.decode("utf-8", "replace")


def _subject(
    ctx: Context, environment: Environment, head: str, plan: Plan, planned: Planned
) -> Subject:
    rollout, deployment = planned.rollout, planned.home.rpartition("/")[2]
    champion = comparison.of_record(rollout.before)
    challenger = comparison.of_record(rollout.after)
    facts = comparison.DeploymentFacts()
    try:
        client = ctx.datarobot(PATIENCE)
        if client:
            package = rollout.after.model.package if rollout.after else None
            told = client.facts(
                deployment,
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
        deployment=deployment,
        environment=environment.name,
        base=ctx.config.repository.branch,
        effect=effect(planned.manifests_before, planned.manifests_after),
        build=_build(ctx, plan, planned),
        champion=champion,
        challenger=challenger,
        facts=facts,
        commit=head,
    )


def _build(ctx: Context, plan: Plan, planned: Planned) -> Build | None:
    after = planned.rollout.after
    if after is None:
        return None
    gated = ctx.config.build.gate is Gate.REGISTRY
    image = plan.image or (images.parsed(after.image) if gated else None)
    labels = images.labels(ctx, image) if gated and image else {}
    build = plan.build
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
