"""`python -m fuzz [NAME…]`: try one property after the other until one fails or you stop it.

`python -m fuzz --atheris NAME [libFuzzer's options]` lets atheris choose the bytes by what they
reach in the code: for those that parse bytes, such as yaml_and_json, records or dockerfiles.
"""

from __future__ import annotations

import sys
from itertools import count
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings

EXAMPLES = 500  # of a property before it is the next one's turn


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--atheris"]:
        return guided(*arguments[1:])
    from fuzz.properties import PROPERTIES

    bounded = settings(
        max_examples=EXAMPLES, deadline=None, database=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink],
    )  # fmt: skip
    properties = {name: bounded(PROPERTIES[name]) for name in arguments or PROPERTIES}
    for turn in count():
        for name, prop in properties.items():
            print(f"turn {turn}: {name}", flush=True)
            seed(turn)(prop)()
    return None


def guided(name: str, *options: str) -> None:
    import atheris

    with atheris.instrument_imports(include=["gitops_bridge"]):
        from fuzz.properties import PROPERTIES
    prop: Any = PROPERTIES[name]
    atheris.Setup([sys.argv[0], *options], prop.hypothesis.fuzz_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
