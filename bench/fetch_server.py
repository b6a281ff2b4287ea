"""The stand-in of DataRobot as a process of its own, so that it shares no interpreter with what
is measured: `python -m bench.fetch_server FILE ID` prints its address and serves until killed."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from tests.servers.datarobot import DataRobotServer


def main(file: str, identifier: str) -> None:
    with DataRobotServer() as server:
        server.add_package(identifier, content=Path(file), model_id="65a000000000000000000020")
        print(server.url, flush=True)
        signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
