"""What a build Job says it has pushed, and when that counts."""

import copy

import pytest

from gitops_bridge.desired.build_report import contradicts, pushed_digest

DIGEST = "sha256:" + "85e4" * 16
OTHER = "sha256:" + "00" * 32
JOB = {
    "metadata": {"name": "build-x", "uid": "u1"},
    "status": {"conditions": [{"type": "Complete", "status": "True"}]},
}
POD = {
    "metadata": {"ownerReferences": [{"kind": "Job", "uid": "u1"}]},
    "status": {
        "containerStatuses": [
            {"name": "kaniko", "state": {"terminated": {"exitCode": 0, "message": f"{DIGEST}\n"}}}
        ]
    },
}


def changed(item, value, *path):
    item = copy.deepcopy(item)
    inner = item
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return item


def test_a_complete_job_tells_what_it_pushed():
    assert pushed_digest(JOB, [POD]) == DIGEST
    assert pushed_digest(JOB, [POD, POD]) == DIGEST
    append = changed(POD, "append-model", "status", "containerStatuses", 0, "name")
    assert pushed_digest(JOB, [append]) == DIGEST


ENDED = ("status", "containerStatuses", 0, "state")


@pytest.mark.parametrize(
    ("job", "pods"),
    [
        (changed(JOB, [], "status", "conditions"), [POD]),
        (changed(JOB, "False", "status", "conditions", 0, "status"), [POD]),
        (changed(JOB, "Suspended", "status", "conditions", 0, "type"), [POD]),
        (JOB, []),
        (JOB, [changed(POD, 1, *ENDED, "terminated", "exitCode")]),
        (JOB, [changed(POD, "pushed", *ENDED, "terminated", "message")]),
        (JOB, [changed(POD, {"running": {}}, *ENDED)]),
        (JOB, [changed(POD, "fetch-model", "status", "containerStatuses", 0, "name")]),
        (JOB, [changed(POD, "u2", "metadata", "ownerReferences", 0, "uid")]),
        (JOB, [POD, changed(POD, OTHER, *ENDED, "terminated", "message")]),
        (
            changed(JOB, None, "metadata", "uid"),
            [changed(POD, [{}], "metadata", "ownerReferences")],
        ),
        ({}, [{}]),
    ],
)
def test_nothing_is_believed_that_does_not_say_so(job, pods):
    assert pushed_digest(job, pods) is None
    assert not contradicts(OTHER, job, pods)


def test_an_image_that_somebody_else_pushed_is_told():
    assert contradicts(OTHER, JOB, [POD])
    assert not contradicts(DIGEST, JOB, [POD])
