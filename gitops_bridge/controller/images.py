"""What the registry shows: the digest behind a tag, the label that says what an image is made of.

With `build.gate: registry` a rollout is delivered by digest and not before there is one; with
`none` nobody is asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from gitops_bridge.config import Gate
from gitops_bridge.controller.builds import Build
from gitops_bridge.controller.context import Context
from gitops_bridge.desired.build import short
from gitops_bridge.desired.jobs import KEY_LABEL
from gitops_bridge.desired.overlay import Image
from gitops_bridge.desired.record import Record
from gitops_bridge.errors import HiddenImage, RegistryError

_REFERENCE = re.compile(
    r"(?P<repository>.+?):(?P<tag>[\w.-]+)(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


def is_open(ctx: Context, image: Image) -> bool:
    """Whether a rollout of the image may be delivered."""
    return ctx.config.build.gate is Gate.NONE or image.digest is not None


def pinned(ctx: Context, build: Build, serving: Record | None) -> Image:
    """The image to deliver: with its digest when the registry has it, else by its tag alone.

    What serves already from the same tag keeps its digest as long as the registry has that one, so
    that a change of settings never swaps the image. Raises RegistryError when the registry cannot
    be asked or what it has is made of something else.
    """
    if ctx.config.build.gate is Gate.NONE:
        return build.image
    held = parsed(serving.image) if serving else None
    if held and held.digest and replace(held, digest=None) == build.image and present(ctx, held):
        return held
    try:
        digest = _digest(ctx, build.image)
    except HiddenImage:  # told by `unseen`; what cannot be pushed shows when its Job fails
        return build.image
    if digest is None:
        return build.image
    found = replace(build.image, digest=digest)
    _made_of(ctx, found, build.key)
    return found


def unseen(ctx: Context, image: Image) -> str:
    """Why the registry does not say whether it has an image that is waited for; "" when it does."""
    if is_open(ctx, image):
        return ""
    try:
        _digest(ctx, image)
    except HiddenImage as problem:
        return f"the registry does not tell: {problem}"
    return ""


def present(ctx: Context, image: Image) -> bool:
    """Whether the registry has the image, by its digest where it has one."""
    return _digest(ctx, image) is not None


def _digest(ctx: Context, image: Image) -> str | None:
    """What the registry has, asked once in each look."""
    name = str(image)
    if name not in ctx.digests:
        ctx.digests[name] = ctx.registry(image.repository.split("/", 1)[0]).digest(name)
    return ctx.digests[name]


def labels(ctx: Context, image: Image) -> Mapping[str, str]:
    """What an image says it is made of, for people: nothing without a digest or an answer."""
    if image.digest is None:
        return {}
    registry = ctx.registry(image.repository.split("/", 1)[0])
    try:
        return registry.labels(f"{image.repository}@{image.digest}")
    except RegistryError:
        return {}


def found_again(ctx: Context, image: Image) -> Image | None:
    """What can be delivered in the place of an image that was delivered once: itself, or what was
    built anew under its tag; None when the registry has neither. Raises RegistryError."""
    if ctx.config.build.gate is Gate.NONE:
        return image
    if image.digest and present(ctx, image):
        return image
    registry = ctx.registry(image.repository.split("/", 1)[0])
    digest = _digest(ctx, replace(image, digest=None))
    if digest is None:
        return None
    label = registry.labels(f"{image.repository}@{digest}").get(KEY_LABEL, "")
    same = re.fullmatch(r"[0-9a-f]{64}", label) and short(label) == image.tag.rpartition("-")[2]
    return replace(image, digest=digest) if same else None


def parsed(reference: str) -> Image | None:
    """The image in a record; None when a person wrote something else there."""
    found = _REFERENCE.fullmatch(reference)
    return Image(found["repository"], found["tag"], found["digest"]) if found else None


def _made_of(ctx: Context, image: Image, key: str) -> None:
    by_digest = f"{image.repository}@{image.digest}"
    label = ctx.registry(image.repository.split("/", 1)[0]).labels(by_digest).get(KEY_LABEL)
    if label != key:
        raise RegistryError(
            f"{image} is not what it should be made of: its label {KEY_LABEL} is "
            f"{'missing' if label is None else repr(label[:80])}, not {key!r}",
            hint="remove that tag from the registry, so that it is built again",
        )
