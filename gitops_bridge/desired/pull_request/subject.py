"""What a pull request's text is made of."""

from __future__ import annotations

from dataclasses import dataclass, field

from gitops_bridge.desired.comparison import DeploymentFacts, ModelFacts
from gitops_bridge.desired.effect import Effect
from gitops_bridge.desired.rollout import Rollout


@dataclass(frozen=True)
class Build:
    """What is known of the image. `digest` is None until the registry shows it; `gated` is False
    where nobody looks. `checksum` is the package's, sha256 in hex, as the image's labels or the
    operator say; `base` is the image below the model, by those labels."""

    image: str
    digest: str | None = None
    job: str | None = None
    checksum: str | None = None
    base: str | None = None
    gated: bool = False


@dataclass(frozen=True)
class Subject:
    """Everything the text is made of. `message` is the commit's; `deployment` and `environment` are
    their names in the repository, `base` the branch it is proposed for,
    `commit` the one that proposes it."""

    message: str
    rollout: Rollout
    deployment: str
    environment: str
    base: str
    effect: Effect
    build: Build | None
    champion: ModelFacts
    challenger: ModelFacts
    facts: DeploymentFacts = field(default_factory=DeploymentFacts)
    commit: str | None = None

    @property
    def name(self) -> str:
        """The deployment's name in DataRobot."""
        record = self.rollout.after or self.rollout.before
        return record.name if record else self.deployment
