"""Folders on this host that something is to be written in: why they cannot be, as far as can be told without trying."""

from __future__ import annotations

import os
from pathlib import Path


def problem(folder: Path) -> str | None:
    """Why a folder cannot be written in, or made with those above it; None where nothing speaks against it."""
    if "\0" in str(folder):
        return f"{str(folder)!r} is no path: it has a NUL character."
    nearest = folder
    try:
        while not nearest.exists() and not nearest.is_symlink() and nearest != nearest.parent:
            nearest = nearest.parent
        if not nearest.is_dir():
            return f"{nearest} is no folder."
    except OSError as error:
        return f"{nearest} cannot be looked at: {error.strerror or error}."
    if not os.access(nearest, os.W_OK | os.X_OK):
        return f"{nearest} cannot be written by the user who runs the gateway."
    return None
