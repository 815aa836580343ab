"""Every request in golden/WIRE/ has its answer beside it: `NAME.request.json` and `NAME.json`, `.sse`, `.ndjson`, `.events` or `.txt`.

A request file has the `body` and, where one is sent, the `header` x-sandbox, other `headers`, and the `path` where it is
not the wire's first. An answer file has the status and the headers in its first lines, then an empty line, then the
body; a JSON body is indented so that a difference can be read. To write them anew: `GOLDEN=write pytest
tests/sandbox/test_golden.py`, then read the difference.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from gateway.sandbox.answer import Sandbox
from gateway.sandbox.wires import Wire

from .speaking import TONGUES, bytes_of, events_of

GOLDEN = Path(__file__).parent / "golden"
REQUESTS = sorted(GOLDEN.glob("*/*.request.json"))
NAMES = [str(path.relative_to(GOLDEN)).removesuffix(".request.json") for path in REQUESTS]

# by a part of their content type: the endings of the files of streams
STREAMS = {"text/event-stream": "sse", "application/x-ndjson": "ndjson", "application/vnd.amazon.eventstream": "events"}


def answer_to(name: str) -> tuple[str, str]:
    """The ending of the answer's file, and its text."""
    case: dict[str, Any] = json.loads((GOLDEN / f"{name}.request.json").read_text())
    wire = Wire(name.partition("/")[0])
    tongue = TONGUES[wire]
    headers = {
        **tongue.headers,
        **case.get("headers", {}),
        **({"x-sandbox": case["header"]} if "header" in case else {}),
    }
    body = json.dumps(case["body"], ensure_ascii=False).encode()
    plan = Sandbox(wire).answer("POST", case.get("path", tongue.path), headers, body)
    data, content = bytes_of(plan), dict(plan.headers)["content-type"]
    head = "".join(f"{key}: {value}\n" for key, value in plan.headers)
    ending = next((ending for kind, ending in STREAMS.items() if kind in content), "json")
    if ending == "events":  # which are bytes: a line for each
        data = "".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in events_of(data)).encode()
    text = data.decode()
    try:
        text = json.dumps(json.loads(text), ensure_ascii=False, indent=1) + "\n" if ending == "json" else text
    except ValueError:
        ending = "txt"
    return ending, f"status: {plan.status}\n{head}\n{text}"


@pytest.mark.parametrize("name", NAMES)
def test_the_answer_is_the_golden_one(name: str) -> None:
    ending, text = answer_to(name)
    golden = GOLDEN / f"{name}.{ending}"
    if os.environ.get("GOLDEN") == "write":
        golden.write_bytes(text.encode())
    assert golden.read_bytes().decode() == text
    assert answer_to(name) == (ending, text), "and again"


def test_no_golden_is_left_over() -> None:
    expected = {GOLDEN / f"{name}.{answer_to(name)[0]}" for name in NAMES} | set(REQUESTS)
    assert set(GOLDEN.glob("*/*")) == expected
