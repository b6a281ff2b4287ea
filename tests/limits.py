"""Runs Python in a process of its own that may have so much memory and so much time."""

import resource
import subprocess
import sys

MEBIBYTE = 1 << 20


def run_limited(code, *arguments, memory=100, seconds=20, env=None):
    """What `code` prints. `memory` in MiB of data; a process that needs more, or longer than
    `seconds`, fails the test."""

    def limit():
        resource.setrlimit(resource.RLIMIT_DATA, (memory * MEBIBYTE, memory * MEBIBYTE))

    ended = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        preexec_fn=limit, capture_output=True, text=True, timeout=seconds, env=env, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-2000:]
    return ended.stdout
