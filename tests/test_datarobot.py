"""`gitops_bridge.datarobot` against a stateful stand-in of DataRobot's API."""

import contextlib

import pytest

from gitops_bridge.datarobot import DataRobot, Download, session
from gitops_bridge.errors import DataRobotError
from tests.servers.datarobot import DataRobotServer
from tests.servers.packages import MODEL, PACKAGE, Clock

DEPLOYMENT = "65a000000000000000000010"
FILE = f"/api/v2/modelPackages/{PACKAGE}/modelPackageFile/"


@pytest.fixture
def server():
    with DataRobotServer() as server:
        server.add_package(PACKAGE, content=b"x", model_id=MODEL)
        server.add_deployment(DEPLOYMENT, package=PACKAGE)
        yield server


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def api(connect, server, clock):
    return connect(server, clock)


@pytest.fixture
def connect():
    """A function that makes the API; its connections are closed after the test."""
    with contextlib.ExitStack() as sessions:
        yield lambda *args, **options: _connect(sessions, *args, **options)


def _connect(sessions, server, clock, token=None, patience=600.0, log=lambda line: None, suffix=""):
    rest = sessions.enter_context(
        session(server.url + suffix, token or server.token, timeout=(5, 5))
    )
    return DataRobot(rest, clock=clock, sleep=clock.sleep, patience=patience, log=log)


@pytest.mark.parametrize("suffix", ["", "/", "/api/v2", "/api/v2/"])
def test_the_address_goes_with_and_without_the_api_s_path(connect, server, clock, suffix):
    assert connect(server, clock, suffix=suffix).version() == "2.36.0"


def test_a_package_tells_what_it_is(api):
    details = api.details(PACKAGE)
    assert (details.id, details.model_id, details.execution_type) == (PACKAGE, MODEL, "dedicated")
    assert (details.target_type, details.class_names) == ("Binary", ("yes", "no"))


def test_the_package_of_the_model_a_deployment_runs(api):
    assert api.package_for(DEPLOYMENT, MODEL) == PACKAGE


def test_champion(api):
    assert api.champion(DEPLOYMENT).id == PACKAGE


def test_the_package_of_a_model_that_is_about_to_replace_another(server, api):
    server.add_package("65f0aa11bb22cc33dd44ee66", model_id="65a000000000000000000021")
    found = api.package_for(DEPLOYMENT, "65a000000000000000000021")
    assert found == "65f0aa11bb22cc33dd44ee66"


@pytest.mark.parametrize(("copies", "word"), [(0, "no model package"), (2, "more than one")])
def test_a_model_in_no_or_in_two_packages_is_refused(server, api, copies, word):
    for number in range(copies):
        server.add_package(f"65f0aa11bb22cc33dd44ee6{number}", model_id="65a0000000000000000000ff")
    with pytest.raises(DataRobotError, match=word) as caught:
        api.package_for(DEPLOYMENT, "65a0000000000000000000ff")
    assert "modelPackageDetails" in caught.value.hint


def test_a_package_is_built_and_waited_for(server, api, clock):
    server.trouble.build_polls = 5
    assert api.package_file(PACKAGE, installer=False).path == FILE
    assert len(clock.naps) == 5
    assert clock.naps == sorted(clock.naps)


def test_the_installer_is_asked_for_in_build_and_download(server, api):
    server.packages[PACKAGE].execution_type = "custom_inference_model"
    download = api.package_file(PACKAGE, installer=True)
    assert download == Download(FILE, {"portablePredictionsServerInstaller": "true"})
    with pytest.raises(DataRobotError, match="the installer is for custom models"):
        api.package_file(PACKAGE, installer=False)


def test_scoring_code_is_only_built_for_explanations(server, api):
    path = f"modelPackages/{PACKAGE}/scoringCode/"
    assert api.scoring_code(PACKAGE, explanations=False).path == path
    assert server.seen == {}
    assert api.scoring_code(PACKAGE, explanations=True).path == f"/api/v2/{path}"
    assert server.seen[f"POST /api/v2/modelPackages/{PACKAGE}/scoringCodeBuilds/"] == 1


@pytest.mark.parametrize("end", ["303", "307", "COMPLETED", "completed", "active"])
def test_every_way_a_build_ends_well(server, api, end):
    server.trouble.build_end = end
    assert api.package_file(PACKAGE, installer=False).path.endswith("/modelPackageFile/")


@pytest.mark.parametrize(
    ("end", "retry"), [("ABORTED", True), ("ABORT", True), ("ERROR", False), ("error", False)]
)
def test_a_build_that_fails_says_why(server, api, end, retry):
    server.trouble.build_end = end
    with pytest.raises(DataRobotError, match=f"{end}: out of memory") as caught:
        api.package_file(PACKAGE, installer=False)
    assert caught.value.retry is retry


def test_an_unknown_word_means_still_running_until_the_deadline(connect, server, clock):
    server.trouble.build_word, server.trouble.build_polls = "REFLECTING", 10_000
    said = []
    with pytest.raises(DataRobotError, match="gave up after 90 s") as caught:
        connect(server, clock, patience=90, log=said.append).package_file(PACKAGE, installer=False)
    assert caught.value.retry
    assert sum(clock.naps) <= 90
    assert "DataRobot is building the package: REFLECTING" in said


@pytest.mark.parametrize("polls", [0, 2])
def test_a_location_without_tls_keeps_the_address_we_know(server, api, polls):
    server.trouble.http_location, server.trouble.build_polls = True, polls
    assert api.package_file(PACKAGE, installer=False).path == FILE


@pytest.mark.parametrize("end", ["303", "307"])
def test_a_relative_location_counts_from_where_it_was_told(server, api, end):
    server.trouble.relative_location, server.trouble.build_end = True, end
    assert api.package_file(PACKAGE, installer=False).path == FILE


def test_a_location_that_is_no_address(connect, server, clock):
    server.trouble.location_host = "http://datarobot.example.com:99999"
    with pytest.raises(DataRobotError, match=r"datarobot\.example\.com:99999.* is not a valid URL"):
        connect(server, clock).package_file(PACKAGE, installer=False)


def test_another_host_never_gets_the_token(connect, server, clock):
    with DataRobotServer("another") as other:
        server.trouble.location_host = other.url.replace("127.0.0.1", "localhost")
        with pytest.raises(DataRobotError, match="another host without TLS"):
            connect(server, clock).package_file(PACKAGE, installer=False)
        assert other.seen == {}


def test_retry_after_is_honoured_on_busy_answers(server, api, clock):
    server.trouble.busy, server.trouble.retry_after = 3, "17"
    assert api.version() == "2.36.0"
    assert clock.naps == [17, 17, 17]


@pytest.mark.parametrize("after", [None, "soon", ""])
def test_without_a_usable_retry_after_pauses_grow(server, api, clock, after):
    server.trouble.busy, server.trouble.retry_after = 3, after
    assert api.version() == "2.36.0"
    assert clock.naps == [1, 2, 4]


def test_a_date_counts_by_the_server_s_clock(server, api, clock):
    server.trouble.busy, server.trouble.retry_after = 1, "Wed, 21 Oct 2015 07:28:00 GMT"
    api.version()
    assert clock.naps == [1], "what is over asks for no wait, but never for none at all"
    server.trouble.busy, server.trouble.retry_after = 1, "date in 40 s"
    api.version()
    assert 39 <= clock.naps[-1] <= 41


@pytest.mark.parametrize("after", ["0", "-5"])
def test_a_server_that_asks_for_no_wait_is_not_hammered(connect, server, clock, after):
    server.trouble.busy, server.trouble.retry_after = 10_000, after
    said = []
    with pytest.raises(DataRobotError, match="gave up after 30 s"):
        connect(server, clock, patience=30, log=said.append).version()
    assert 1 < len(clock.naps) <= 30
    assert len(said) >= len(clock.naps)
    assert all("slow down" in line for line in said)


def test_a_wait_beyond_the_deadline_is_not_begun(server, api, clock):
    server.trouble.busy, server.trouble.retry_after = 1, "86400"
    with pytest.raises(DataRobotError, match="slow down") as caught:
        api.version()
    assert caught.value.retry
    assert clock.naps == []


def test_server_errors_and_dropped_connections_are_waited_out(server, api, clock):
    server.trouble.server_errors, server.trouble.hang_up = 2, 2
    assert api.details(PACKAGE).id == PACKAGE
    assert len(clock.naps) >= 3


def test_a_server_out_of_reach_is_worth_a_retry(connect, server, clock):
    api = connect(server, clock, patience=5)
    server.trouble.hang_up = 1000
    with pytest.raises(DataRobotError) as caught:
        api.version()
    assert caught.value.retry


@pytest.mark.parametrize("word", ["inProgress"])
def test_a_package_still_being_built_is_waited_for(connect, server, clock, word):
    server.packages[PACKAGE].build_status = word

    class Watched(Clock):
        def sleep(self, seconds):
            super().sleep(seconds)
            if self.now > 1020:
                server.packages[PACKAGE].build_status = "complete"

    watched = Watched()
    assert connect(server, watched).ready(PACKAGE).build_status == "complete"
    assert watched.now > 1020
    server.packages[PACKAGE].build_status = word
    with pytest.raises(DataRobotError, match="still being built") as caught:
        connect(server, clock, patience=30).ready(PACKAGE)
    assert caught.value.retry


def test_a_package_whose_build_failed_is_final(server, api):
    server.packages[PACKAGE].build_status = "failed"
    with pytest.raises(DataRobotError, match="its build has failed") as caught:
        api.ready(PACKAGE)
    assert not caught.value.retry


def test_a_refused_token_is_final_and_not_shown(connect, server, clock):
    with pytest.raises(DataRobotError) as caught:
        connect(server, clock, token="canary-of-another").version()
    assert caught.value.status == 401
    assert not caught.value.retry
    assert "canary-of-another" not in str(caught.value)


def test_what_is_not_there_is_404(api):
    for ask in (
        lambda: api.details("65f0aa11bb22cc33dd44ee00"),
        lambda: api.package_file("65f0aa11bb22cc33dd44ee00", installer=False),
        lambda: api.package_for("65f0aa11bb22cc33dd44ee00", MODEL),
    ):
        with pytest.raises(DataRobotError, match="not found") as caught:
            ask()
        assert caught.value.status == 404


def test_a_web_page_is_no_answer(server, api):
    server.trouble.not_json = True
    with pytest.raises(DataRobotError, match="is no JSON object"):
        api.version()


@pytest.mark.parametrize("identifier", ["", "../version", "a/b", "a?b", "a\nb", "x" * 65])
def test_an_identifier_never_becomes_another_path(server, api, identifier):
    with pytest.raises(DataRobotError, match="is no id"):
        api.details(identifier)
    assert server.seen == {}
