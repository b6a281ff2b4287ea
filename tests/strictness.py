"""Whether an object is one that Kubernetes, Argo CD or Gateway API would take: unknown fields,
wrong types and unknown kinds are refused."""

import json
import warnings
from functools import cache
from pathlib import Path

import jsonschema
import kubernetes_validate
from kubernetes_validate import utils

utils.schema_contents = cache(utils.schema_contents)  # it reads all of them for each object
utils.all_versions = cache(utils.all_versions)
SCHEMAS = Path(__file__).with_name("schemas")
KUBERNETES = ("1.29", "1.36")


@cache
def _vendored(kind):
    schema = json.loads((SCHEMAS / f"{kind}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def check(item):
    """Raises when `item` is not valid, or of a kind no schema is known for."""
    if (SCHEMAS / f"{item['kind']}.json").exists():
        _vendored(item["kind"]).validate(item)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for version in KUBERNETES:
            kubernetes_validate.validate(item, version, strict=True)
