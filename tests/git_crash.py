"""A process that delivers, to be run many at once and killed: see test_git_crash.

    python git_crash.py URL CACHE NAME COUNT     prints one line for each acknowledged delivery

Delivery N of NAME writes N into the file `overlays/prod/NAME/record.yaml` of main and into its
state file on the branch `rollouts`, if that holds less, so that a run after a crash goes on where
the last one had got to. A branch of NAME's own moves with them, to the commit of main that the
delivery was planned on.
"""

import sys
from pathlib import Path

from gitops_bridge.errors import BridgeError
from gitops_bridge.git import Edit, Update
from tests.git_team import ME, open_repository


def count_up(repository, name, number):
    path = f"overlays/prod/{name}/record.yaml"
    state = f"prod/{name}.yaml"
    branch = f"gitops-bridge/prod/{name}"

    def plan(snapshot):
        if int(snapshot.read(state) or 0) >= number:
            return "done"
        content, message = str(number).encode(), f"Count {name} {number}"
        main = repository.snapshot("main", fetch=False)
        count = Edit({path: content}, {path: main.id(path)}, message, ME, base=main.commit)
        move = Update(branch, repository.branch(branch) or "", main.commit)
        guards = {state: snapshot.id(state)}
        return Edit(
            {state: content},
            guards,
            message,
            ME,
            ref_updates=(move,),
            prerequisites={"main": count},
        )

    return plan


def main(url, cache, name, count):
    repository = open_repository(url, Path(cache))
    for number in range(1, int(count) + 1):
        while True:
            try:
                plan = count_up(repository, name, number)
                repository.deliver("rollouts", plan, create=True)
            except BridgeError as error:
                if not error.retry:
                    raise
            else:
                break
        print(number, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
