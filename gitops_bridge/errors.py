"""The errors a person or the management agent gets to read.

    BridgeError                   message, hint (what to do), retry (would it help later?)
    ├── ConfigError               the operator's configuration is wrong
    ├── RequestError              the action is malformed or not supported
    ├── RenderError               a manifest, an overlay or a kustomize build does not hold
    ├── RepositoryError           git: transport, authentication, a missing branch
    │   ├── StaleBase             the branch moved under us: plan again
    │   └── PushRejected          the server declined for good (protected branch, hook, rights)
    ├── ForgeError                a pull-request API
    ├── DataRobotError            the DataRobot REST API
    ├── RegistryError             an OCI registry
    ├── ClusterError              a Kubernetes API server
    └── ImageError                a model package or build context that cannot become an image

Whose fault it is, is the class; whether a retry would help is the attribute. Every neighbour turns
its library's exceptions into these; only the entry points catch them. No message carries a secret.
"""


def printable(text: str) -> str:
    """The text with line feeds and what prints: servers are quoted here, and no escape sequence of
    theirs may reach a terminal or a log."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in text)


class BridgeError(Exception):
    """What went wrong, in `message`; what to do about it, in `hint`."""

    def __init__(self, message: str, *, hint: str | None = None, retry: bool = False) -> None:
        super().__init__(message)
        self.message = printable(message)
        self.hint = printable(hint) if hint else hint
        self.retry = retry
        self.status: int | None = None  # of the HTTP answer behind it, when there was one
        self.serving: str | None = None  # the model that main holds, where that was seen

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigError(BridgeError):
    pass


class RequestError(BridgeError):
    pass


class RenderError(BridgeError):
    pass


class RepositoryError(BridgeError):
    pass


class StaleBase(RepositoryError):
    pass


class PushRejected(RepositoryError):
    pass


class ForgeError(BridgeError):
    pass


class DataRobotError(BridgeError):
    pass


class RegistryError(BridgeError):
    pass


class HiddenImage(RegistryError):
    """The registry let the credential in and does not say whether the image is there."""


class ClusterError(BridgeError):
    pass


class ImageError(BridgeError):
    pass
