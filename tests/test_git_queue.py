"""Intents and replies: what survives a crash of either side, and what does not."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gitops_bridge.errors import PushRejected, RepositoryError
from gitops_bridge.git import Edit, Signature, Update
from gitops_bridge.git.queue import Intent, Reply, submitted, waiting
from tests.git_team import ME

INTENT = Intent("main", Edit({"x": b"1"}, {}, "Put", ME))

texts = st.text(st.characters(codec="utf-8"), max_size=10)
edits = st.builds(
    Edit,
    changes=st.dictionaries(texts, st.none() | st.binary(max_size=20), max_size=3),
    guards=st.dictionaries(texts, st.none() | texts, max_size=3),
    message=texts,
    author=st.builds(Signature, texts, texts),
    ref_updates=st.lists(st.builds(Update, texts, texts, texts), max_size=2).map(tuple),
)
edits = st.builds(
    Edit,
    changes=st.dictionaries(texts, st.none() | st.binary(max_size=20), max_size=3),
    guards=st.dictionaries(texts, st.none() | texts, max_size=3),
    message=texts,
    author=st.builds(Signature, texts, texts),
    base=st.none() | texts,
    ref_updates=st.lists(st.builds(Update, texts, texts, texts), max_size=2).map(tuple),
    prerequisites=st.dictionaries(texts, edits, max_size=2),
)


@given(st.builds(Intent, texts, edits))
def test_an_intent_arrives_as_it_was(tmp_path_factory, intent):
    folder = tmp_path_factory.mktemp("queue")
    with submitted(folder, intent):
        (item,) = waiting(folder)
    assert item.intent == intent
    assert list(folder.iterdir()) == []


def test_a_reply_arrives_with_its_problem(tmp_path):
    problems = [
        PushRejected("no\nway", hint="ask"), RepositoryError("later", retry=True)
    ]  # fmt: skip
    for reply in [Reply({"main": "c" * 40}), Reply(stale=True), Reply(), *map(_failed, problems)]:
        with submitted(tmp_path, INTENT) as ticket:
            assert not ticket.answered()
            (item,) = waiting(tmp_path)
            item.answer(reply)
            assert ticket.answered()
            assert waiting(tmp_path) == []
            found = ticket.reply()
            assert (found.commits, found.stale) == (reply.commits, reply.stale)
            assert type(found.problem) is type(reply.problem)
            assert vars(found.problem or object) == vars(reply.problem or object)
        assert list(tmp_path.iterdir()) == []


def _failed(problem):
    return Reply(problem=problem)


def test_the_oldest_comes_first(tmp_path):
    with submitted(tmp_path, INTENT):
        for _ in range(3):
            with submitted(tmp_path, Intent("other", INTENT.edit)):
                assert [item.intent.branch for item in waiting(tmp_path)] == ["main", "other"]


def test_a_leader_that_died_while_answering_is_followed_by_another(tmp_path):
    with submitted(tmp_path, INTENT) as ticket:
        (path,) = tmp_path.iterdir()
        with path.open("ab") as file:
            file.write(b'{"commit": "torn')
        (item,) = waiting(tmp_path)
        assert item.intent == INTENT
        item.answer(Reply({"main": "c" * 40}))
        assert ticket.reply() == Reply({"main": "c" * 40})


OWNER = """
import os, signal, sys
from pathlib import Path
from gitops_bridge.git import Edit, Signature
from gitops_bridge.git.queue import Intent, Reply, submitted, waiting
folder = Path(sys.argv[1])
with submitted(folder, Intent("main", Edit({}, {}, "x", Signature("a", "b")))):
    if sys.argv[2] == "answered":
        waiting(folder)[-1].answer(Reply())
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_dead_owner_left_is_swept_away(tmp_path):
    for state in ("waiting", "answered"):
        command = [sys.executable, "-c", OWNER, str(tmp_path), state]
        environment = {"PYTHONPATH": str(Path(__file__).parent.parent)}
        done = subprocess.run(command, env=environment, check=False)
        assert done.returncode == -signal.SIGKILL
        assert len(list(tmp_path.iterdir())) == 1
        with submitted(tmp_path, INTENT) as ticket:
            assert [item.intent for item in waiting(tmp_path)] == [INTENT]
            assert not ticket.answered()
        assert list(tmp_path.iterdir()) == []


def test_a_draft_being_written_stays_also_when_the_clock_jumps(tmp_path):
    draft = tmp_path / "1.draft"
    draft.write_text("half an int")
    os.utime(draft, (1, 1))
    with draft.open() as written:
        fcntl.flock(written, fcntl.LOCK_EX)
        assert waiting(tmp_path) == []
        assert draft.exists()
    assert waiting(tmp_path) == []
    assert not draft.exists()


def test_drafts_are_swept_away_when_they_are_old(tmp_path):
    fresh, old = tmp_path / "1.draft", tmp_path / "2.draft"
    fresh.write_text("")
    old.write_text("")
    os.utime(old, (0, 0))
    assert waiting(tmp_path) == []
    assert list(tmp_path.iterdir()) == [fresh]


def test_an_answer_to_an_owner_that_has_gone_is_no_matter(tmp_path):
    with submitted(tmp_path, INTENT):
        (item,) = waiting(tmp_path)
    item.answer(Reply())
    assert item.answered
    assert list(tmp_path.iterdir()) == []


def test_the_files_are_private_and_one_line_each(tmp_path):
    with submitted(tmp_path / "queue", INTENT):
        (path,) = (tmp_path / "queue").iterdir()
        assert path.stat().st_mode & 0o077 == 0
        assert json.loads(path.read_text())["branch"] == "main"
