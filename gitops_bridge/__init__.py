"""gitops-bridge for DataRobot MLOps: deployment actions become commits that Argo CD syncs."""

__version__ = "0.1.0"
