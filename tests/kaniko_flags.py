"""The flags of the maintained Kaniko executor, v1.28, that are not deprecated:
https://github.com/osscontainertools/kaniko/blob/v1.28.3/cmd/executor/cmd/root.go."""

_BOOLEAN = """
    cache cache-copy-layers cache-run-layers cleanup compressed-caching force ignore-var-run
    insecure insecure-pull log-timestamp no-push push-ignore-immutable-tag-errors reproducible
    single-snapshot skip-default-registry-fallback skip-push-permission-check skip-tls-verify
    skip-tls-verify-pull use-new-run
"""
BOOLEAN = set(_BOOLEAN.split())
_NUMBER = """
    image-download-retry image-fs-extract-retry push-retry
"""
NUMBER = set(_NUMBER.split())
_TEXT = """
    annotation build-arg cache-dir cache-repo cache-ttl compression context context-sub-path
    credential-helpers custom-platform destination digest-file dockerfile ignore-path
    image-format image-name-tag-with-digest-file image-name-with-digest-file insecure-registry
    label log-format oci-layout-path registry-certificate registry-client-cert registry-map
    registry-mirror secret skip-tls-verify-registry snapshot-mode tar-path
"""
TEXT = set(_TEXT.split())
MAY_BE_EMPTY = {"credential-helpers"}


def refused(argument):
    """Why the executor would not take the argument; None when it would."""
    name, equals, value = argument.removeprefix("--").partition("=")
    if not argument.startswith("--") or not equals:
        return f"{argument}: write --flag=value"
    if name in BOOLEAN:
        return None if value in ("true", "false") else f"{argument}: true or false"
    if name in NUMBER:
        return None if value.isdecimal() else f"{argument}: a number"
    return None if name in TEXT and (value or name in MAY_BE_EMPTY) else f"{argument}: no such flag"
