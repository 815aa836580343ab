"""Noticing that the sources of a configuration changed: real files, replaced and written in all the usual ways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import watchfiles

from gateway.engine import reload
from gateway.engine.reload import changes, fingerprint, watched


async def noticed(paths: list[Path], acts: Sequence[Callable[[], object]]) -> list[bytes]:
    """What the sources were when each of some acts had been noticed."""
    stop = asyncio.Event()
    found: list[bytes] = []
    async with asyncio.timeout(20):
        watching = changes(lambda: paths, fingerprint(paths), stop)
        for act in acts:
            told = asyncio.ensure_future(anext(watching))
            await asyncio.sleep(0.15)  # so that somebody is there to be woken
            act()
            await told
            found.append(paths[0].read_bytes())
        stop.set()
        assert [each async for each in watching] == []
    return found


def replace(path: Path, text: str) -> None:
    """As editors save, and Ansible, and `sed -i`."""
    new = path.with_name("new")
    new.write_text(text)
    new.replace(path)


async def test_a_file_is_followed_however_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "router.yaml"
    path.write_text("0")
    acts = [
        lambda: replace(path, "1"),
        lambda: replace(path, "2"),
        lambda: path.write_text("3"),
        lambda: path.rename(tmp_path / "gone").with_name(path.name).write_text("4"),
        lambda: path.write_text("5"),
        lambda: replace(path, "6"),
    ]
    assert await noticed([path], acts) == [b"1", b"2", b"3", b"4", b"5", b"6"]


async def test_a_file_that_comes_and_one_behind_a_symlink(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("1")
    (tmp_path / "two").write_text("2")
    path, later = tmp_path / "router.yaml", tmp_path / "later.yaml"
    path.symlink_to("one")

    def swap() -> None:
        (tmp_path / "link").symlink_to("two")
        (tmp_path / "link").replace(path)

    acts = [lambda: later.write_text("here"), swap, lambda: (tmp_path / "two").write_text("3"), later.unlink]
    assert await noticed([path, later], acts) == [b"1", b"2", b"3", b"3"]


@pytest.mark.parametrize("error", [PermissionError("Permission denied"), RuntimeError("Too many open files")])
async def test_a_file_that_cannot_be_watched_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    path = tmp_path / "router.yaml"
    path.write_text("0")
    refused = 0
    watch = watchfiles.awatch

    async def watching(*places: Path, **options: Any) -> AsyncIterator[Any]:
        nonlocal refused
        if refused < 3:
            refused += 1
            raise error
        async for events in watch(*places, **options):
            yield events

    monkeypatch.setattr(reload, "awatch", watching)
    monkeypatch.setattr(reload, "SETTLE", 0.05)
    acts = [lambda: path.write_text("1"), lambda: replace(path, "2")]
    assert await noticed([path], acts) == [b"1", b"2"]
    assert refused == 3


def test_files_are_watched_themselves_and_directories_where_there_is_none(tmp_path: Path) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    plain, link, missing = tmp_path / "router.yaml", folder / "link.yaml", folder / "missing.yaml"
    plain.write_text("")
    link.symlink_to(plain)
    assert watched([plain]) == [plain]
    assert watched([folder]) == [folder]
    assert watched([link]) == [folder, tmp_path]
    assert watched([plain, missing]) == [folder, plain]
    assert watched([tmp_path, plain]) == [tmp_path]
    assert watched([tmp_path / "no" / "where"]) == []


async def test_nobody_is_woken_by_what_is_written_beside_a_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, ledger = tmp_path / "router.yaml", tmp_path / "ledger.db"
    path.write_text("0")
    ledger.touch()
    seen: set[str] = set()
    watch = watchfiles.awatch

    async def watching(*places: Path, **options: Any) -> AsyncIterator[Any]:
        async for events in watch(*places, **options):
            seen.update(place for _, place in events)
            yield events

    monkeypatch.setattr(reload, "awatch", watching)

    def busy() -> None:
        with ledger.open("ab", buffering=0) as file:
            for _ in range(1000):
                file.write(b"row")
        path.write_text("1")

    assert await noticed([path], [busy]) == [b"1"]
    assert seen <= {str(path)}
