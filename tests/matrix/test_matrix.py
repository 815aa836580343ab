"""Every cell of the matrix, played: real SDKs over real sockets against a gateway process and strict upstreams."""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai.resources.responses import AsyncResponses

from gateway.sandbox.serve import Upstream
from tests.matrix.asking import PERSON, PNG, TIME, WEATHER, Ask, Said
from tests.matrix.cells import CLIENTS, NONE, SCENARIOS, TOLD, UPSTREAMS, none, rendered, told
from tests.matrix.conftest import Stage

PAGE = Path(__file__).parent.parent.parent / "docs" / "sdk-matrix.md"


class Cell:
    """One cell being played."""

    def __init__(self, stage: Stage, client: str, upstream: str, scenario: str) -> None:
        self.stage = stage
        self.client = client
        self.upstream = upstream
        self.sdk = stage.clients[client]
        self.server = stage.upstreams[upstream]
        self.told = told(client, upstream, scenario)
        self.lost: set[str] = set()

    def model(self, *words: str, prefix: str = "") -> str:
        """A model of the upstream that behaves so."""
        return ":".join((f"{prefix}{self.upstream}/{UPSTREAMS[self.upstream].model}", *words))

    def ask(self, text: str, *words: str, **fields: Any) -> Ask:
        return Ask(model=self.model(*words), turns=[self.sdk.user(text)], **fields)

    async def said(self, ask: Ask, streamed: bool) -> Said:
        """The answer; what the gateway says it lost on the way is noted."""
        said = await self.sdk.ask(ask, streamed)
        self.lost.update(field for field in said.lossy.split(", ") if field)
        return said

    async def both(self, ask: Ask) -> tuple[Said, Said]:
        """The whole answer and the streamed one, held to what they must have in common."""
        whole, streamed = await self.said(ask, False), await self.said(ask, True)
        assert whole.text == streamed.text
        assert whole.finish == streamed.finish
        assert whole.thought == streamed.thought
        assert whole.usage == streamed.usage
        assert [(call.name, call.arguments) for call in whole.calls] == [
            (call.name, call.arguments) for call in streamed.calls
        ]
        return whole, streamed

    def received(self) -> Any:
        """The last body that the upstream got."""
        return json.loads(self.server.journal[-1].body)

    def sent(self) -> str:
        return self.server.journal[-1].body.decode()


async def plain(cell: Cell) -> None:
    said = await cell.said(cell.ask("hello there"), False)
    assert said.text == "You said: hello there"
    assert said.finish == cell.sdk.finishes["stop"]
    assert said.usage == (2, 4)


async def stream(cell: Cell) -> None:
    pieces = [piece async for piece in cell.sdk.pieces(cell.ask("hello there"))]
    assert pieces == ["You", " said:", " hello", " there"]
    said = await cell.said(cell.ask("hello there"), True)
    assert said.text == "You said: hello there"
    assert said.finish == cell.sdk.finishes["stop"]
    assert said.usage == (2, 4)


def _first(body: Any) -> Any:
    return body["messages"][0]["content"]


# by upstream: the instruction, where the wire's documentation has it
_SYSTEM: dict[str, Callable[[Any], Any]] = {
    "openai-chat": _first,
    "openai-responses": lambda body: body["instructions"],
    "anthropic": lambda body: body["system"],
    "gemini": lambda body: body["systemInstruction"]["parts"][0]["text"],
    "ollama": _first,
    "bedrock-converse": lambda body: body["system"][0]["text"],
    "cohere": _first,
}


async def system(cell: Cell) -> None:
    said = await cell.said(cell.ask("hello", system="Be brief."), False)
    assert said.text == "You said: hello"
    assert _SYSTEM[cell.upstream](cell.received()) == "Be brief."


CALL_ONE = 'please call weather({"city":"Oslo"})'
CALL_TWO = 'call weather({"city":"Oslo"}) and call time({"city":"Rome"})'


async def tools(cell: Cell) -> None:
    for said in await cell.both(cell.ask(CALL_ONE, tools=(WEATHER, TIME))):
        assert [(call.name, call.arguments) for call in said.calls] == [("weather", {"city": "Oslo"})]
        assert said.finish == cell.sdk.finishes["calls"]


async def parallel(cell: Cell) -> None:
    for said in await cell.both(cell.ask(CALL_TWO, tools=(WEATHER, TIME))):
        assert [(call.name, call.arguments) for call in said.calls] == [
            ("weather", {"city": "Oslo"}),
            ("time", {"city": "Rome"}),
        ]
        assert said.finish == cell.sdk.finishes["calls"]


async def results(cell: Cell) -> None:
    for streamed in (False, True):
        turns = [cell.sdk.user(CALL_TWO)]
        said = await cell.said(Ask(model=cell.model(), turns=turns, tools=(WEATHER, TIME)), streamed)
        turns += [*said.turns, *cell.sdk.results(said, ["sun", "noon"])]
        said = await cell.said(Ask(model=cell.model(), turns=turns, tools=(WEATHER, TIME)), streamed)
        assert said.text.startswith("The tool said: ")
        assert "sun" in said.text
        assert "noon" in said.text
        assert said.finish == cell.sdk.finishes["stop"]
        turns += [*said.turns, cell.sdk.user("thanks")]
        said = await cell.said(Ask(model=cell.model(), turns=turns, tools=(WEATHER, TIME)), streamed)
        assert said.text == "You said: thanks"


async def image(cell: Cell) -> None:
    upstream = UPSTREAMS[cell.upstream]
    model = cell.model().replace(upstream.model, upstream.sees or upstream.model)
    ask = Ask(model=model, turns=[cell.sdk.user("what is it", PNG)])
    said = await cell.said(ask, False)
    assert said.text == "You said: what is it"
    assert base64.b64encode(PNG).decode() in cell.sent()


async def structured(cell: Cell) -> None:
    for said in await cell.both(cell.ask("who", schema=PERSON)):
        value = json.loads(said.text)
        assert value.keys() == {"name", "age"}
        assert isinstance(value["age"], int)
        assert said.finish == cell.sdk.finishes["stop"]
        assert not said.calls


async def reasoning(cell: Cell) -> None:
    upstream = UPSTREAMS[cell.upstream]
    model = cell.model(*upstream.thinks)
    for streamed in (False, True):
        turns = [cell.sdk.user(CALL_ONE)]
        said = await cell.said(Ask(model=model, turns=turns, tools=(WEATHER,), thinks=True), streamed)
        assert [(call.name, call.arguments) for call in said.calls] == [("weather", {"city": "Oslo"})]
        assert said.usage[1] >= 16
        assert len(said.thought.split()) == 16
        turns += [*said.turns, *cell.sdk.results(said, ["sun"])]
        said = await cell.said(Ask(model=model, turns=turns, tools=(WEATHER,), thinks=True), streamed)
        assert said.text == "The tool said: sun"
        if upstream.seal and not cell.sdk.forgets:
            assert f'"{upstream.seal}"' in cell.sent(), "what proves the thought came back"


async def stop(cell: Cell) -> None:
    for said in await cell.both(cell.ask("one two three", stop="two")):
        if cell.told is not None:
            assert said.text == "You said: one two three"
        else:
            assert said.text.rstrip() == "You said: one"
            ended = "stop sequence" if UPSTREAMS[cell.upstream].stops else "stop"
            assert said.finish == cell.sdk.finishes[ended]


async def long(cell: Cell) -> None:
    for said in await cell.both(cell.ask("one two three", "tokens=40", most=16)):
        assert said.text.startswith("You said: one two three")
        assert said.finish == cell.sdk.finishes["length"]
        assert said.usage == (3, 16)


async def error(cell: Cell) -> None:
    for word, status in (("status=400", 400), ("status=429", 429), ("status=500", 502), ("overloaded", 503)):
        for streamed in (False, True):
            # a breaker opens for a model of a provider: each of these is another one
            ask = cell.ask("x", word, f"seed={list(CLIENTS).index(cell.client)}{int(streamed)}")
            with pytest.raises(cell.sdk.errors[status]) as caught:
                await cell.said(ask, streamed)
            assert cell.sdk.status(caught.value) == status


async def broken(cell: Cell) -> None:
    seen = []
    with pytest.raises(cell.sdk.broken):
        async for piece in cell.sdk.pieces(cell.ask("one two", "error-at=3")):
            seen.append(piece)
    assert seen == ["You", " said:", " one"]


async def leave(cell: Cell) -> None:
    server = cell.stage.quiet[cell.upstream]
    turns = [cell.sdk.user("one two three")]
    seen = []

    async def read() -> None:
        async for piece in cell.sdk.pieces(Ask(model=cell.model("stall-at=2", prefix="leave-"), turns=turns)):
            seen.append(piece)

    task = asyncio.create_task(read())
    await _until(lambda: len(seen) == 2)
    assert seen == ["You", " said:"]
    await _left(task, server)
    stalled = asyncio.create_task(cell.sdk.ask(Ask(model=cell.model("stall", prefix="leave-"), turns=turns), False))
    await _until(lambda: bool(server.open))
    await _left(stalled, server)


async def _left(task: asyncio.Task[Any], server: Upstream) -> None:
    """The client leaves; so must the gateway."""
    assert len(server.open) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _until(lambda: not server.open)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - a list of connections tells nobody
            await asyncio.sleep(0.005)


PLAYED = {name: globals()[name] for name in SCENARIOS}
CELLS = [
    pytest.param(client, upstream, scenario, id=f"{client}-to-{upstream}-{scenario}")
    for upstream in UPSTREAMS
    for client in CLIENTS
    for scenario in SCENARIOS
    if none(client, upstream, scenario) is None
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("client", "upstream", "scenario"), CELLS)
async def test_a_cell(stage: Stage, client: str, upstream: str, scenario: str) -> None:
    cell = Cell(stage, client, upstream, scenario)
    await PLAYED[scenario](cell)
    assert cell.lost == set(cell.told[0] if cell.told is not None else ()), "what is lost is said, and nothing else is"


def test_the_page_is_the_matrix() -> None:
    assert PAGE.read_text() == rendered(), "run `python -m tests.matrix` and read what changed"


def test_reasons_are_for_cells_that_there_are() -> None:
    for client, upstream, scenario in (*NONE, *TOLD):
        assert client in (*CLIENTS, "*")
        assert upstream in (*UPSTREAMS, "*")
        assert scenario in SCENARIOS


def test_what_a_client_cannot_ask_is_no_parameter_of_its_sdk() -> None:
    assert not {name for name in inspect.signature(AsyncResponses.create).parameters if "stop" in name}
