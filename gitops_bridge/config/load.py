"""Loaded YAML to a checked Config, with every problem at once, by dotted key."""

from __future__ import annotations

import re
from itertools import combinations

from gitops_bridge.config import rendering, values
from gitops_bridge.config.model import (
    CHANGES,
    IMPORTANCES,
    Actions,
    App,
    Build,
    Cluster,
    Config,
    Controller,
    DataRobot,
    Delivery,
    Environment,
    Gate,
    Limits,
    Mode,
    Person,
    PullRequests,
    Registry,
    Repository,
    Secret,
    Signing,
    SigningFormat,
)
from gitops_bridge.config.names import IDENTIFIER, NAME, NAMESPACE, folder_problem
from gitops_bridge.config.section import Section
from gitops_bridge.errors import ConfigError

_PROPOSALS = "gitops-bridge"


def load(data: object, source: str) -> Config:
    """The configuration in loaded YAML `data`, read from `source`.

    Raises ConfigError listing every problem by dotted key.
    """
    problems: list[str] = []
    top = Section(data, "", problems)
    config = Config(
        repository=_repository(top.section("repository")),
        environments=_environments(top.section("environments")),
        author=_person(top.section("author")),
        committer=_person(top.section("committer")) if top.has("committer") else None,
        signing=_signing(top.section("signing")) if top.has("signing") else None,
        commit_message=top.text("commit_message", values.template),
        sign_off=top.flag("sign_off", Config.sign_off),
        delivery=_delivery(top),
        pull_request=_pull_requests(top.section("pull_request")),
        actions=_actions(top.section("actions")),
        limits=_limits(top.section("limits")),
        build=_build(top.section("build")),
        registry=_registry(top.section("registry")),
        render=rendering.render(top.section("render")),
        trust=rendering.trust(top.section("trust")),
        datarobot=_datarobot(top.section("datarobot")) if top.has("datarobot") else None,
        cluster=_cluster(top.section("cluster")) if top.has("cluster") else None,
        controller=_controller(top.section("controller")),
    )
    top.finish()
    problems += _unserved(config)
    if problems:
        raise ConfigError(
            f"{source}: " + "; ".join(problems),
            hint="`gitops-bridge help reference` lists every key",
        )
    return config


def _repository(section: Section) -> Repository:
    repository = Repository(
        url=section.required("url", values.no_credentials),
        branch=section.text("branch", values.branch) or Repository.branch,
        builds_branch=section.text("builds_branch", values.branch) or Repository.builds_branch,
        rollouts_branch=section.text("rollouts_branch", values.branch)
        or Repository.rollouts_branch,
        username=section.text("username"),
        password=section.secret("password"),
        ssh_key=section.text("ssh_key"),
        ssh_known_hosts=section.text("ssh_known_hosts"),
        ca_file=section.text("ca_file"),
        proxy=section.text("proxy", values.no_credentials),
        timeout=section.number("timeout", Repository.timeout, 1, 3_600),
        cache=section.text("cache"),
        root=section.text("root", folder_problem) or Repository.root,
    )
    section.finish()
    return repository


def _environments(section: Section) -> tuple[Environment, ...]:
    environments = []
    for identifier, item in section.sections():
        if not IDENTIFIER.fullmatch(identifier):
            item.problem("", "is no prediction environment id")
        environments.append(
            Environment(
                id=identifier,
                name=item.required("name", values.matching(NAME, "a-z, 0-9 and '-', at most 30")),
                namespace=item.required(
                    "namespace", values.matching(NAMESPACE, "a namespace's name")
                ),
                prediction_url=item.required("prediction_url", values.http_url).rstrip("/"),
                cluster=item.text("cluster") or Environment.cluster,
                context=item.text("context"),
                builds_namespace=item.text(
                    "builds_namespace", values.matching(NAMESPACE, "a namespace's name")
                ),
            )
        )
        item.finish()
    if not environments:
        section.problems.append(f"{section.path}: at least one prediction environment is needed")
    names = [environment.name for environment in environments]
    for name in sorted({name for name in names if name and names.count(name) > 1}):
        section.problems.append(f"{section.path}: two environments are named {name!r}")
    return tuple(environments)


def _person(section: Section) -> Person:
    person = Person(
        name=section.text("name", values.one_line) or Person.name,
        email=section.text("email", values.one_line) or Person.email,
    )
    section.finish()
    return person


def _actions(section: Section) -> Actions:
    actions = Actions(
        budget=section.number("budget", Actions.budget, 1, 86_400),
        status_age=section.number("status_age", Actions.status_age, 0, 3_600),
    )
    section.finish()
    return actions


def _limits(section: Section) -> Limits:
    limits = Limits(removals=section.number("removals", Limits.removals, 1, 1_000_000))
    section.finish()
    return limits


def _build(section: Section) -> Build:
    build = Build(
        gate=section.choice("gate", Gate, Build.gate),
        deadline=section.number("deadline", Build.deadline, 1, 604_800),
        keep=section.number("keep", Build.keep, 1, 100_000),
    )
    section.finish()
    return build


def _registry(section: Section) -> Registry:
    registry = Registry(
        username=section.text("username", values.one_line),
        password=section.secret("password"),
        docker_config=section.text("docker_config"),
        ca_file=section.text("ca_file"),
        insecure=section.texts("insecure", values.host),
        skip_tls_verify=section.texts("skip_tls_verify", values.host),
    )
    section.finish()
    if (registry.username is None) != (registry.password is None):
        section.problem("username", "goes with password; set both or neither")
    return registry


def _datarobot(section: Section) -> DataRobot:
    token = section.secret("token")
    if token is None:
        section.problem("token", "is missing: {env: VARIABLE} or {file: /path}")
    datarobot = DataRobot(
        url=section.required("url", values.plain_url),
        token=token or Secret(),
        ca_file=section.text("ca_file"),
        verify_ssl=section.flag("verify_ssl", DataRobot.verify_ssl),
        events=section.flag("events", DataRobot.events),
        follow_reverts=section.flag("follow_reverts", DataRobot.follow_reverts),
    )
    section.finish()
    return datarobot


_SENDERS = (
    "github", "gitlab", "gitea", "bitbucket-cloud", "bitbucket-server", "azure-devops", "argocd",
)  # fmt: skip


def _controller(section: Section) -> Controller:
    webhooks = section.section("webhooks")
    secrets = {name: webhooks.secret(name) for name in _SENDERS}
    webhooks.finish()
    controller = Controller(
        argocd_refresh=section.flag("argocd_refresh", Controller.argocd_refresh),
        notices=section.flag("notices", Controller.notices),
        commit_status=section.flag("commit_status", Controller.commit_status),
        webhooks={name: secret for name, secret in secrets.items() if secret},
    )
    section.finish()
    return controller


def _cluster(section: Section) -> Cluster:
    namespace = section.text("argocd_namespace", values.matching(NAMESPACE, "a namespace's name"))
    cluster = Cluster(
        in_cluster=section.flag("in_cluster", Cluster.in_cluster),
        kubeconfig=section.text("kubeconfig"),
        context=section.text("context"),
        argocd_namespace=namespace or Cluster.argocd_namespace,
        argocd_context=section.text("argocd_context"),
        argocd_url=values.rstripped(section.text("argocd_url", values.http_url)),
    )
    section.finish()
    if cluster.in_cluster and cluster.context:
        section.problem("context", "stands beside in_cluster; set one of them")
    return cluster


def _signing(section: Section) -> Signing:
    section_format = section.required("format")
    signing = Signing(
        format=section.choice("format", SigningFormat, SigningFormat.SSH),
        key=section.required("key", values.not_an_option),
        home=section.text("home"),
    )
    section.finish()
    if signing.home and section_format != SigningFormat.GPG.value:
        section.problem("home", "is the folder of GnuPG; ssh has none")
    return signing


def _delivery(top: Section) -> Delivery:
    """One word for every change, or a mapping by change and importance."""
    if not top.is_mapping("delivery"):
        return Delivery(top.choice("delivery", Mode, Delivery.default))
    section = top.section("delivery")
    modes = {
        key: section.choice(key, Mode, Mode.PUSH)
        for key in (*CHANGES, *IMPORTANCES)
        if section.has(key)
    }
    delivery = Delivery(section.choice("default", Mode, Delivery.default), **modes)
    section.finish()
    return delivery


def _pull_requests(section: Section) -> PullRequests:
    found = PullRequests(
        provider=section.text("provider", values.one_line),
        api_url=section.text("api_url", values.plain_url),
        username=section.text("username", values.one_line),
        token=section.secret("token"),
        app=_app(section.section("app")) if section.has("app") else None,
        ca_file=section.text("ca_file"),
        labels=section.texts("labels", values.label),
        reviewers=section.texts("reviewers", values.one_line),
        assignees=section.texts("assignees", values.one_line),
        draft=section.flag("draft", PullRequests.draft),
        auto_merge=section.flag("auto_merge", PullRequests.auto_merge),
    )
    section.finish()
    if found.token and found.app:
        section.problem("token", "stands beside app; set one of them")
    if found.draft and found.auto_merge:
        section.problem("auto_merge", "cannot go with draft: a draft is not merged")
    return found


def _app(section: Section) -> App:
    key = section.secret("private_key")
    if key is None:
        section.problem("private_key", "is missing: {env: VARIABLE} or {file: /path}")
    app = App(
        id=section.required("id", values.one_line),
        private_key=key or Secret(),
        installation=section.number("installation", 0, 0, 999_999_999) or None,
    )
    section.finish()
    return app


def _unserved(config: Config) -> list[str]:
    """Policies that lack what they need."""
    problems = []
    problems += _shared_branches(config.repository)
    if config.cluster is None:
        problems += [
            f"environments.{environment.id}.context: is for reading the cluster; set cluster: too"
            for environment in config.environments
            if environment.context
        ]
    if config.delivery.proposes and not (config.pull_request.token or config.pull_request.app):
        problems.append(
            "pull_request.token: is missing, and delivery: pull-request needs it (or "
            "pull_request.app): {env: VARIABLE} or {file: /path}"
        )
    if config.delivery.proposes:
        problems += _no_forge(config.repository.url)
    if config.delivery.by_importance and config.datarobot is None:
        named = ", ".join(name for name in IMPORTANCES if getattr(config.delivery, name))
        problems.append(f"delivery: {named} is told by DataRobot; set datarobot.url and .token")
    return problems


def _no_forge(url: str) -> list[str]:
    """Where the repository is a local path nobody can tell who takes pull requests for it."""
    if "://" in url and not url.lower().startswith("file://"):
        return []
    if "://" not in url and re.match(r"[^/:]+:", url):  # user@host:path, as ssh takes it
        return []
    return [
        "repository.url: is a local path, and delivery: pull-request needs the https or ssh "
        "address of a repository at a forge"
    ]


def _shared_branches(repository: Repository) -> list[str]:
    """Branches that are one and the same, or of which one is in the way of the other: Git cannot
    hold a branch `a` beside a branch `a/b`."""
    names = {
        "branch": repository.branch,
        "builds_branch": repository.builds_branch,
        "rollouts_branch": repository.rollouts_branch,
    }
    problems = []
    for key, name in names.items():
        if name == _PROPOSALS:
            problems.append(
                f"repository.{key}: {name!r} is in the way of the branches {_PROPOSALS}/…, where "
                "rollouts are proposed"
            )
    for (one, first), (other, second) in combinations(names.items(), 2):
        if first == second:
            problems.append(
                f"repository.{other}: {second!r:.60} is repository.{one} too; each needs a branch "
                "of its own"
            )
        elif f"{first}/".startswith(f"{second}/") or f"{second}/".startswith(f"{first}/"):
            problems.append(
                f"repository.{other}: {second!r:.60} and {first!r:.60} (repository.{one}) cannot "
                "both be branches: Git keeps one as a file in the folder of the other"
            )
    return problems
