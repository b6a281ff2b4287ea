"""What Git wants of one deployment, as far as a verdict about the cluster needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from gitops_bridge.desired.overlay import Image


class Goal(Enum):
    SERVE = "serve"
    """main holds the deployment's `model/`."""
    STOP = "stop"
    """main held it, and no longer does."""
    NONE = "none"
    """Git has never held it: nothing shall run, or somebody else runs it."""


@dataclass(frozen=True)
class Wanted:
    """One deployment as main holds it, and what is under way but not on main yet."""

    environment: str
    """Its name, as in `overlays/<environment>/`."""
    deployment: str
    goal: Goal = Goal.NONE
    model: str | None = None
    image: Image | None = None
    """`model` and `image` of `model/` on main. An image without a digest counts by its tag."""
    restarts: int | None = None
    """The count of relaunches that the Pod template must carry; None: not looked at."""
    previous_model: str | None = None
    """The model that `model` replaces; None after a start."""
    pending_model: str | None = None
    """The model of a rollout that is not on main yet: it is being built, or under review."""
    build_job: str | None = None
    """The Job whose image is waited for, before the delivery or, without a gate, after it."""
    superseded: bool = False
    """Whether a person has put something else on main than the last action asked for."""
    covers: Callable[[str], bool] = lambda _: False
    """Whether a commit (40 hexadecimal digits) holds this `model/`: it is the commit that delivered
    it, or a descendant with the same `model/` in it. Ancestry is git's to answer."""
    models: Mapping[str, str] = field(default_factory=dict)
    """Model id by image digest (`sha256:…`), of everything that the deployment's records name."""
    root: str = ""
    """The folder of the repository below which `overlays/` lies; "" is its top."""

    @property
    def path(self) -> str:
        """Its folder from the top of the repository, as its Application names it."""
        return self._below_root(f"overlays/{self.environment}/{self.deployment}")

    @property
    def builds_path(self) -> str:
        """The folder of its environment on the branch of the builds, likewise."""
        return self._below_root(self.environment)

    @property
    def awaits_image(self) -> bool:
        """Whether an image may still have to be built: one on main with a digest is there."""
        by_tag = self.image is not None and self.image.digest is None
        return self.pending_model is not None or by_tag

    def _below_root(self, path: str) -> str:
        return f"{self.root}/{path}" if self.root else path
