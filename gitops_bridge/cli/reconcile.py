"""`gitops-bridge reconcile`: the next steps of every rollout that waits, once or for good."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from gitops_bridge.cli import EXIT_PROBLEM, options


@click.command()
@options.deployment(required=False)
@options.environment()
@click.option("--watch", is_flag=True, help="Go on looking until told to stop (SIGTERM, Ctrl-C).")
@click.option(
    "--interval", type=click.FloatRange(min=2), default=60.0, show_default=True,
    help="Seconds from one look of --watch to the next, give or take a tenth.",
)  # fmt: skip
@click.option(
    "--listen", metavar="HOST:PORT", help="With --watch: health, metrics and webhooks, over HTTP."
)
@click.option(
    "--lease", metavar="NAMESPACE/NAME", help="With --watch: look only while holding this Lease."
)
@click.option("--json-logs", is_flag=True, help="With --watch: one JSON object for each log line.")
@click.option(
    "--from-datarobot", is_flag=True,
    help="Raise the requests that DataRobot's list of deployments asks for, without an agent.",
)  # fmt: skip
@options.configuration()
@options.output()
def reconcile(
    deployment: str | None,
    environment: str | None,
    watch: bool,
    interval: float,
    listen: str | None,
    lease: str | None,
    json_logs: bool,
    from_datarobot: bool,
    config_file: Path,
    output: str,
) -> None:
    """Take every rollout that waits as far as it goes, and remove Jobs that nothing needs.

    With DEPLOYMENT only that one is looked at. A status action of the agent looks as well; run this
    from a timer, or with --watch as a standing controller, where the agent asks seldom. Exits 1
    when a build has failed or a rollout could not be looked at.

    \b
      gitops-bridge reconcile
      gitops-bridge reconcile --watch --listen 0.0.0.0:8080 --lease mlops-bridge/gitops-bridge
    """
    from gitops_bridge.controller import collecting, reconciling, requesting, verbs

    ctx = options.context(config_file)
    if watch:
        if deployment is not None:
            raise click.UsageError("--watch looks at whole environments; leave DEPLOYMENT out")
        from gitops_bridge.cli import standing

        standing.run(
            ctx, verbs.environments(ctx, environment), interval=interval, listen=listen,
            lease=lease, json_logs=json_logs, from_datarobot=from_datarobot,
        )  # fmt: skip
        return
    if deployment is not None:
        deployment = options.identified(ctx, deployment, environment)
    raised = []
    if from_datarobot:
        ctx.repository.fetch()
        for where in verbs.environments(ctx, environment):
            raised += list(requesting.requests(ctx, where))
    steps = list(reconciling.reconcile(ctx, deployment, environment))
    collected = collecting.collect(ctx)
    ctx.repository.maintain()
    if output == "json":
        data = {
            "requests": [vars(result) for result in raised],
            "deployments": [vars(step) for step in steps],
            "collected": collected,
        }
        click.echo(json.dumps(data, indent=2))
    else:
        for result in raised:
            text = f"{result.environment}/{result.deployment}: {result.decision}: {result.said}"
            click.secho(result.problem or text, fg="red" if result.problem else None)
        for step in steps:
            colour = "red" if step.is_problem else None
            click.secho(f"{step.environment}/{step.deployment}: {step.said}", fg=colour)
        if not steps and not raised:
            click.echo("nothing waits")
        if collected:
            click.echo(f"{collected[:12]}: removed Jobs that nothing needs")
    if any(step.is_problem for step in steps) or any(result.problem for result in raised):
        sys.exit(EXIT_PROBLEM)
