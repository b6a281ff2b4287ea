"""Will Argo CD take this? The manifests of argocd/, every environment and every rendered overlay to
the reasons why it would not, and to what a reviewer relies on not being there.

Each rule is a module of its own; Rules puts them together.
"""

from gitops_bridge.desired.admission.builder import outdated, unknown_repository
from gitops_bridge.desired.admission.platform import Platform, read
from gitops_bridge.desired.admission.rules import Overlay, Rules, rules

__all__ = ["Overlay", "Platform", "Rules", "outdated", "read", "rules", "unknown_repository"]
