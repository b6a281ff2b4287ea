"""Cut off between any two effects and run again: the same end as without."""

import re

import pytest

from gitops_bridge import agent
from gitops_bridge.controller import handle
from gitops_bridge.git import Repository
from tests.gated import PACKAGE_A, PACKAGE_B, Gated
from tests.team import MODEL_B, git


class Killed(BaseException):
    """Nothing on the way may take it for an error."""


class Mortal(Repository):
    """Dies right after its `lives`-th effect on the remote."""

    lives = 10**9

    def _effect(self):
        self.lives -= 1
        if self.lives == 0:
            raise Killed

    def submit(self, branch, edit):
        delivered = super().submit(branch, edit)
        if delivered:
            self._effect()
        return delivered


class Mortals(Gated):
    lives = 10**9

    def ctx(self):
        ctx = super().ctx()
        ctx.repository.__class__ = Mortal
        ctx.repository.lives = self.lives
        return ctx


def start(team):
    return lambda: handle(team.ctx(), agent.read_request("deployment_start", team.file(PACKAGE_A)))


def replace(team):
    file = team.file(PACKAGE_B, newModelId=MODEL_B)
    return lambda: handle(team.ctx(), agent.read_request("deployment_replace_model", file))


def status(team):
    return lambda: handle(team.ctx(), agent.read_request("deployment_status", team.file()))


def stop(team):
    return lambda: handle(team.ctx(), agent.read_request("deployment_stop", team.file()))


def built(team):
    return lambda: team.built(team.jobs()[-1])


def late(team):
    def pass_time():
        team.clock.now += 7300

    return pass_time


LIFE = [start, built, status, replace, late, status, replace, built, status, replace, stop]
BUILT_AT_ONCE = [start, built, start, replace, built, replace]
STOPPED_EARLY = [start, stop, start, replace, built, start, replace, stop]
STORIES = {"life": LIFE, "at once": BUILT_AT_ONCE, "stopped early": STOPPED_EARLY}
EFFECTS = 3


def live(team, story, dies_in=None, after=0):
    """Play the story; whether the death in step `dies_in` after so many effects took place."""
    died = False
    for index, step in enumerate(story):
        action = step(team)
        team.lives = after if index == dies_in else 10**9
        try:
            action()
        except Killed:
            died = True
            team.lives = 10**9
            action()
        except Exception:
            if step is not replace:
                raise
    return died


def state(team):
    """What every branch holds, but for times and what names this team's folder in the registry."""
    listed = [
        f"{ref}:{path}"
        for ref in team.refs()
        for path in git(team.remote, "ls-tree", "-r", "--name-only", ref).split()
        if not path.startswith("base/") and "/environment/" not in path
    ]
    shown = {name: git(team.remote, "show", name) for name in listed}
    return {name: timeless(text.replace(team.repository, "")) for name, text in shown.items()}


def timeless(text):
    """The lines without times and Git ids: each team's files, so their ids, name its own folder."""
    kept = [line for line in text.splitlines() if "since:" not in line]
    return [re.sub(r"\"?\b[0-9a-f]{40}\b\"?", "ID", line) for line in kept]


@pytest.fixture(scope="module", params=STORIES)
def story(request, tmp_path_factory, host):
    """A story and where it leads when nothing is cut off."""
    team = make(tmp_path_factory.mktemp("whole"), host)
    live(team, STORIES[request.param])
    return STORIES[request.param], state(team)


def make(folder, host):
    team = Mortals(folder, host)
    team.configure(actions={"budget": 1})
    return team


def test_death_after_any_effect(story, tmp_path_factory, host):
    steps, end = story
    deaths = 0
    for index in range(len(steps)):
        if steps[index] in (built, late):
            continue
        for after in range(1, EFFECTS + 1):
            team = make(tmp_path_factory.mktemp(f"cut-{index}-{after}"), host)
            if not live(team, steps, index, after):
                break
            deaths += 1
            assert state(team) == end, (index, steps[index].__name__, after)
    assert deaths >= len(steps) // 2
