"""`python -m gitops_bridge`."""

from gitops_bridge.cli import main

main()
