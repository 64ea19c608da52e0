"""As whom Postgres runs.

Postgres refuses to run as root. An ordinary user's stack runs it as that user. Root's stack runs it as `nobody`; where
`nobody` cannot reach the data or the binaries (a checkout under a closed home), in a user namespace that maps root to
`nobody`, which keeps root's access to files.
"""

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import StackError


@dataclass(frozen=True, slots=True)
class Account:
    """The ids to start a process with, a command to put before its own, and who must own its files."""

    user: int | None = None
    group: int | None = None
    prefix: tuple[str, ...] = ()

    def own(self, path: Path) -> None:
        """Give a directory and all that is in it to this account; does nothing where it is already the owner."""
        if os.geteuid() != 0:
            return
        user, group = self.user or 0, self.group or 0
        for entry in (path, *path.rglob("*")):
            found = entry.lstat()
            if (found.st_uid, found.st_gid) != (user, group):
                os.chown(entry, user, group, follow_symlinks=False)


def choose_account(data_dir: Path, binary: Path) -> Account:
    """Return the account for a Postgres with this data directory and binary. Raises StackError when there is none."""
    if os.geteuid() != 0:
        return Account()
    nobody = pwd.getpwnam("nobody")
    if _others_reach(data_dir.parent) and _others_reach(binary.parent):
        return Account(user=nobody.pw_uid, group=nobody.pw_gid)
    unshare = shutil.which("unshare")
    if unshare is not None:
        prefix = (unshare, "--user", f"--map-user={nobody.pw_uid}", f"--map-group={nobody.pw_gid}")
        if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0:
            return Account(prefix=prefix)
    raise StackError(
        f"Postgres does not run as root, and the user nobody cannot reach {data_dir.parent} or {binary.parent}: "
        "run Tandem as an ordinary user, or from a directory that others may enter (chmod o+x)"
    )


def _others_reach(directory: Path) -> bool:
    """Tell whether any user may enter this directory: every directory on the way must let others pass."""
    resolved = directory.resolve()
    existing = [path for path in (resolved, *resolved.parents) if path.exists()]
    return all(path.stat().st_mode & stat.S_IXOTH for path in existing)
