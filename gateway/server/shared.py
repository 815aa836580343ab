"""A private directory in which the workers of one server share their state, where the file says `state: memory`.

It lies in memory where there is room (/dev/shm), else among temporary files; only its owner may look into it. The
supervisor holds a lock on it for as long as it lives, and removes it at its end; what a supervisor that was killed has
left is removed by the next one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Final

MEMORY: Final = Path("/dev/shm")  # noqa: S108 - the directory in it is made safely, and is private
SPARE: Final = 64 << 20  # bytes beyond those of values
YOUNG: Final = 60.0  # seconds within which a directory may not be locked yet
_LOCK: Final = "supervisor.lock"


def _prefix() -> str:
    return f"gateway-state-{os.getuid()}-"


def place_for(size: int, memory: Path = MEMORY) -> Path:
    """Where `size` bytes of values, and what else there is, have room."""
    try:
        free = os.statvfs(memory)
    except OSError:
        return Path(tempfile.gettempdir())
    if os.access(memory, os.W_OK | os.X_OK) and free.f_bavail * free.f_frsize >= size + SPARE:
        return memory
    return Path(tempfile.gettempdir())


class Shared:
    """The directory; `path` is there until `remove`. `size`: bytes of values."""

    def __init__(self, size: int, parent: Path | None = None) -> None:
        parent = parent or place_for(size)
        remove_stale(parent)
        self.path = Path(tempfile.mkdtemp(prefix=_prefix(), dir=parent))
        self._lock = os.open(self.path / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def remove(self) -> None:
        """Nobody uses it any more."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def remove_stale(parent: Path, now: float | None = None) -> list[Path]:
    """Removes directories of this user whose supervisor is gone; which."""
    now = time.time() if now is None else now
    removed = []
    for path in parent.glob(_prefix() + "*"):
        try:
            facts = path.lstat()
            if path.is_symlink() or facts.st_uid != os.getuid() or now - facts.st_mtime < YOUNG:
                continue
            lock = os.open(path / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue  # somebody lives there
        else:
            shutil.rmtree(path, ignore_errors=True)
            removed.append(path)
        finally:
            os.close(lock)
    return removed
