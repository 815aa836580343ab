"""Configurations of tests, compiled as `gateway plan` compiles them; and the cases: an edit of base.yaml, and its plan."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gateway.cli.sources import compiled
from gateway.config.load import load
from gateway.diagnostics.text import render
from gateway.engine.known import KNOWN
from gateway.engine.planning.picture import Side

HERE = Path(__file__).parent
BASE = (HERE / "base.yaml").read_text()
CASES = sorted((HERE / "cases").glob("*.txt"))
PLAN = "@@ plan\n"
PATH = Path("router.yaml")


def side(text: str, name: str = "router.yaml", environ: Mapping[str, str] | None = None) -> Side:
    """A text as one of two sides."""
    path = Path(name)
    loaded = load([path], known=KNOWN, environ=environ or {}, texts={path: text.encode()}, stand_ins=True, sealed=True)
    assert not loaded.diagnostics.has_errors, render(loaded.diagnostics, loaded.sources, colour=False)
    return compiled(name, loaded)


def parted(case: Path) -> tuple[str, str, str]:
    """(the edit, base.yaml with it, the plan that is expected)."""
    edit, _, plan = case.read_text().partition(PLAN)
    text = BASE
    for hunk in edit.split("@@\n")[1:]:
        lines = hunk.splitlines()
        old = "".join(f"{line[1:]}\n" for line in lines if line.startswith("-"))
        new = "".join(f"{line[1:]}\n" for line in lines if line.startswith("+"))
        assert text.count(old) == 1, f"{case.name}: not once in what is edited:\n{old}"
        text = text.replace(old, new)
    return edit, text, plan
