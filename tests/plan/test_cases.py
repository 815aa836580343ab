"""Each case is an edit of base.yaml and the plan that it must print. `PLANS=write` writes them anew, to be read by eye."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.engine.planning.plan import plan
from gateway.engine.planning.text import render
from tests.plan.desk import BASE, CASES, PLAN, parted, side


def test_there_are_many() -> None:
    assert len(CASES) >= 40


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_the_plan_of_an_edit(case: Path) -> None:
    edit, text, expected = parted(case)
    told = render(plan(side(BASE, "old.yaml"), side(text, "new.yaml")))
    told = "\n".join(told.split("\n")[2:])  # without revisions
    if os.environ.get("PLANS") == "write":
        case.write_text(f"{edit}{PLAN}{told}")
        return
    assert told == expected
