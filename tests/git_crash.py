"""A process that delivers, to be run many at once and killed: see test_git_crash.

    python git_crash.py URL CACHE NAME COUNT     prints one line for each acknowledged delivery

Delivery N of NAME writes N into the file `overlays/prod/NAME/record.yaml`, if it holds less, so
that a run after a crash goes on where the last one had got to, as the bridge does. A ref of NAME's
own moves along, to the commit of main that the delivery was planned on.
"""

import sys
from pathlib import Path

from gitops_bridge.errors import BridgeError
from gitops_bridge.git import Edit, Update
from tests.git_team import ME, open_repository


def count_up(repository, name, number):
    path = f"overlays/prod/{name}/record.yaml"
    ref = f"refs/gitops-bridge/proposed/prod/{name}"

    def plan(snapshot):
        if int(snapshot.read(path) or 0) >= number:
            return "done"
        content = {path: str(number).encode()}
        there = repository.branches(ref, fetch=False).get(ref, "")
        along = (Update(ref, there, snapshot.commit),)
        return Edit(content, {path: snapshot.id(path)}, f"Count {name} {number}", ME, along)

    return plan


def main(url, cache, name, count):
    repository = open_repository(url, Path(cache))
    for number in range(1, int(count) + 1):
        while True:
            try:
                repository.deliver("main", count_up(repository, name, number))
            except BridgeError as error:
                if not error.retry:
                    raise
            else:
                break
        print(number, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
