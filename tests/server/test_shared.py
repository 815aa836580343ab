"""The private directory of workers that share state in memory."""

from __future__ import annotations

import os
import time
from pathlib import Path

from gateway.server.shared import Shared, place_for, remove_stale


def test_it_is_private_and_goes(tmp_path: Path) -> None:
    shared = Shared(0, tmp_path)
    assert shared.path.stat().st_mode & 0o777 == 0o700
    assert remove_stale(tmp_path, time.time() + 1e6) == []  # somebody lives there
    shared.remove()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_supervisor_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / f"gateway-state-{os.getuid()}-left"
    left.mkdir()
    (left / "supervisor.lock").touch()
    assert remove_stale(tmp_path) == []  # it may be one that begins
    other = tmp_path / "gateway-state-99999-x"
    other.mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / f"gateway-state-{os.getuid()}-link").symlink_to(elsewhere)
    assert remove_stale(tmp_path, time.time() + 1e6) == [left]
    assert other.exists()
    assert elsewhere.exists()


def test_it_lies_where_there_is_room(tmp_path: Path) -> None:
    assert place_for(0, tmp_path / "nowhere") != tmp_path / "nowhere"
    assert place_for(0, tmp_path) == tmp_path
    assert place_for(1 << 62, tmp_path) != tmp_path
