"""The semantic cache: like questions, and nothing else, get the same answer; whatever fails is a miss."""

from __future__ import annotations

import asyncio
import math
from random import Random
from typing import Any

import msgspec
import pytest

from gateway.cache.ask import Outcome
from gateway.cache.near import PREFIX, Near, Placed, Shelf, read_near, signs_of, unit
from gateway.cache.rules import Embedder, Semantic
from gateway.events import Attempted
from gateway.failure import Failed, Failure, Kind
from gateway.protocols.embedding import EMBEDDINGS, vector_of
from gateway.protocols.reading import Malformed
from gateway.sandbox.openai_embeddings import vector_of as sandbox_vector
from tests.cache.bench import GOOD, Bench, read, rules
from tests.routing.bench import Reply, target

NEAR = Semantic((Embedder(target("embed"), "/v1/embeddings"),), 0.8, 600.0, 3)


class Like(Bench):
    """A bench with an embedding model; `reply` is what it answers, None an embedding."""

    def __init__(self, semantic: Semantic = NEAR) -> None:
        super().__init__(rules(None, semantic))
        self.send = self._embed
        self.embedded: list[str] = []
        self.reply: Any = None

    async def _embed(self, request: Any) -> Any:
        assert request.target == "/v1/embeddings"
        text = msgspec.json.decode(request.body)["input"]
        self.embedded.append(text)
        if isinstance(self.reply, Exception):
            raise self.reply
        if self.reply is not None:
            return self.reply
        vector = sandbox_vector(text, 64)
        return Reply(200, msgspec.json.encode({"data": [{"embedding": vector}], "usage": {"prompt_tokens": 3}}))

    async def say(self, worker: Any, text: Any, **fields: Any) -> tuple[str | None, float]:
        ask = self.ask(self.job({"messages": [{"role": "user", "content": text}], **fields}))
        await read(await worker[0].answer(ask, self.work()))
        await worker[0].settled()
        return ask.outcome, ask.similarity


LIKE = "please tell me what is the capital city of france today"


async def test_a_like_question_is_a_hit() -> None:
    bench = Like()
    worker = bench.worker()
    assert (await bench.say(worker, LIKE))[0] == "miss"
    outcome, similarity = await bench.say(worker, LIKE + " ?")
    assert outcome == "semantic"
    assert 0.8 <= similarity < 1
    assert await bench.say(worker, LIKE) == ("semantic", pytest.approx(1.0))
    assert (await bench.say(worker, "write a poem about the sea"))[0] == "miss"
    assert bench.asked == 2
    told = [event for event in bench.events if isinstance(event, Attempted)]
    assert [event.status for event in told] == [200] * 4


OTHERS = [
    {"temperature": 0},
    {"model": "other"},
    {"tools": [{"type": "function", "function": {"name": "f"}}]},
    {"messages": [{"role": "system", "content": "be rude"}, {"role": "user", "content": LIKE}]},
    {
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": LIKE},
        ]
    },
    {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": LIKE},
                    {"type": "image_url", "image_url": {"url": "https://a.example/x.png"}},
                ],
            }
        ]
    },
]


@pytest.mark.parametrize("fields", OTHERS, ids=range(len(OTHERS)))
async def test_everything_but_the_last_words_must_be_equal(fields: dict[str, Any]) -> None:
    bench = Like()
    worker = bench.worker()
    await bench.say(worker, LIKE)
    outcome, _ = await bench.say(worker, LIKE, **fields)
    assert outcome == "miss"


async def test_keys_share_no_vectors() -> None:
    bench = Like()
    answers, _ = worker = bench.worker()
    await bench.say(worker, LIKE)
    ask = bench.ask(bench.job({"messages": [{"role": "user", "content": LIKE}]}, key="ben"))
    await read(await answers.answer(ask, bench.work()))
    assert ask.outcome is Outcome.MISS
    await answers.settled()


async def test_another_worker_knows_within_seconds() -> None:
    bench = Like()
    one, other = bench.worker(), bench.worker()
    await bench.say(other, "something else entirely")
    await bench.say(one, LIKE)
    assert (await bench.say(other, LIKE))[0] == "miss", "it has asked the store a moment ago"
    await bench.say(one, LIKE + " and tomorrow then")
    bench.now += 6
    outcome, similarity = await bench.say(other, LIKE + " and tomorrow")
    assert outcome == "semantic"
    assert similarity > 0.9


FAILURES: dict[str, Any] = {
    "refused": Failed(Failure(kind=Kind.CONNECTION, message="refused")),
    "an error": Reply(500, b"{}"),
    "no json": Reply(200, b"<html>"),
    "no vector": Reply(200, b'{"data":[]}'),
    "words": Reply(200, b'{"data":[{"embedding":["a"]}]}'),
    "an empty vector": Reply(200, b'{"data":[{"embedding":[]}]}'),
    "zeroes": Reply(200, b'{"data":[{"embedding":[0,0]}]}'),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_an_embedding_that_fails_is_a_miss(name: str) -> None:
    bench = Like()
    bench.reply = FAILURES[name]
    worker = bench.worker()
    for _ in range(2):
        assert (await bench.say(worker, LIKE))[0] == "miss"
    assert bench.asked == 2


async def test_an_embedding_that_takes_too_long_is_a_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.cache.embed.WITHIN", 0.01)
    bench = Like()

    async def never(_request: Any) -> Any:
        await asyncio.Event().wait()

    bench.send = never
    assert (await bench.say(bench.worker(), LIKE))[0] == "miss"


async def test_what_speaks_last_must_be_the_user_and_not_endless() -> None:
    bench = Like()
    worker = bench.worker()
    await bench.say(worker, "x " * 20_000)
    await bench.say(worker, "", messages=[{"role": "assistant", "content": "prefill"}])
    assert bench.embedded == []


async def test_a_breaker_that_is_open_is_asked_for_nothing() -> None:
    bench = Like()
    lane = bench.runtime.lanes["embed"][0]
    lane.own.open_for(bench.now, 100.0, "timeout")
    try:
        assert (await bench.say(bench.worker(), LIKE))[0] == "miss"
        assert bench.embedded == []
    finally:
        lane.own.reset()


async def test_planted_vectors_are_nothing() -> None:
    bench = Like()
    worker = bench.worker()
    await bench.say(worker, LIKE)
    (table,) = (name for name in bench.store.tables if name.startswith(PREFIX) and not name.endswith("/who"))
    fields = bench.store.tables[table]
    good = next(iter(fields.values()))
    for index, value in enumerate((b"", b"\xff", b"{}", good[:-2], msgspec.msgpack.encode(["near1", b"k", 9e9, b"x"]))):
        fields[str(index)] = value
    fields["elsewhere"] = msgspec.msgpack.encode(Near(b"no such answer", 9e9, b"\0\0\x80?" * 64))
    bench.store.tables[f"{table}/who"]["another"] = b"1"
    assert (await bench.say(bench.worker(), LIKE))[0] == "semantic"
    for value in (b"\0\0\xc0\x7f" * 4, b"", b"\0" * 16):
        assert read_near(msgspec.msgpack.encode(Near(b"k", 1.0, value))) is None


async def test_a_vector_whose_answer_is_gone_is_forgotten() -> None:
    bench = Like()
    worker = bench.worker()
    await bench.say(worker, LIKE)
    bench.store.values.clear()
    assert (await bench.say(worker, LIKE))[0] == "miss"


def test_a_shelf_keeps_the_latest() -> None:
    shelf = Shelf()
    for index in range(10):
        shelf.place(bytes([index]), Placed(b"", 9e9, (1.0,), 1), 3)
    assert list(shelf.placed) == [b"\x07", b"\x08", b"\x09"]


@pytest.mark.parametrize("size", [8, 64, 256, 1536])
@pytest.mark.parametrize("threshold", [0.8, 0.95])
def test_the_signs_lose_next_to_nothing(size: int, threshold: float) -> None:
    """Of vectors that are near enough, at least 99 in 100 are found."""
    random = Random(size)
    found = 0
    for _ in range(100):
        vector = [random.gauss(0, 1) for _ in range(size)]
        noise = [random.gauss(0, 1) for _ in range(size)]
        one = unit(vector)
        assert one is not None
        along = sum(a * b for a, b in zip(noise, one, strict=True))
        across = unit([b - along * a for a, b in zip(one, noise, strict=True)])
        assert across is not None
        cosine = threshold + 0.001
        other = [a * cosine + b * math.sqrt(1 - cosine**2) for a, b in zip(one, across, strict=True)]
        shelf = Shelf()
        shelf.place(b"k", Placed(b"r", 9e9, tuple(other), signs_of(other)), 10)
        near = shelf.nearest(b"r", one, threshold, 0.0)
        found += near is not None and abs(near[1] - cosine) < 1e-6
    assert found >= 99


ANSWERS = {
    "openai-chat": b'{"data":[{"embedding":[1,2.5]}],"usage":{"prompt_tokens":7}}',
    "openai-responses": b'{"data":[{"embedding":[1,2.5]}],"usage":{"prompt_tokens":7}}',
    "gemini": b'{"embedding":{"values":[1,2.5]}}',
    "ollama": b'{"model":"m","embeddings":[[1,2.5]],"prompt_eval_count":7}',
    "cohere": b'{"id":"i","embeddings":{"float":[[1,2.5]]},"meta":{"billed_units":{"input_tokens":7}}}',
}


@pytest.mark.parametrize("wire", sorted(EMBEDDINGS))
def test_wires_that_embed(wire: str) -> None:
    vector, tokens = vector_of(wire, ANSWERS[wire])
    assert vector == [1.0, 2.5]
    assert tokens == (0 if wire == "gemini" else 7)
    body = EMBEDDINGS[wire].ask("m", "the text")
    assert b"the text" in msgspec.json.encode(body)
    for bad in (b"", b"[]", b"null", b'{"data":5}', ANSWERS[wire].replace(b"2.5", b'"x"')):
        with pytest.raises(Malformed):
            vector_of(wire, bad)


async def test_the_answer_itself_is_what_the_other_got() -> None:
    bench = Like()
    answers, _ = worker = bench.worker()
    await bench.say(worker, LIKE)
    ask = bench.ask(bench.job({"messages": [{"role": "user", "content": LIKE + "?"}]}))
    answer = await answers.answer(ask, bench.work(b"{}"))
    assert (answer.body, answer.lane) == (GOOD, None)
