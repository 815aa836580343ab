"""Streams that break off and are gone on with: every client's wire, every wire of the first and the second upstream."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import pytest

from gateway.engine.virtual import virtually
from gateway.events import Aside, Tripped
from gateway.failure import Failed, Failure, Kind
from gateway.ir import chat
from gateway.ir.usage import Usage
from gateway.protocols import PROTOCOLS
from gateway.protocols.contract import Dialect
from gateway.protocols.translate import Translation
from gateway.routing.attempt import Answer
from gateway.routing.node import Branch, Chain, Fallback, Node, Retries, Split, Target
from tests.routing.arena import Arena, Slow, stream, text_of
from tests.routing.bench import target

BROKEN = Failure(kind=Kind.CONNECTION, message="reset by peer")
CLIENTS = ("openai-chat", "openai-responses", "anthropic", "gemini", "ollama")
# The second upstream: a wire, a model and quirks with which it is known to go on.
SECONDS = {
    "anthropic": Dialect("p", "claude-3-5-haiku"),
    "openai-chat": Dialect("p", "llama", frozenset(("prefill_final", "no_stream_options"))),
    "gemini": Dialect("p", "gemini-2.5-flash"),
    "ollama": Dialect("p", "llama3.2"),
}
WORDS = ["The quick", " brown fox ", "jumps\n", "    over the", " lazy dog."]
FIRST, SECOND = Usage(input=11, output=3), Usage(input=20, output=7)


def upstream(name: str, wire: str, dialect: Dialect, **fields: Any) -> Target:
    return target(name, protocol=wire, dialect=dialect, retries=Retries(0), **fields)


def told(wire: str, words: list[str], usage: Usage | None = SECOND, id_: str = "x1", end: bool = True) -> list[bytes]:
    """The frames of a stream on a wire."""
    protocol = PROTOCOLS[wire]
    request = chat.Request(origin=wire, model="m", messages=(), stream=True, stream_usage=True)
    encoder = protocol.stream_encoder(request, 1_700_000_000)
    events: list[chat.Event] = [chat.Began(id_, "m", 1_700_000_000), chat.Opened(0, "text")]
    events += [chat.Piece(0, word) for word in words]
    if end:
        events += [chat.Closed(0), chat.Ended(chat.Finish.STOP)]
    if usage is not None and end:
        events.append(chat.Counted(usage))
    out = [encoder.push(event) for event in events]
    return [each for each in [*out, encoder.close() if end else b""] if each]


def read(wire: str, data: bytes) -> list[chat.Event]:
    """What a client of a wire makes of a stream; it is complete and without an error."""
    decoder = PROTOCOLS[wire].stream_decoder()
    events = decoder.feed(data) + decoder.close()
    assert decoder.ended, data
    assert not any(isinstance(event, chat.Broke) for event in events), data
    return events


def text(events: list[chat.Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, chat.Piece))


def lasting(*nodes: Node) -> Split:
    return Split("combo", "priority", tuple(Branch(node) for node in nodes), resumes=True)


def content_type(wire: str) -> str:
    return PROTOCOLS[wire].content_type


def breaking(wire: str, words: list[str]) -> Slow:
    return Slow(*told(wire, words, end=False), BROKEN, kind=content_type(wire))


def going(wire: str, words: list[str], usage: Usage | None = SECOND) -> Slow:
    return Slow(*told(wire, words, usage, "x2"), kind=content_type(wire))


def asked(arena: Arena, client: str, **fields: Any) -> Any:
    """A request of a client's wire."""
    if client == "gemini":
        fields = {"contents": [{"role": "user", "parts": [{"text": "Hello?"}]}], **fields}
    elif client == "openai-responses":
        fields = {"input": "Hello?", **fields}
    elif client == "anthropic":
        fields = {"max_tokens": 100, **fields}
    elif client == "openai-chat":
        fields = {"stream_options": {"include_usage": True}, **fields}
    return arena.job(stream=True, wire=client, **fields)


@pytest.mark.parametrize(("client", "first", "second"), list(itertools.product(CLIENTS, CLIENTS, SECONDS)))
def test_an_answer_goes_on(client: str, first: str, second: str) -> None:
    async def go() -> None:
        for cut in range(1, len(WORDS)):
            a = upstream("a", first, Dialect("p", "m"))
            b = upstream("b", second, SECONDS[second])
            plays: dict[str, Slow | Failure] = {"a": breaking(first, WORDS[:cut]), "b": going(second, WORDS[cut:])}
            arena = Arena(lasting(a, b), plays)
            data = await text_of(await arena.send(asked(arena, client)))
            events = read(client, data)
            assert text(events) == "".join(WORDS), (cut, data)
            assert sum(isinstance(event, chat.Began) for event in events) == 1
            assert sum(isinstance(event, chat.Ended) for event in events) == 1
            usage = [event.usage for event in events if isinstance(event, chat.Counted)][-1]
            assert usage.output > SECOND.output, "both are counted"
            assert usage.input > SECOND.input
            assert "".join(WORDS[:cut]).rstrip() in json.dumps(arena.body("b"), ensure_ascii=False).replace("\\n", "\n")
            assert [(line, name) for line, name in arena.asides] == [("beginning", "a")]

    virtually(go())


@pytest.mark.parametrize("client", CLIENTS)
def test_the_stream_is_as_if_nothing_had_happened(client: str) -> None:
    """On the same wire throughout, the bytes are those of one stream, but for the counts."""

    async def go() -> None:
        second = client if client in SECONDS else "anthropic"
        a, b = upstream("a", client, Dialect("p", "m")), upstream("b", second, SECONDS[second])
        arena = Arena(lasting(a, b), {"a": breaking(client, WORDS[:2]), "b": going(second, WORDS[2:])})
        data = await text_of(await arena.send(asked(arena, client)))
        whole = b"".join(told(client, WORDS))
        assert kinds(client, data) == kinds(client, whole)
        if client == "openai-responses":
            numbers = [value["sequence_number"] for value in values(data)]
            assert numbers == list(range(len(numbers)))
            items = {value["item_id"] for value in values(data) if "item_id" in value}
            assert len(items) == 1
            assert values(data)[-1]["response"]["output"][0]["content"][0]["text"] == "".join(WORDS)
        if client == "anthropic":
            assert {value.get("index", 0) for value in values(data)} == {0}

    virtually(go())


def values(data: bytes) -> list[Any]:
    return [json.loads(line[6:]) for line in data.split(b"\n") if line.startswith(b"data: {")]


def kinds(wire: str, data: bytes) -> list[str]:
    if wire == "ollama":
        return [str(json.loads(line)["done"]) for line in data.splitlines()]
    return [str(value.get("type") or sorted(value)) for value in values(data)]


def test_openai_keeps_its_own_ids_on_its_own_wire() -> None:
    async def go() -> None:
        frames = b"".join(told("openai-responses", WORDS[:2], end=False)).replace(b"msg_x1_0", b"msg_theirs")
        a = upstream("a", "openai-responses", Dialect("p", "m"))
        b = upstream("b", "anthropic", SECONDS["anthropic"])
        plays: dict[str, Slow | Failure] = {"a": stream(frames, BROKEN), "b": going("anthropic", WORDS[2:])}
        arena = Arena(lasting(a, b), plays)
        data = await text_of(await arena.send(asked(arena, "openai-responses")))
        assert {value["item_id"] for value in values(data) if "item_id" in value} == {"msg_theirs"}
        last = values(data)[-1]["response"]
        assert last["output"][0]["id"] == "msg_theirs"
        assert last["output"][0]["content"][0]["text"] == "".join(WORDS)

    virtually(go())


def test_three_speak_and_the_breakers_know() -> None:
    async def go() -> None:
        names = ("a", "b", "c")
        nodes = [upstream(name, "anthropic", SECONDS["anthropic"]) for name in names]
        plays: dict[str, Slow | Failure] = {
            "a": breaking("anthropic", WORDS[:1]),
            "b": breaking("anthropic", WORDS[1:3]),
            "c": going("anthropic", WORDS[3:]),
        }
        arena = Arena(lasting(*nodes), plays)
        answer = await arena.send(asked(arena, "openai-chat"))
        events = read("openai-chat", await text_of(answer))
        assert text(events) == "".join(WORDS)
        assert isinstance(answer, Answer) and answer.target.name == "c"
        assert answer.usage == SECOND, "the last speaks for itself"
        assert [name for _, name in arena.order] == ["a", "b", "c"]
        assert [event.model for event in arena.events if isinstance(event, Aside)] == ["a", "b"]
        assert arena.runtime.lanes["a"][0].own.snapshot(0.0).failures == 1
        assert not any(isinstance(event, Tripped) for event in arena.events)
        assert [load.count for load in arena.runtime.loads.values()] == [0, 0, 0]

    virtually(go())


def test_those_who_would_begin_anew_are_passed_over() -> None:
    async def go() -> None:
        a = upstream("a", "openai-chat", Dialect("p", "gpt-4.1"))
        b = upstream("b", "openai-chat", Dialect("p", "gpt-4.1"))
        c = upstream("c", "anthropic", Dialect("p", "claude-opus-4-6"))
        d = upstream("d", "anthropic", Dialect("p", "claude-sonnet-4-5"))
        plays: dict[str, Slow | Failure] = {
            "a": breaking("openai-chat", WORDS[:2]),
            "b": going("openai-chat", ["no"]),
            "c": going("anthropic", ["no"]),
            "d": going("anthropic", WORDS[2:]),
        }
        node = Chain("a", a, (Fallback(frozenset((Kind.CONNECTION,)), (b, c, d)),), resumes=True)
        arena = Arena(node, plays)
        assert text(read("openai-chat", await text_of(await arena.send(asked(arena, "openai-chat"))))) == "".join(WORDS)
        assert [name for _, name in arena.order] == ["a", "d"]

    virtually(go())


def broke(arena: Arena, job: Any) -> Any:
    async def go() -> list[str]:
        with pytest.raises(Failed) as caught:
            await text_of(await arena.send(job))
        assert caught.value.failure.kind is Kind.INTERRUPTED
        return [name for _, name in arena.order]

    return go()


def two(first: Slow, resumes: bool = True, second: Slow | Failure | None = None) -> Arena:
    a, b = upstream("a", "openai-chat", Dialect("p", "m")), upstream("b", "anthropic", SECONDS["anthropic"])
    node = Split("combo", "priority", (Branch(a), Branch(b)), resumes=resumes)
    return Arena(node, {"a": first, "b": second or going("anthropic", ["rest"])})


def event(**delta: Any) -> bytes:
    return b"data: %b\n\n" % json.dumps({"id": "s", "choices": [{"index": 0, "delta": delta}]}).encode()


CALL = {"index": 0, "id": "t", "type": "function", "function": {"name": "f", "arguments": '{"a"'}}


@pytest.mark.parametrize(
    "first",
    [
        stream(event(content="Let me see."), event(tool_calls=[CALL]), BROKEN),
        stream(event(reasoning_content="Hm"), BROKEN),
        stream(event(refusal="I can"), BROKEN),
        stream(event(content="  \n"), BROKEN),
    ],
    ids=["a tool call has begun", "it still thinks", "a refusal", "only white space"],
)
def test_what_is_not_gone_on_with(first: Slow) -> None:
    async def go() -> None:
        arena = two(first)
        assert await broke(arena, asked(arena, "openai-chat")) == ["a"]

    virtually(go())


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 2},
        {"response_format": {"type": "json_object"}},
    ],
    ids=["several answers", "a structured form"],
)
def test_requests_that_are_not_gone_on_with(fields: dict[str, Any]) -> None:
    async def go() -> None:
        arena = two(breaking("openai-chat", WORDS[:2]))
        assert await broke(arena, asked(arena, "openai-chat", **fields)) == ["a"]

    virtually(go())


def test_without_the_word_it_breaks_off() -> None:
    async def go() -> None:
        arena = two(breaking("openai-chat", WORDS[:2]), resumes=False)
        assert await broke(arena, asked(arena, "openai-chat")) == ["a"]

    virtually(go())


def test_where_nobody_goes_on_it_breaks_off_as_it_would_have() -> None:
    async def go() -> None:
        arena = two(breaking("openai-chat", WORDS[:2]), second=Slow(b"", status=529))
        assert await broke(arena, asked(arena, "openai-chat")) == ["a", "b"]
        assert arena.asides == []

    virtually(go())


def test_an_answer_that_only_lacked_its_end_is_complete() -> None:
    async def go() -> None:
        frames = b"".join(told("openai-chat", WORDS)).partition(b"data: [DONE]")[0]
        for client in CLIENTS:
            arena = two(stream(frames, BROKEN))
            events = read(client, await text_of(await arena.send(asked(arena, client))))
            assert text(events) == "".join(WORDS)
            assert [name for _, name in arena.order] == ["a"]

    virtually(go())


def test_a_last_frame_without_its_end_is_not_lost() -> None:
    async def go() -> None:
        for client in CLIENTS:
            frames = told("openai-chat", WORDS[:3], end=False)
            arena = two(stream(*frames[:-1], frames[-1].rstrip(), BROKEN), second=going("anthropic", WORDS[3:]))
            events = read(client, await text_of(await arena.send(asked(arena, client))))
            assert text(events) == "".join(WORDS)

    virtually(go())


def test_thought_that_is_over_is_not_in_the_way() -> None:
    async def go() -> None:
        first = stream(event(reasoning_content="Hm"), event(content="The quick"), BROKEN)
        arena = two(first, second=going("anthropic", [" fox"]))
        events = read("openai-chat", await text_of(await arena.send(asked(arena, "openai-chat"))))
        assert text(events) == "HmThe quick fox"
        assert "Hm" not in json.dumps(arena.body("b")["messages"])

    virtually(go())


def test_what_is_repeated_is_cut_off_on_the_way() -> None:
    async def go() -> None:
        again = "jumps\n    over the"
        for cut in range(1, len(again)):
            second = going("anthropic", [again[:cut], again[cut:], " lazy dog."])
            arena = two(breaking("openai-chat", WORDS[:4]), second=second)
            events = read("openai-chat", await text_of(await arena.send(asked(arena, "openai-chat"))))
            assert text(events) == "".join(WORDS)

    virtually(go())


def test_a_bound_on_the_answer_holds_for_both() -> None:
    async def go() -> None:
        arena = two(breaking("openai-chat", ["one two three four "] * 10))
        await text_of(await arena.send(asked(arena, "openai-chat", max_tokens=100)))
        assert 40 <= arena.body("b")["max_tokens"] <= 60

    virtually(go())


def test_a_client_that_leaves_in_between_ends_it() -> None:
    async def go() -> None:
        second = going("anthropic", ["rest"])
        second.after = 30.0
        arena = two(breaking("openai-chat", WORDS[:2]), second=second)
        answer = await arena.send(asked(arena, "openai-chat"))
        assert isinstance(answer, Answer)

        async def rest() -> None:
            while await answer.more():
                pass

        task = asyncio.ensure_future(rest())
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        answer.close()
        await asyncio.sleep(1)
        assert len(asyncio.all_tasks()) == 1
        assert [load.count for load in arena.runtime.loads.values()] == [0, 0]

    virtually(go())


def test_one_who_waits_may_come_again() -> None:
    """Whoever reads with a time-out loses nothing."""

    async def go() -> None:
        second = going("anthropic", WORDS[2:])
        second.after = 3.0
        arena = two(breaking("openai-chat", WORDS[:2]), second=second)
        answer = await arena.send(asked(arena, "openai-chat"))
        assert isinstance(answer, Answer)
        parts = [answer.body]
        while True:
            try:
                async with asyncio.timeout(0.5):
                    data = await answer.more()
            except TimeoutError:
                continue
            if not data:
                break
            parts.append(data)
        assert text(read("openai-chat", b"".join(parts))) == "".join(WORDS)

    virtually(go())


def test_the_default_path_keeps_nothing() -> None:
    async def go() -> None:
        arena = two(going("openai-chat", WORDS), resumes=False)
        answer = await arena.send(asked(arena, "openai-chat"))
        assert type(answer) is Answer
        assert not isinstance(answer.sniffer, Translation)

    virtually(go())
