"""What the configuration says, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from gitops_bridge.errors import ConfigError


@dataclass(frozen=True)
class Secret:
    """Where a secret is to be found: an environment variable or a file. Never the secret itself."""

    env: str | None = None
    file: str | None = None


@dataclass(frozen=True)
class Person:
    """Author or committer of the bridge's commits."""

    name: str = "gitops-bridge"
    email: str = "gitops-bridge@localhost"


@dataclass(frozen=True)
class Repository:
    """The team's GitOps repository and how to reach it."""

    url: str
    branch: str = "main"
    builds_branch: str = "builds"
    rollouts_branch: str = "rollouts"
    username: str | None = None
    password: Secret | None = None
    ssh_key: str | None = None
    ssh_known_hosts: str | None = None
    ca_file: str | None = None
    proxy: str | None = None
    timeout: int = 60
    """Seconds for one call of git over the network; never more than what is left of
    `actions.budget`. A first clone may take ten times as long."""
    cache: str | None = None
    """Folder of the disposable mirror; default: the user's cache folder."""
    root: str = ""
    """Folder below which everything of ours lies, on every branch; "" is the whole repository."""


@dataclass(frozen=True)
class Environment:
    """One prediction environment of DataRobot and its folder `overlays/<name>/`."""

    id: str
    name: str
    namespace: str
    prediction_url: str
    """What DataRobot shows people, up to the deployment id: https://host/path"""
    cluster: str = "https://kubernetes.default.svc"
    context: str | None = None
    """The kubeconfig's context for this environment; default: as the section `cluster` says."""
    builds_namespace: str | None = None

    @property
    def builds(self) -> str:
        """The namespace of the build Jobs; what `init` names it unless told otherwise."""
        return self.builds_namespace or f"{self.namespace[:56]}-builds"


@dataclass(frozen=True)
class Actions:
    budget: int = 240
    """Seconds an action may block; the agent's own limit is 300 unless changed."""
    status_age: int = 0
    """Seconds for which a status may be answered from the last fetch instead of a new one. The
    agent asks for a whole environment and then for each of its deployments in one go."""


@dataclass(frozen=True)
class Limits:
    removals: int = 3
    """Overlays one commit may remove without an explicit yes."""


@dataclass(frozen=True)
class Render:
    """How overlays are rendered for the proof.

    options   further arguments of `kustomize build`, as Argo CD has them in kustomize.buildOptions
    hosts     what kustomizations may refer to outside the repository; by default nothing
    """

    options: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trust:
    """What `check` and `doctor` expect beside what base/ has: repositories of builder images, names
    of containers in a served Pod, and of service accounts."""

    builders: tuple[str, ...] = ()
    sidecars: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ()


class Gate(str, Enum):
    """What a rollout waits for before it is delivered."""

    NONE = "none"
    REGISTRY = "registry"


@dataclass(frozen=True)
class Build:
    gate: Gate = Gate.NONE
    deadline: int = 7_200
    """Seconds after which an image that the registry does not show has failed."""
    keep: int = 10
    """Jobs of each environment that stay on the builds branch though nothing names their image."""


@dataclass(frozen=True)
class Registry:
    """How the registries that `environment/builder` names are reached."""

    username: str | None = None
    password: Secret | None = None
    docker_config: str | None = None
    """Path of a Docker config file, as in a Secret of type dockerconfigjson."""
    ca_file: str | None = None
    insecure: tuple[str, ...] = ()
    """Hosts, with port, that speak plain HTTP."""
    skip_tls_verify: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataRobot:
    """The REST API, asked for the model package of an action that names none."""

    url: str
    token: Secret
    ca_file: str | None = None
    verify_ssl: bool = True
    events: bool = False
    """Whether the standing controller writes what happens into the logs of deployments."""
    follow_reverts: bool = False
    """Whether it sets the model in DataRobot back after a person has done so in Git."""


@dataclass(frozen=True)
class Controller:
    """What `gitops-bridge reconcile --watch` does beside taking rollouts further."""

    argocd_refresh: bool = False
    """Whether Argo CD is asked to look after a push, which needs the right to patch."""
    notices: bool = False
    """Whether a hold is shown on the Application in Argo CD, which needs the same right."""
    commit_status: bool = False
    """Whether each delivery's fate is reported at the forge, beside its commit."""
    webhooks: Mapping[str, Secret] = field(default_factory=dict)
    """Sender (github, gitlab, …, argocd) -> the secret agreed with it."""


class SigningFormat(str, Enum):
    SSH = "ssh"
    GPG = "gpg"


@dataclass(frozen=True)
class Signing:
    """With what commits are signed; the key must work without a passphrase."""

    format: SigningFormat
    key: str
    """ssh: the private key's file. gpg: the secret key's id or address."""
    home: str | None = None
    """gpg: the GnuPG folder; default: the user's own."""


class Mode(str, Enum):
    """How a change reaches the branch."""

    PUSH = "push"
    PULL_REQUEST = "pull-request"


CHANGES = ("start", "replace", "scale", "update", "relaunch", "stop", "rollback")
IMPORTANCES = ("CRITICAL", "HIGH", "MODERATE", "LOW")


@dataclass(frozen=True)
class Delivery:
    """How changes are delivered: by `default`, else by kind of change and by the deployment's
    importance in DataRobot; None says nothing."""

    default: Mode = Mode.PUSH
    start: Mode | None = None
    replace: Mode | None = None
    scale: Mode | None = None
    update: Mode | None = None
    relaunch: Mode | None = None
    stop: Mode | None = None
    rollback: Mode | None = None
    CRITICAL: Mode | None = None
    HIGH: Mode | None = None
    MODERATE: Mode | None = None
    LOW: Mode | None = None

    def mode(self, change: str, importance: str | None) -> Mode:
        """How this change is delivered. Where kind and importance differ a pull request is opened,
        and an importance nobody could tell counts as the one that is watched most."""
        found = {getattr(self, change)} - {None}
        if importance is not None:
            found |= {getattr(self, importance) if importance in IMPORTANCES else None} - {None}
        elif not found:
            found |= self.by_importance
        if not found:
            return self.default
        return Mode.PULL_REQUEST if Mode.PULL_REQUEST in found else Mode.PUSH

    @property
    def by_importance(self) -> set[Mode]:
        """What is said of any importance."""
        return {getattr(self, name) for name in IMPORTANCES} - {None}

    @property
    def proposes(self) -> bool:
        """Whether any change is delivered as a pull request."""
        return Mode.PULL_REQUEST in self._modes

    @property
    def pushes(self) -> bool:
        """Whether any change is delivered by push."""
        return Mode.PUSH in self._modes

    @property
    def _modes(self) -> set[Mode]:
        return {self.default, *({getattr(self, name) for name in CHANGES} - {None})} | (
            self.by_importance
        )


@dataclass(frozen=True)
class App:
    """A GitHub App: its id or client id, its private key, and where it is installed if known."""

    id: str
    private_key: Secret
    installation: int | None = None


@dataclass(frozen=True)
class PullRequests:
    """Where and how pull requests are opened. The API's token is not the credential of git."""

    provider: str | None = None
    api_url: str | None = None
    username: str | None = None
    token: Secret | None = None
    app: App | None = None
    ca_file: str | None = None
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    assignees: tuple[str, ...] = ()
    draft: bool = False
    auto_merge: bool = False


@dataclass(frozen=True)
class ClusterAccess:
    """How one API server is reached: as the Pod's own service account, or by a kubeconfig."""

    in_cluster: bool = False
    kubeconfig: str | None = None
    context: str | None = None


@dataclass(frozen=True)
class Cluster:
    """The API servers that are read, and where Argo CD's Applications are."""

    in_cluster: bool = False
    """Whether what names no context is in the cluster that this runs in."""
    kubeconfig: str | None = None
    """A file; without it the library's own default, ~/.kube/config."""
    context: str | None = None
    """Without it the kubeconfig's current one."""
    argocd_namespace: str = "argocd"
    argocd_context: str | None = None
    argocd_url: str | None = None
    """Where people open Argo CD: https://argocd.example.com; for links to Applications."""

    def access(self, context: str | None) -> ClusterAccess:
        """The API server of `context`, or the one for whatever names none."""
        if self.in_cluster and not context:
            return ClusterAccess(in_cluster=True)
        return ClusterAccess(kubeconfig=self.kubeconfig, context=context or self.context)


@dataclass(frozen=True)
class Config:
    repository: Repository
    environments: tuple[Environment, ...]
    author: Person = field(default_factory=Person)
    committer: Person | None = None
    """Who commits when it is not the author."""
    signing: Signing | None = None
    commit_message: str | None = None
    """The pattern of every commit's message, with {subject} in its first line."""
    sign_off: bool = False
    """Whether commits carry `Signed-off-by` of their author: https://developercertificate.org/"""
    delivery: Delivery = field(default_factory=Delivery)
    pull_request: PullRequests = field(default_factory=PullRequests)
    actions: Actions = field(default_factory=Actions)
    limits: Limits = field(default_factory=Limits)
    build: Build = field(default_factory=Build)
    registry: Registry = field(default_factory=Registry)
    render: Render = field(default_factory=Render)
    trust: Trust = field(default_factory=Trust)
    datarobot: DataRobot | None = None
    cluster: Cluster | None = None
    """None: nothing is looked at in any cluster."""
    controller: Controller = field(default_factory=Controller)

    def environment(self, identifier: str) -> Environment:
        """The environment with DataRobot's `identifier`. Raises ConfigError when not mapped."""
        for environment in self.environments:
            if environment.id == identifier:
                return environment
        known = ", ".join(f"{item.id} ({item.name})" for item in self.environments) or "none"
        raise ConfigError(
            f"prediction environment {identifier!r} is not mapped",
            hint=f"add it under environments: in gitops-bridge.yaml; mapped: {known}",
        )
