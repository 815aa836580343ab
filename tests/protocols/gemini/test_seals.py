"""Signatures: Gemini's own raw, those of others wrapped for the client and dropped for Gemini (bugs 4 to 8)."""

from __future__ import annotations

import base64
import json
from typing import Any

from gateway.ir.chat import (
    Began,
    Choice,
    Closed,
    Ended,
    Event,
    Finish,
    Message,
    Opened,
    Piece,
    Reasoning,
    Response,
    Seal,
    Sealed,
    Text,
    ToolCall,
    ToolResult,
)
from gateway.protocols.seals import CALL, CLAUDE, GEMINI, OPENAI, wrapped
from tests.protocols.gemini.kit import (
    FLASH,
    THREE,
    asked,
    event,
    events_of,
    fields,
    parts_in,
    plain,
    read,
    sse,
    write,
    written,
)
from tests.protocols.gemini.kit import GEMINI as WIRE

USER = Message("user", (Text("hi"),))
DUMMY = "skip_thought_signature_validator"


def answer(*parts: Any) -> list[dict[str, Any]]:
    """The parts that a client gets of another provider's answer."""
    response = Response(origin="test", id="i", model="m", choices=(Choice(parts=parts, finish=Finish.STOP),))
    body = plain(WIRE.encode_response(response, asked()).body)
    parts_out: list[dict[str, Any]] = body["candidates"][0]["content"]["parts"]
    return parts_out


def again(parts: list[dict[str, Any]]) -> tuple[Any, ...]:
    """The parts of the same turn when the client sends it back."""
    contents = [{"role": "user", "parts": [{"text": "x"}]}, {"role": "model", "parts": parts}]
    return read({"contents": contents}).messages[1].parts


def test_bug_7_signatures_of_calls_come_back_to_gemini_as_they_were() -> None:
    call = ToolCall(id="1", name="f", signature=Seal(GEMINI, "c2ln"))
    parts = answer(call)
    assert parts[0]["thoughtSignature"] == "c2ln"
    assert again(parts) == (call,)
    assert (
        write(asked(USER, Message("assistant", (call,))), THREE).body["contents"][1]["parts"][0]["thoughtSignature"]
        == "c2ln"
    )


def test_bug_7_calls_of_the_current_turn_without_a_signature_get_the_documented_one() -> None:
    def turn(nth: int) -> list[Message]:
        calls = (ToolCall(id=f"a{nth}", name="f"), ToolCall(id=f"b{nth}", name="f"))
        return [Message("assistant", calls), Message("tool", tuple(ToolResult(call=each.id) for each in calls))]

    request = asked(USER, *turn(1), Message("assistant", (Text("ok"),)), USER, *turn(2), *turn(3))
    contents = write(request, THREE).body["contents"]
    signed = [[part.get("thoughtSignature") for part in each["parts"]] for each in contents if each["role"] == "model"]
    assert signed == [[None, None], [None], [DUMMY, None], [DUMMY, None]], "the first call of every step of this turn"
    older = write(request, FLASH).body["contents"]
    assert not any("thoughtSignature" in part for each in older for part in each["parts"])


def test_bug_6_seals_of_others_are_dropped_and_reported() -> None:
    turn = Message(
        "assistant",
        (
            Reasoning(text="hm", signature=Seal(CLAUDE, "s")),
            Reasoning(redacted=Seal(CLAUDE, "r")),
            Reasoning(signature=Seal(OPENAI, "e", "rs_1")),
            ToolCall(id="1", name="f", signature=Seal(OPENAI, "x")),
        ),
    )
    encoded = write(asked(USER, turn))
    assert encoded.body["contents"][1]["parts"] == [{"functionCall": {"id": "1", "name": "f", "args": {}}}]
    assert fields(encoded) == ["reasoning", "signature"]


def test_thoughts_that_gemini_sealed_go_back() -> None:
    sealed = Reasoning(text="hm", signature=Seal(GEMINI, "s"))
    encoded = write(asked(USER, Message("assistant", (sealed, Text("ho")))))
    assert encoded.body["contents"][1]["parts"] == [
        {"text": "hm", "thought": True, "thoughtSignature": "s"},
        {"text": "ho"},
    ]
    assert encoded.dropped == ()


def test_a_bare_seal_goes_to_the_part_that_it_signed() -> None:
    text = write(asked(USER, Message("assistant", (Reasoning(signature=Seal(GEMINI, "s")), Text("ho"))))).body[
        "contents"
    ][1]
    assert text["parts"] == [{"text": "ho", "thoughtSignature": "s"}]
    beside = Reasoning(signature=Seal(GEMINI, "s", CALL))
    parts = (beside, Text("ho"), ToolCall(id="1", name="f"))
    out = write(asked(USER, Message("assistant", parts))).body["contents"][1]["parts"]
    assert out[0] == {"text": "ho"} and out[1]["thoughtSignature"] == "s"
    alone = write(asked(USER, Message("assistant", (Text("ho"), Reasoning(signature=Seal(GEMINI, "s")))))).body[
        "contents"
    ][1]
    assert alone["parts"] == [{"text": "ho"}, {"text": "", "thoughtSignature": "s"}]


def test_bug_4_claudes_thoughts_survive_a_gemini_client() -> None:
    thought = Reasoning(text="hm", signature=Seal(CLAUDE, "sig+/~="))
    parts = answer(thought, ToolCall(id="1", name="f"))
    assert parts[0]["thought"] is True
    word = parts[0]["thoughtSignature"]
    assert base64.b64decode(word, validate=True) == b"gw1~claude~~sig+/~=", "the field is bytes: SDKs decode it"
    assert wrapped(json.dumps(parts).encode()), "such a body is not forwarded as it is"
    parts[0]["thoughtSignature"] = word.replace("+", "-").replace("/", "_").rstrip("=")
    assert again(parts) == (thought, ToolCall(id="1", name="f"))


def test_bug_5_a_seal_without_text_is_no_empty_block() -> None:
    for thought in (
        Reasoning(signature=Seal(CLAUDE, "s")),
        Reasoning(redacted=Seal(CLAUDE, "r")),
        Reasoning(signature=Seal(OPENAI, "e", "rs_1"), id="rs_1"),
    ):
        assert again(answer(thought, Text("ho"))) == (thought, Text("ho"))


def test_bug_8_what_needs_no_text_rides_on_the_call_because_clients_forget_thoughts() -> None:
    thought = Reasoning(text="sum", signature=Seal(OPENAI, "e", "rs_1"), id="rs_1")
    call = ToolCall(id="1", name="f")
    parts = answer(thought, call)
    assert parts[0] == {"text": "sum", "thought": True}
    assert again(parts) == (thought, call)
    forgotten = again(parts[1:])
    assert forgotten == (Reasoning(signature=Seal(OPENAI, "e", "rs_1"), id="rs_1"), call)


def test_the_same_in_streams() -> None:
    def stream(*seals: Sealed) -> list[dict[str, Any]]:
        events: list[Event] = [Began("i", "m"), Opened(0, "reasoning"), Piece(0, "h"), Piece(0, "m"), *seals, Closed(0)]
        events += [Opened(1, "tool_call", "1", "f"), Piece(1, "{}"), Closed(1), Ended(Finish.TOOL_CALLS)]
        return parts_in(written(events))

    claude = stream(Sealed(0, Seal(CLAUDE, "s")))
    assert again(claude) == (Reasoning(text="hm", signature=Seal(CLAUDE, "s")), ToolCall(id="1", name="f"))
    openai = stream(Sealed(0, Seal(OPENAI, "e", "rs_1")))
    assert "thoughtSignature" in openai[-1]
    assert again(openai) == (
        Reasoning(text="hm", signature=Seal(OPENAI, "e", "rs_1"), id="rs_1"),
        ToolCall(id="1", name="f"),
    )
    redacted = [Began("i", "m"), Opened(0, "reasoning"), Sealed(0, redacted=Seal(CLAUDE, "r")), Closed(0)]
    redacted += [Opened(1, "text"), Piece(1, "ho"), Closed(1), Ended(Finish.STOP)]
    assert again(parts_in(written(redacted))) == (Reasoning(redacted=Seal(CLAUDE, "r")), Text("ho"))


def test_geminis_own_stream_through_its_own_wire() -> None:
    signed = [
        event([{"text": "hm", "thought": True}]),
        event([{"functionCall": {"id": "1", "name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"}]),
        event([{"text": "", "thoughtSignature": "dHh0"}], candidate={"finishReason": "STOP"}),
    ]
    events = events_of(sse(*signed))
    assert Opened(1, "tool_call", "1", "f", signature=Seal(GEMINI, "c2ln")) in events
    assert Sealed(2, Seal(GEMINI, "dHh0")) in events
    assert parts_in(written(events)) == [part for each in signed for part in each["candidates"][0]["content"]["parts"]]


def test_a_stand_in_for_a_signature_is_none() -> None:
    """Gemini CLI sends one wherever it has none: no other wire loses anything."""
    for word in (DUMMY, "context_engineering_is_the_way_to_go", base64.b64encode(DUMMY.encode()).decode()):
        (call,) = again([{"functionCall": {"id": "c", "name": "f", "args": {}}, "thoughtSignature": word}])
        assert call.signature is None
