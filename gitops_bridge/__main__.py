"""Where our process begins, as `gitops-bridge` or as `python -m gitops_bridge`: on to `cli`.

Nothing is loaded before `run` is known, for that owes its caller a status file. A SIGTERM that
comes while the rest loads is held back until `agent.answer` can answer it.
"""

import signal
import sys


def main() -> None:
    """The console script."""
    if sys.argv[1:2] == ["run"]:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    from gitops_bridge import cli

    cli.main()


if __name__ == "__main__":
    main()
