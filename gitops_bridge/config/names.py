"""What names and ids are made of, wherever one is read: configuration, flags of `init`, action
files.
"""

import re

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?")
"""An environment's: a folder, and half of an Application's name."""
NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
IDENTIFIER = re.compile(r"[a-z0-9]([a-z0-9-]{0,54}[a-z0-9])?")
"""A deployment's or prediction environment's in DataRobot: with `mlops-` in front of it the name of
a Service, which has 63 characters."""
_STEP = re.compile(r"(?!-)(?!.*\.\.)[A-Za-z0-9._-]*[A-Za-z0-9_-]")


def folder_problem(text: str) -> str | None:
    """Why `text` is no folder of a repository that can stand in manifests, patterns of CODEOWNERS
    and Argo CD's lists of paths; None when it can."""
    steps = text.split("/")
    if all(_STEP.fullmatch(step) and step.lower() != ".git" for step in steps):
        return None
    return "must be a folder of the repository by relative path, such as platform/models"
