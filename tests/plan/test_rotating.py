"""What a change of a key's former secret risks. The rotation itself is a case: cases/key-rotated.txt."""

from __future__ import annotations

from typing import Any, cast

import pytest

from gateway.engine.planning.differ import Difference
from gateway.engine.planning.judging import Context, former

JAN, FEB = "hash a until 2027-01-31", "hash a until 2027-02-28"


@pytest.mark.parametrize(
    ("before", "after", "grade"),
    [
        (None, JAN, "low"),
        (JAN, FEB, "low"),
        (FEB, JAN, "medium"),
        (JAN, None, "medium"),
        (JAN, "hash b until 2027-02-28", "medium"),
    ],
)
def test_a_former_secret(before: str | None, after: str | None, grade: str) -> None:
    found = Difference(("keys", "ci", "former"), "change", before, after)
    assert former(found, cast(Context, cast(Any, None)))[0] == grade
