"""What every wire says, as the sandbox says it: requests that it accepts, and its answers, streams and errors to them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from gateway.sandbox.answer import Sandbox
from gateway.sandbox.wires import Wire
from tests.sandbox.speaking import TONGUES, bytes_of

GOLDEN = Path(__file__).parent.parent / "sandbox" / "golden"
_CHAT = ("chat", "responses", "messages", "generateContent", "streamGenerateContent?alt=sse", "converse", "completions")


class Said(NamedTuple):
    """One exchange with a sandbox."""

    name: str
    request: dict[str, Any]
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def streams(self) -> bool:
        return self.status == 200 and not self.headers["content-type"].startswith("application/json")


@cache
def said(wire: str) -> tuple[Said, ...]:
    """Every chat of the sandbox's golden files, asked anew."""
    out = []
    for path in sorted((GOLDEN / wire).glob("*.request.json")):
        case: dict[str, Any] = json.loads(path.read_text())
        tongue = TONGUES[Wire(wire)]
        at = case.get("path", tongue.path)
        if not at.endswith((*_CHAT, "converse-stream")):
            continue
        headers = {**tongue.headers, **case.get("headers", {})}
        if "header" in case:
            headers["x-sandbox"] = case["header"]
        plan = Sandbox(Wire(wire)).answer("POST", at, headers, json.dumps(case["body"]).encode())
        found = dict(plan.headers)
        if plan.status:
            out.append(Said(path.name.removesuffix(".request.json"), case["body"], plan.status, found, bytes_of(plan)))
    return tuple(out)


def requests(wire: str) -> list[dict[str, Any]]:
    """The requests that the wire's own provider accepts."""
    return [each.request for each in said(wire) if each.status == 200 and isinstance(each.request, dict)]


def answers(wire: str) -> list[bytes]:
    """Whole answers, broken ones among them."""
    return [each.body for each in said(wire) if each.status == 200 and not each.streams]


def streams(wire: str) -> list[bytes]:
    """Streams, broken ones among them."""
    return [each.body for each in said(wire) if each.streams]


def errors(wire: str) -> list[tuple[int, dict[str, str], bytes]]:
    """Errors."""
    return [(each.status, each.headers, each.body) for each in said(wire) if each.status >= 400]
