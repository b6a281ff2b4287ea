"""The smart HTTP server as a process of its own: `python -m bench.server ROOT` prints its address
and serves until it is ended."""

from __future__ import annotations

import sys
import time

from tests.servers.git_http import GitServer


def main() -> None:
    with GitServer(sys.argv[1]) as server:
        print(f"{server.scheme}://127.0.0.1:{server.server_port}", flush=True)
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
