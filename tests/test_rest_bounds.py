"""No answer costs more memory or time than a session grants, whatever the server does."""

import pytest

from tests.limits import run_limited
from tests.servers.hostile_http import LARGE, SLOW, hostile_server

ASK = """
import sys
from gitops_bridge.errors import DataRobotError
from gitops_bridge.rest import Rest
rest = Rest(sys.argv[1], error=DataRobotError, timeout=(0.3, float(sys.argv[3])), retries=1)
try:
    rest.json("GET", sys.argv[2], redirects=True)
except DataRobotError as error:
    print(error)
else:
    print("answered")
"""
STREAM = """
import sys, time
from gitops_bridge.errors import DataRobotError
from gitops_bridge.rest import Rest
until = time.monotonic() + 0.5
rest = Rest(sys.argv[1], error=DataRobotError, left=lambda: until - time.monotonic())
try:
    for piece in rest.chunks(rest.request("GET", sys.argv[2], stream=True)):
        pass
except DataRobotError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def server():
    with hostile_server() as url:
        yield url


@pytest.mark.parametrize("path", LARGE)
def test_a_large_answer_takes_little_memory(server, path):
    said = run_limited(ASK, server, path, 8)
    assert server.rstrip("/") in said


@pytest.mark.parametrize("path", SLOW)
def test_a_slow_answer_is_given_up(server, path):
    said = run_limited(ASK, server, path, 0.5, seconds=10)
    assert "GET" in said
    assert server in said


@pytest.mark.parametrize("path", [*SLOW, "/endless", "/gzip"])
def test_nothing_outlasts_what_is_left(server, path):
    said = run_limited(STREAM, server, path, seconds=10)
    assert said.startswith(f"GET {server.rstrip('/')}{path}: ")
