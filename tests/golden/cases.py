"""The goldens: inputs written by hand from the providers' documentation, and what each becomes on every other wire.

`WIRE/NAME.ENDING` is an input; the ending is `json` for a request and a whole answer, else that of the wire's streams.
Beside it `NAME.OTHER.ENDING` is the same document on another wire, and `NAME.OTHER.dropped` what was lost on the way, a
line for each `field: why`; where nothing was, there is no such file. An answer that carries an error has
`NAME.OTHER.failed` instead, with the kind of the failure and its words.

A request becomes one for the maker's current model, `MODELS`; one whose name has `reasoning` in it becomes one for a
model that thinks, `THINKERS`. `NAME` has no dots. AWS's event stream is shown as lines of `{"type": payload}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.failure import Failed
from gateway.ir.chat import Request
from gateway.protocols import PROTOCOLS, translate
from gateway.protocols.offline import NOW, Document, document, kind_of
from gateway.providers.catalog import PRESETS
from gateway.sandbox.event_stream import event, exception

FOLDER: Final = Path(__file__).parent
CLIENTS: Final = ("openai-chat", "openai-responses", "anthropic", "gemini", "ollama")
WIRES: Final = (*CLIENTS, "bedrock-converse", "cohere")
STREAMS: Final = {"ollama": "ndjson", "bedrock-converse": "events"}  # all others: sse
MODELS: Final = {
    "openai-chat": "gpt-4.1",
    "openai-responses": "gpt-4.1",
    "anthropic": "claude-sonnet-4-5",
    "gemini": "gemini-2.5-flash",
    "ollama": "llama3.2",
    "bedrock-converse": "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "cohere": "command-a-03-2025",
}
THINKERS: Final = {
    "openai-chat": "gpt-5.1",
    "openai-responses": "gpt-5.1",
    "anthropic": "claude-opus-4-7",
    "gemini": "gemini-3-pro-preview",
    "ollama": "gpt-oss:20b",
    "bedrock-converse": "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "cohere": "command-a-reasoning-08-2025",
}
# The presets whose models these are; their quirks are part of what a wire is to them.
_PRESETS: Final = {"openai-chat": "openai", "bedrock-converse": "bedrock"}
_WIDTH: Final = 118


class Case(msgspec.Struct, frozen=True):
    """One input: its file, the wire it is on, and its bytes as they are on that wire."""

    path: Path
    wire: str
    name: str
    kind: str
    data: bytes

    @property
    def others(self) -> tuple[str, ...]:
        """The wires that it has a golden on."""
        return tuple(wire for wire in (WIRES if self.kind == "request" else CLIENTS) if wire != self.wire)

    def ending(self, wire: str) -> str:
        """The ending of this document's file on a wire."""
        return STREAMS.get(wire, "sse") if self.kind == "stream" else "json"

    def model(self, wire: str) -> str | None:
        """The upstream's model that a request becomes one for."""
        return (THINKERS if "reasoning" in self.name else MODELS)[wire] if self.kind == "request" else None

    def on(self, wire: str, quirks: frozenset[str] = frozenset()) -> Document:
        """The document on a wire. `quirks` are beside those that its preset has."""
        preset = PRESETS[_PRESETS.get(wire, wire)]
        return document(
            self.data,
            self.wire,
            wire,
            model=self.model(wire),
            stream="stream" in self.name,
            quirks=quirks.union(preset.quirks),
        )


def cases() -> Iterator[Case]:
    """Every input."""
    for wire in WIRES:
        for path in sorted((FOLDER / wire).iterdir()):
            if path.name.count(".") == 1:
                data = path.read_bytes()
                if path.suffix == ".events":
                    data = framed(data)
                yield Case(path, wire, path.stem, kind_of(data), data)


def goldens(case: Case) -> dict[Path, str]:
    """The files that belong beside an input, and what is in them."""
    out: dict[Path, str] = {}
    for wire in case.others:
        stem = f"{case.name}.{wire}"
        try:
            made = case.on(wire)
        except Failed as failed:
            out[case.path.with_name(f"{stem}.failed")] = f"{failed.failure.kind}: {failed.failure.message}\n"
            continue
        body = made.body.decode() if case.kind == "stream" else pretty(json.loads(made.body))
        out[case.path.with_name(f"{stem}.{case.ending(wire)}")] = body
        if made.dropped:
            lines = "".join(f"{each.field}: {each.why}\n" for each in made.dropped)
            out[case.path.with_name(f"{stem}.dropped")] = lines
    return out


def streamed(case: Case, wire: str, pieces: list[bytes]) -> bytes:
    """A stream on another wire, its bytes fed in these pieces."""
    request = Request(origin=wire, model="", messages=(), stream=True, stream_usage=True)
    passing = translate.Translation(PROTOCOLS[case.wire].stream_decoder(), PROTOCOLS[wire].stream_encoder(request, NOW))
    out = b"".join([passing.feed(piece) for piece in pieces]) + passing.finish()
    if passing.failure is not None:
        raise Failed(passing.failure)
    return out


def framed(lines: bytes) -> bytes:
    """Lines of `{"type": payload}` as AWS frames them; exceptions are known by their name."""
    out = []
    for line in lines.splitlines():
        ((kind, payload),) = json.loads(line).items()
        frame = exception if kind.endswith("Exception") else event
        out.append(frame(kind, json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()))
    return b"".join(out)


def pretty(value: Any) -> str:
    """JSON in which everything that fits on a line stands on one."""
    return f"{_lines(value, 0)}\n"


def _lines(value: Any, depth: int) -> str:
    short = json.dumps(value, ensure_ascii=False)
    if len(short) + depth * 2 <= _WIDTH or not isinstance(value, dict | list) or not value:
        return short
    inner, outer = "  " * (depth + 1), "  " * depth
    if isinstance(value, list):
        rows = [f"{inner}{_lines(each, depth + 1)}" for each in value]
        return "[\n" + ",\n".join(rows) + f"\n{outer}]"
    rows = [f"{inner}{json.dumps(name, ensure_ascii=False)}: {_lines(each, depth + 1)}" for name, each in value.items()]
    return "{\n" + ",\n".join(rows) + f"\n{outer}}}"
