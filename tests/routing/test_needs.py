"""What cannot carry a request is passed over with a reason, before anything is sent; and nothing is decoded in vain."""

from __future__ import annotations

import msgspec
import pytest

from gateway.failure import Failed, Failure, Kind, Refused
from gateway.protocols import PROTOCOLS
from gateway.routing.attempt import Answer
from gateway.routing.facts import Facts
from gateway.routing.needs import needs_of, unable
from gateway.routing.node import Branch, Chain, Fallback, Node, Split, Target
from gateway.routing.run import Course, run
from gateway.routing.sending import Job
from tests.routing.bench import Bench, Reply, down, target

PIXEL = "data:image/png;base64,iVBORw0KGgo="
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def job(body: dict[str, object], wire: str = "openai-chat") -> Job:
    protocol = PROTOCOLS[wire]
    fields = {"model": "m", **body} if wire != "gemini" else body
    if wire in ("openai-chat", "anthropic", "ollama"):
        fields.setdefault("messages", [{"role": "user", "content": "hi"}])
    head = protocol.decode_head(msgspec.json.encode(fields), "m", False)
    return Job(protocol, head, (), Facts())


def user(*parts: dict[str, object]) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


REQUESTS: list[tuple[str, str, dict[str, object]]] = [
    ("tools", "openai-chat", {"tools": [TOOL]}),
    ("tools", "openai-chat", {"functions": [{"name": "f"}]}),
    ("tools", "anthropic", {"max_tokens": 1, "tools": [{"name": "f", "input_schema": {"type": "object"}}]}),
    ("tools", "gemini", {"contents": [], "tools": [{"functionDeclarations": [{"name": "f"}]}]}),
    ("tools", "openai-responses", {"input": "hi", "tools": [{"type": "function", "name": "f"}]}),
    ("tools", "ollama", {"tools": [TOOL]}),
    ("vision", "openai-chat", user({"type": "image_url", "image_url": {"url": PIXEL}})),
    ("vision", "openai-responses", {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": PIXEL}]}]}),
    ("vision", "anthropic", {"max_tokens": 1, **user({"type": "image", "source": {"type": "url", "url": "https://x/y.png"}})}),
    ("vision", "gemini", {"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": "AA=="}}]}]}),
    ("vision", "ollama", {"messages": [{"role": "user", "content": "hi", "images": ["AA=="]}]}),
    ("audio", "openai-chat", user({"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}})),
    ("audio", "gemini", {"contents": [{"parts": [{"inline_data": {"mime_type": "audio/wav", "data": "AA=="}}]}]}),
    ("documents", "openai-chat", user({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}})),
    ("documents", "anthropic", {"max_tokens": 1, **user({"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}})}),
    ("json_schema", "openai-chat", {"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}}}),
    ("json_schema", "gemini", {"contents": [], "generationConfig": {"responseMimeType": "application/json", "responseSchema": {"type": "OBJECT"}}}),
    ("json_schema", "ollama", {"format": {"type": "object"}}),
    ("reasoning", "openai-chat", {"reasoning_effort": "low"}),
    ("reasoning", "openai-responses", {"input": "hi", "reasoning": {"effort": "low"}}),
    ("reasoning", "anthropic", {"max_tokens": 4096, "thinking": {"type": "enabled", "budget_tokens": 1024}}),
    ("reasoning", "gemini", {"contents": [], "generationConfig": {"thinkingConfig": {"thinkingBudget": 512}}}),
    ("reasoning", "ollama", {"think": True}),
]  # fmt: skip
WORDS = frozenset(("tools", "vision", "audio", "documents", "json_schema", "reasoning"))


@pytest.mark.parametrize(("word", "wire", "body"), REQUESTS, ids=lambda value: value if isinstance(value, str) else "")
def test_every_wire_says_what_it_needs(word: str, wire: str, body: dict[str, object]) -> None:
    request = job(dict(body), wire)
    assert {each for each in WORDS if needs_of(request).has(each)} == {word}
    lacking, having = target("t", supports=WORDS - {word}), target("t", supports=frozenset((word,)))
    cannot = unable(lacking, request)
    assert cannot is not None
    assert cannot.kind is Kind.UNSUPPORTED
    assert cannot.why == f"it does not support {word}"
    assert unable(having, request) is None
    assert unable(target("t"), request) is None, "what is unknown is not held against it"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reasoning_effort": "none"},
        {"response_format": {"type": "json_object"}},
        {"tools": []},
        {"messages": [{"role": "user", "content": "an image, a document, a schema, tools: \"tools\", think of audio"}]},
    ],
)  # fmt: skip
def test_words_alone_need_nothing(body: dict[str, object]) -> None:
    assert unable(target("t", supports=frozenset()), job(body)) is None


def test_nothing_is_decoded_where_nothing_hints_at_it() -> None:
    request = job({"messages": [{"role": "user", "content": "x" * 1000}], "max_tokens": 100})
    assert unable(target("t", supports=frozenset(), context=8_000), request) is None
    assert request._request is None
    everything = target("t", supports=WORDS, context=8_000)
    pictured = job(user({"type": "image_url", "image_url": {"url": PIXEL}}))
    assert unable(everything, pictured) is None
    assert pictured._request is None, "a target that can do it all is not asked about"


def test_a_window_is_too_small_only_where_that_is_clear() -> None:
    request = job({"messages": [{"role": "user", "content": "word " * 4_000}]})  # about 5,000 tokens
    assert unable(target("t", context=4_200), request) is None, "within the error of the estimate"
    cannot = unable(target("t", context=3_900), request)
    assert cannot is not None
    assert cannot.kind is Kind.CONTEXT_WINDOW
    assert cannot.why.startswith("its context window (3,900 tokens) is too small for about 5,00")


def test_the_answers_bound_takes_its_room_as_far_as_the_model_can_fill_it() -> None:
    request = job({"messages": [{"role": "user", "content": "word " * 4_000}], "max_tokens": 4_000})
    assert unable(target("t", context=8_200), request) is None
    assert unable(target("t", context=7_000), request) is not None
    assert unable(target("t", context=7_000, max_output=1_000), request) is None
    huge = job({"max_tokens": 1_000_000})
    assert unable(target("t", context=8_000), huge) is None, "many upstreams cut it"


def test_media_are_not_counted_by_their_bytes() -> None:
    picture = job(user({"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 400_000}}))
    assert unable(target("t", context=8_000), picture) is None


def test_what_cannot_be_read_is_no_objection() -> None:
    odd = job({"tools": 7, "messages": [{"role": "user", "content": "x" * 40_000}]})
    assert unable(target("t", supports=frozenset(), context=10), odd) is None


def bench(*nodes: Node, fallbacks: tuple[Fallback, ...] = ()) -> Bench:
    node: Node = Split("s", "priority", tuple(Branch(each) for each in nodes))
    return Bench(Chain("s", node, fallbacks) if fallbacks else node)


async def asked(scene: Bench, request: Job) -> Answer | Failure | Refused:
    scene.sent.clear()
    try:
        return await run(scene.node, request, scene.runtime, scene.tools, Course(), 60.0)
    except Failed as failed:
        return failed.failure
    except Refused as refused:
        return refused


async def test_the_next_target_that_can_is_asked() -> None:
    scene = bench(target("blind", supports=frozenset(("tools",))), target("small", context=100), target("able"))
    picture = job(user({"type": "image_url", "image_url": {"url": PIXEL}}, {"type": "text", "text": "x" * 9_000}))
    assert isinstance(await asked(scene, picture), Answer)
    assert scene.path == ["able"]
    assert isinstance(await asked(scene, job({})), Answer)
    assert scene.path == ["blind"]


@pytest.mark.parametrize(
    ("nodes", "code"),
    [
        ((target("a", context=100), target("b", context=200)), "context_length_exceeded"),
        ((target("a", supports=frozenset()), target("b", supports=frozenset(("audio",)))), "unsupported"),
        ((target("a", context=100), target("b", supports=frozenset())), "unsupported"),
    ],
)
async def test_where_nobody_can_the_client_is_told_each_reason(nodes: tuple[Target, ...], code: str) -> None:
    scene = bench(*nodes)
    picture = job(user({"type": "image_url", "image_url": {"url": PIXEL}}, {"type": "text", "text": "x" * 9_000}))
    refused = await asked(scene, picture)
    assert isinstance(refused, Refused)
    refusal = refused.refusal
    assert (refusal.status, refusal.code, refusal.should_retry) == (400, code, False)
    assert "a: it" in refusal.message
    assert "b: it" in refusal.message
    assert scene.sent == []


async def test_what_is_spared_a_failure_goes_where_that_failure_leads() -> None:
    rule = Fallback(frozenset((Kind.CONTEXT_WINDOW,)), (target("long", context=1_000_000),))
    scene = bench(target("short", context=1_000), fallbacks=(rule,))
    long = job({"messages": [{"role": "user", "content": "x" * 90_000}]})
    assert isinstance(await asked(scene, long), Answer)
    assert scene.path == ["long"]
    image = Fallback(frozenset((Kind.UNSUPPORTED,)), (target("seeing"),))
    scene = bench(target("blind", supports=frozenset()), fallbacks=(rule, image))
    picture = job(user({"type": "image_url", "image_url": {"url": PIXEL}}))
    assert isinstance(await asked(scene, picture), Answer)
    assert scene.path == ["seeing"], "the rule for windows is not for it"


async def test_who_failed_speaks_and_not_who_was_passed_over() -> None:
    scene = bench(target("down"), target("blind", supports=frozenset()))
    scene.scripts["down"] = [down(Kind.TIMEOUT), Reply()]
    outcome = await asked(scene, job({"tools": [TOOL]}))
    assert isinstance(outcome, Failure)
    assert outcome.kind is Kind.TIMEOUT
    assert scene.path == ["down"]
