"""Git: one bare mirror per repository, no work tree, group commit.

Objects and refs go through pygit2, the network through
the `git` program; pygit2 is imported with the first use of a repository, not with this package.
"""

from gitops_bridge.git.checkout import links, removed
from gitops_bridge.git.commits import Commit, Delivered, Edit, Sign, Signature, Update
from gitops_bridge.git.remote import Remote
from gitops_bridge.git.repository import Repository
from gitops_bridge.git.signing import gpg_signer, ssh_signer
from gitops_bridge.git.snapshot import Snapshot
from gitops_bridge.git.tree_reader import TreeReader

__all__ = [
    "Commit",
    "Delivered",
    "Edit",
    "Remote",
    "Repository",
    "Sign",
    "Signature",
    "Snapshot",
    "TreeReader",
    "Update",
    "gpg_signer",
    "links",
    "removed",
    "ssh_signer",
]
