"""What a request may use at most: the size of its text, the bound that its client wrote, and what targets make of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.protocols import PROTOCOLS
from gateway.protocols.bounds import LEAST, bound_of
from gateway.protocols.contract import Edits
from gateway.routing.allowances import UNBOUNDED
from gateway.routing.demand import SMALL, Demand, demand_of, output_of
from gateway.routing.sending import Job
from tests.routing.bench import target

ASK = [{"role": "user", "content": "hi"}]


def job(said: dict[str, Any], wire: str = "openai-chat") -> Job:
    return Job(PROTOCOLS[wire], PROTOCOLS[wire].decode_head(json.dumps({"model": "m"} | said).encode(), None, None))


@pytest.mark.parametrize("wire", ["openai-chat", "anthropic", "openai-responses"])
@pytest.mark.parametrize(
    "said", [{}, {"n": 3}, {"n": None}, {"max_tokens": 9}, {"max_output_tokens": 9}, {"max_tokens": "9", "n": 2}]
)
def test_bounds_are_what_the_wire_says(wire: str, said: dict[str, Any]) -> None:
    asked = job({"input" if wire == "openai-responses" else "messages": ASK} | said, wire)
    bound = bound_of(wire, asked.head.fields)
    assert demand_of(asked) == Demand((len(asked.head.body) + 1) // 2, bound.most, bound.n) == asked.demand


@pytest.mark.parametrize(
    ("content", "read"),
    [
        ("hi", False),
        ("an image, a document", False),  # in the only list there is nothing but this text
        ("of [1] image", True),
        ("of [1]", False),
        ("a\nb", False),
        ("an image\n", True),
        ([{"type": "image_url", "image_url": {"url": "https://h.test/a.png"}}], True),
        ("x" * SMALL, True),
    ],
)
def test_what_may_hold_media_is_decoded(content: object, read: bool) -> None:
    asked = job({"messages": [{"role": "user", "content": content}]})
    demand_of(asked)
    assert (asked._request is not None) is read


def test_an_earlier_answer_that_was_spoken_is_decoded() -> None:
    asked = job({"messages": [{"role": "assistant", "audio": {"id": "a-1"}}]})
    demand_of(asked)
    assert asked._request is not None


@pytest.mark.parametrize(
    ("most", "edits", "limit", "found"),
    [
        (None, Edits(), None, (UNBOUNDED, False)),
        (None, Edits(), 500, (500, False)),
        (100, Edits(), 500, (100, True)),
        (900, Edits(), 500, (500, True)),
        (1, Edits(), None, (LEAST, True)),
        (None, Edits(default=(("max_tokens", b"70"),)), None, (70, True)),
        (100, Edits(default=(("max_tokens", b"70"),)), None, (100, True)),
        (100, Edits(set=(("max_tokens", b"70"),)), None, (70, True)),
        (100, Edits(drop=("max_tokens",)), None, (UNBOUNDED, False)),
        (100, Edits(drop=("user",)), None, (100, True)),
        (100, Edits(default=(("max_tokens", b"70"),), drop=("max_completion_tokens",)), None, (70, True)),
    ],
)
def test_an_answer_is_as_long_as_its_target_lets_it_be(
    most: int | None, edits: Edits, limit: int | None, found: tuple[int, bool]
) -> None:
    assert output_of(Demand(10, most, 1), target("a", edits=edits, max_output=limit)) == found
