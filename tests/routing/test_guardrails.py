"""Guardrails with a pattern: requests, whole answers, and streams however they are cut."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway import regex
from gateway.events import Event, Flagged
from gateway.failure import Failed, Refused
from gateway.ir.chat import (
    Choice,
    Closed,
    Ended,
    Finish,
    Opened,
    Piece,
    Reasoning,
    Response,
    Seal,
    Sealed,
    Text,
    ToolCall,
)
from gateway.protocols import PROTOCOLS
from gateway.routing.facts import Facts
from gateway.routing.guardrails import Guard, guarded, inbound
from gateway.routing.guardrails.sieve import Sieve
from gateway.routing.guardrails.verdicts import Verdicts
from gateway.routing.sending import Job

CARD = r"\b\d{4}([ -]?\d{4}){3}\b"
NUMBER = "4111 1111 1111 1111"


def guard(pattern: str = CARD, do: str = "redact", instead: str = "[card]") -> Guard:
    return Guard("no-cards", pattern, do, instead)


def job(body: dict[str, Any], wire: str = "openai-chat") -> Job:
    protocol = PROTOCOLS[wire]
    head = protocol.decode_head(json.dumps({"model": "m", **body}).encode(), None, None)
    return Job(protocol, head, (), Facts(request_id="r"))


def ignored(_event: Event) -> None:
    pass


def sifted(pieces: list[str], each: Guard) -> str:
    sieve = Sieve(each, Verdicts(Facts(), "response", ignored))
    return "".join([sieve.feed(piece) for piece in pieces] + [sieve.feed("", last=True)])


PATTERNS = [CARD, r"\bab\b", "abcdef|c", "a+b?", r"(?i)x\d{2,4}", r"\d{4}\B", "^ab", "b$", "ab|abab", "é+"]


@settings(max_examples=400)
@given(st.sampled_from(PATTERNS), st.lists(st.text("ab cdefxé0123-", max_size=9), max_size=8))
@example(CARD, ["is 4111 1", "111 1111 1", "111 or"])
@example(CARD, [*NUMBER])
@example("abcdef|c", ["abc", "def"])
def test_a_stream_is_what_the_whole_text_would_be(pattern: str, pieces: list[str]) -> None:
    whole = regex.compiled(pattern).replaced("".join(pieces), "[X]")
    assert sifted(pieces, guard(pattern, instead="[X]")) == whole


def test_a_match_that_is_longer_than_what_is_held_back_is_taken_whole() -> None:
    secret = "sk-" + "a" * 5000
    pieces = [f"it is {secret} ok"[at : at + 7] for at in range(0, 5100, 7)]
    assert sifted(pieces, guard("sk-[a-z]+", instead="[key]")) == "it is [key] ok"


def test_what_cannot_be_a_match_goes_on_at_once() -> None:
    sieve = Sieve(guard("ab"), Verdicts(Facts(), "response", ignored))
    assert sieve.feed("x" * 100) == "x" * 98, "as many characters wait as the longest match has"


def test_a_replacement_is_literal() -> None:
    assert regex.compiled("(a)").replaced("xa", r"\1") == r"x\1"


@pytest.mark.parametrize(
    ("text", "at", "why"),
    [
        ("ab(?=c)", 2, "look-around"),
        (r"x(a)\1", 4, "back-references"),
        ("x(ab", 1, "missing )"),
        ("ab)", 2, "unexpected )"),
        ("a**", 1, "repetition"),
        ("é[z-a]", 2, "range"),
    ],
)
def test_a_bad_pattern_says_where(text: str, at: int, why: str) -> None:
    with pytest.raises(regex.BadPattern) as bad:
        regex.compiled(text)
    assert why in bad.value.why
    assert bad.value.at == at


def test_widths() -> None:
    assert regex.compiled(CARD).longest == 19
    assert regex.compiled("a+").longest == regex.LONGEST
    assert regex.compiled("x{,5}").longest == regex.LONGEST, "RE2 reads this as it is written"


MESSAGES = [
    {"role": "system", "content": f"Never say {NUMBER}."},
    {"role": "user", "content": f"My card: {NUMBER}"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "pay", "arguments": '{"card":4111111111111111}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": f"paid with {NUMBER}"},
]


def test_a_request_is_redacted_everywhere() -> None:
    at = inbound((guard(),), job({"messages": MESSAGES}), ignored)
    assert at.edited
    assert "4111" not in str(at.request().messages)
    call = at.request().messages[2].parts[0]
    assert isinstance(call, ToolCall)
    assert json.loads(call.arguments) == {"card": "[card]"}


def test_a_request_without_a_match_keeps_its_bytes() -> None:
    at = job({"messages": [{"role": "user", "content": "hi"}]})
    assert inbound((guard(), guard(do="reject"), guard(do="flag")), at, ignored) is at


def test_a_request_is_rejected_or_flagged() -> None:
    with pytest.raises(Refused) as refused:
        inbound((guard(do="reject"),), job({"messages": MESSAGES}), ignored)
    assert (refused.value.refusal.status, refused.value.refusal.code) == (400, "content_blocked")
    assert "no-cards" in refused.value.refusal.message
    told: list[Event] = []
    at = job({"messages": MESSAGES})
    assert inbound((guard(do="flag"),), at, told.append) is at
    assert at.facts.tags == ("no-cards",)
    assert told == [Flagged("r", "no-cards", "request")]


def answer(*parts: Any) -> Response:
    return Response(origin="x", id="i", model="m", choices=(Choice(parts=parts, finish=Finish.STOP),))


def test_a_whole_answer() -> None:
    given = answer(
        Text(f"It is {NUMBER}."),
        Reasoning(text=f"hm {NUMBER}", signature=Seal("f", "s")),
        ToolCall(id="c", name="pay", arguments=json.dumps({"to": NUMBER, "n": 5})),
    )
    text, thought, call = guarded((guard(),), job({"messages": []}), ignored).whole(given).choices[0].parts
    assert isinstance(text, Text) and text.text == "It is [card]."
    assert isinstance(thought, Reasoning) and (thought.text, thought.signature) == ("hm [card]", None)
    assert isinstance(call, ToolCall) and json.loads(call.arguments) == {"to": "[card]", "n": 5}
    with pytest.raises(Failed) as failed:
        guarded((guard(do="reject"),), job({"messages": []}), ignored).whole(given)
    assert failed.value.failure.code == "content_blocked"


def texts(events: list[Any]) -> dict[int, str]:
    out: dict[int, str] = {}
    for event in events:
        if isinstance(event, Piece):
            out[event.block] = out.get(event.block, "") + event.text
    return out


def test_a_stream_of_blocks() -> None:
    stream = guarded((guard(),), job({"messages": []}), ignored).stream()
    arguments = json.dumps({"card": int(NUMBER.replace(" ", "")), "n": [1, NUMBER]})
    given: list[Any] = [
        Opened(0, "reasoning"),
        *(Piece(0, char) for char in f"so {NUMBER}"),
        Sealed(0, Seal("f", "s")),
        Closed(0),
        Opened(1, "text"),
        *(Piece(1, char, [{"token": char}]) for char in f"It is {NUMBER}!"),
        Opened(2, "tool_call", "c", "pay"),
        *(Piece(2, char) for char in arguments),
        Closed(1),
        Ended(Finish.TOOL_CALLS),
    ]
    out = [event for each in given for event in stream(each)]
    assert {block: text for block, text in texts(out).items() if block < 2} == {0: "so [card]", 1: "It is [card]!"}
    assert json.loads(texts(out)[2]) == {"card": "[card]", "n": [1, "[card]"]}
    assert not any(isinstance(event, Sealed) for event in out), "a signature of other words is none"
    assert not any(isinstance(event, Piece) and event.logprobs for event in out)
    assert isinstance(out[-1], Ended)
    assert max(at for at, event in enumerate(out) if isinstance(event, Piece)) < len(out) - 1


def test_a_signature_of_unchanged_thought_stays() -> None:
    stream = guarded((guard(),), job({"messages": []}), ignored).stream()
    given: list[Any] = [Opened(0, "reasoning"), Piece(0, "well"), Sealed(0, Seal("f", "s")), Closed(0)]
    out = [event for each in given for event in stream(each)]
    assert texts(out) == {0: "well"}
    assert [type(event) for event in out][-2:] == [Sealed, Closed]


def test_a_stream_is_rejected_before_the_match_is_told() -> None:
    stream = guarded((guard(do="reject"),), job({"messages": []}), ignored).stream()
    said = ""
    with pytest.raises(Failed):
        for event in [Opened(0, "text"), *(Piece(0, char) for char in f"It is {NUMBER} and more of it, so.")]:
            said += "".join(texts(stream(event)).values())
    assert "It is ".startswith(said)


def test_a_flag_holds_nothing_back() -> None:
    told: list[Event] = []
    at = job({"messages": []})
    stream = guarded((guard(do="flag"),), at, told.append).stream()
    given: list[Any] = [Opened(0, "text"), *(Piece(0, char) for char in f"{NUMBER} {NUMBER}"), Closed(0)]
    for event in given:
        assert stream(event) == [event]
    assert told == [Flagged("r", "no-cards", "response")]
    assert at.facts.tags == ("no-cards",)
