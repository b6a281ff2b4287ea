"""Kubernetes' own schema in the notation of `gitops_bridge.desired.job_schema`.

`python -m tests.kubernetes_schema` prints the table; tests/test_job_check.py compares the two.
"""

import json
import textwrap
from importlib.resources import files

VERSION = "1.36.0"
ROOTS = ("io.k8s.api.batch.v1.JobSpec", "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")
LETTERS = {"string": "s", "boolean": "b", "number": "n", "int32": "i", "int64": "l"}
SPECIAL = {"Quantity": "q", "IntOrString": "x", "FieldsV1": "o", "Time": "s"}


def definitions():
    folder = files("kubernetes_validate") / f"kubernetes-json-schema/v{VERSION}-local-strict"
    return json.loads((folder / "_definitions.json").read_text())["$defs"]


def table():
    """One line for each kind of mapping: its name, then `field:type`, `!` where it is required."""
    known, lines, waiting = definitions(), {}, list(ROOTS)
    while waiting:
        full = waiting.pop()
        name = short(full)
        if name in lines or name in SPECIAL:
            continue
        schema = known[full]
        fields = []
        for field, described in sorted(schema.get("properties", {}).items()):
            letter, reference = notation(described)
            if reference:
                waiting.append(reference)
            fields.append(f"{field}:{letter}{'!' if field in schema.get('required', ()) else ''}")
        lines[name] = " ".join([name, *fields])
    return [lines[name] for name in sorted(lines)]


def short(reference):
    return reference.rsplit(".", 1)[-1]


def notation(described):
    if "$ref" in described:
        reference = described["$ref"].rsplit("/", 1)[-1]
        return SPECIAL.get(short(reference), short(reference)), reference
    kind = next(kind for kind in as_list(described["type"]) if kind != "null")
    if kind == "array":
        letter, reference = notation(described["items"])
        return f"{letter}[]", reference
    if kind == "object":
        letter, reference = notation(described["additionalProperties"])
        return f"{letter}{{}}", reference
    return LETTERS[described["format"] if kind == "integer" else kind], None


def as_list(value):
    return value if isinstance(value, list) else [value]


def main():
    for line in table():
        print("\n".join(textwrap.wrap(line, 99, subsequent_indent="  ", break_long_words=False)))


if __name__ == "__main__":
    main()
