"""Every request in golden/ has its answer beside it: `NAME.request.json` and `NAME.json`, `.sse` or `.txt`.

A request file has the `body` and, where one is sent, the `header` x-sandbox. An answer file has the status and the
headers in its first lines, then an empty line, then the body; a JSON body is indented so that a difference can be
read. To write them anew: `GOLDEN=write pytest tests/sandbox/test_golden.py`, then read the difference.
"""

from __future__ import annotations

import json
import os
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from gateway.sandbox.openai_chat import chat
from gateway.sandbox.plan import Plan

GOLDEN = Path(__file__).parent / "golden"
REQUESTS = sorted(GOLDEN.glob("*.request.json"))
NAMES = [path.name.removesuffix(".request.json") for path in REQUESTS]


def body_of(plan: Plan) -> bytes:
    if plan.body is not None:
        return plan.body
    return b"".join(step for step in plan.steps if isinstance(step, bytes))


def answer_to(name: str) -> tuple[str, str]:
    """The ending of the answer's file, and its text."""
    case: dict[str, Any] = json.loads((GOLDEN / f"{name}.request.json").read_text())
    plan = chat(json.dumps(case["body"], ensure_ascii=False).encode(), case.get("header"), {})
    body, headers = body_of(plan).decode(), dict(plan.headers)
    head = "".join(f"{key}: {value}\n" for key, value in plan.headers)
    ending = "sse" if "event-stream" in headers["content-type"] else "json"
    try:
        body = json.dumps(json.loads(body), ensure_ascii=False, indent=1) + "\n"
    except ValueError:
        ending = "sse" if ending == "sse" else "txt"
    return ending, f"status: {plan.status}\n{head}\n{body}"


@pytest.mark.parametrize("name", NAMES)
def test_the_answer_is_the_golden_one(name: str) -> None:
    ending, text = answer_to(name)
    golden = GOLDEN / f"{name}.{ending}"
    if os.environ.get("GOLDEN") == "write":
        golden.write_bytes(text.encode())
    assert golden.read_bytes().decode() == text
    assert answer_to(name) == (ending, text), "and again"


def test_no_golden_is_left_over() -> None:
    expected = {f"{name}.{answer_to(name)[0]}" for name in NAMES} | {path.name for path in REQUESTS}
    assert {path.name for path in GOLDEN.iterdir()} == expected


@pytest.mark.parametrize(
    "name", [name for name in NAMES if f"{name}-stream" in NAMES and not name.startswith("fault-")]
)
def test_a_stream_says_what_the_whole_answer_says(name: str) -> None:
    whole = json.loads((GOLDEN / f"{name}.json").read_text().partition("\n\n")[2])
    case = json.loads((GOLDEN / f"{name}-stream.request.json").read_text())
    frames = (GOLDEN / f"{name}-stream.sse").read_text().partition("\n\n")[2].strip().split("\n\n")
    assert frames.pop() == "data: [DONE]"
    chunks = [json.loads(frame.removeprefix("data: ")) for frame in frames]
    shows_usage = "stream_options" in case["body"] and "usage" in whole
    if shows_usage:
        last = chunks.pop()
        assert last["choices"] == []
        assert last["usage"] == whole["usage"]
        assert all(chunk["usage"] is None for chunk in chunks)
    else:
        assert not any("usage" in chunk for chunk in chunks)
    assert len({chunk["id"] for chunk in chunks}) == 1
    for choice in whole["choices"]:
        mine = [row for chunk in chunks for row in chunk["choices"] if row["index"] == choice["index"]]
        message = choice["message"]
        assert mine[0]["delta"]["role"] == "assistant"
        assert [row["finish_reason"] for row in mine] == [None] * (len(mine) - 1) + [choice["finish_reason"]]
        for field in ("content", "refusal", "reasoning_content"):
            text = "".join(row["delta"].get(field) or "" for row in mine)
            assert text == (message.get(field) or "")
        calls: dict[int, dict[str, Any]] = {}
        for row in mine:
            for part in row["delta"].get("tool_calls", ()):
                if "id" in part:
                    calls[part.pop("index")] = part
                else:
                    calls[part["index"]]["function"]["arguments"] += part["function"]["arguments"]
        assert list(calls.values()) == message.get("tool_calls", [])
        rows = [row["logprobs"]["content"] for row in mine if row["logprobs"] is not None]
        assert list(chain.from_iterable(rows)) == ((choice["logprobs"] or {}).get("content") or [])
