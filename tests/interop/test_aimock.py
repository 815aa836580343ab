"""Five official SDKs, over the gateway, over the eight upstream wires that aimock speaks.

Nobody here wrote either end. Where aimock is wrong about a wire (docs/interop.md says how it is documented) a test says
what it cannot ask for, and nothing more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.interop.clients import CLIENTS, TOOL, Gemini, Responses, Talk
from tests.interop.stage import WIRES, Stage, lacking, stage

USED = (70, 7)  # what upstream.mjs says that each answer cost
THOUGHT = "I count to three."

# What aimock cannot be asked for on a wire, by test: docs/interop.md has the words of the documentation.
UNCOUNTED = {"ollama"}  # tokens are always 0
UNCUT = {"ollama"}  # nothing is ever cut off
UNTHOUGHT = {"ollama": ("", "Three."), "cohere": ("", f"{THOUGHT}Three.")}  # thought is lost, or is text
HELLO = "Hello from somebody else."


@pytest.fixture(scope="module")
def playing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    if (lack := lacking()) is not None:
        pytest.skip(f"NO FOREIGN UPSTREAM WAS TESTED: {lack}")
    with stage(tmp_path_factory.mktemp("aimock")) as running:
        yield running
        log = running.running.log.read_text()
    assert "Traceback" not in log, log


@pytest.fixture(params=list(WIRES))
def wire(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=list(CLIENTS))
def talk(request: pytest.FixtureRequest, playing: Stage, wire: str) -> Talk:
    return CLIENTS[request.param](playing.url, f"over-{wire}")


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def stream(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_an_answer(playing: Stage, talk: Talk, wire: str, stream: bool) -> None:
    playing.asked()
    talk.say("Hello")
    answer = talk.ask(stream)
    assert answer.text == HELLO
    assert answer.finish == talk.ended[0]
    assert answer.used == ((0, 0) if wire in UNCOUNTED else USED)
    (path,) = playing.asked()
    assert path.startswith(WIRES[wire][2])


def test_instructions(talk: Talk, wire: str, stream: bool) -> None:
    talk.system = "Be brief."
    talk.say("Repeat your instructions")
    assert talk.ask(stream).text == "Be brief."


def test_a_loop_with_two_tools_at_once(talk: Talk, wire: str, stream: bool) -> None:
    talk.say("weather in two cities")
    answer = talk.ask(stream)
    assert answer.text == "Let me look."
    assert answer.calls == [(TOOL, {"city": "Oslo"}), (TOOL, {"city": "Rome"})]
    odd = wire == "gemini" and isinstance(talk, Gemini)  # passed on as aimock says it
    assert answer.finish == ("FUNCTION_CALL" if odd else talk.ended[2])
    talk.give(["snow", "sun"])
    answer = talk.ask(stream)
    assert re.fullmatch(r"It is \W*(\w+\W+)?snow\W* and \W*(\w+\W+)?sun\W*\.", answer.text)  # Gemini's are objects
    assert answer.finish == talk.ended[0]


def test_a_thought(talk: Talk, wire: str, stream: bool) -> None:
    talk.say("Think first")
    answer = talk.ask(stream)
    assert (answer.thought, answer.text) == UNTHOUGHT.get(wire, (THOUGHT, "Three."))
    talk.say("Hello")
    assert talk.ask(stream).text == HELLO, "a turn with a thought can be sent back"


def test_an_answer_that_was_cut_off(talk: Talk, wire: str, stream: bool) -> None:
    talk.say("Say much")
    answer = talk.ask(stream)
    assert answer.text == "One two three"
    if wire == "openai-responses" and isinstance(talk, Responses):
        assert answer.finish == "incomplete", "passed on as aimock says it: without a reason"
    else:
        assert answer.finish == talk.ended[0 if wire in UNCUT else 1]


def test_a_refusal(talk: Talk, wire: str, stream: bool) -> None:
    talk.say("Too wrong")
    with pytest.raises(talk.failed) as caught:
        talk.ask(stream)
    assert "that is no question" in str(caught.value)


def test_too_many_requests(playing: Stage, wire: str, stream: bool) -> None:
    """Asked of a model that nothing else is asked of: afterwards its breaker is open."""
    body = {"model": f"limited-{wire}", "stream": stream, "messages": [{"role": "user", "content": "Too fast"}]}
    answer = httpx.post(f"{playing.url}/v1/chat/completions", json=body, timeout=20)
    assert answer.status_code == 429
    assert answer.json()["error"]["type"] == "rate_limit_error"


def test_a_stream_that_breaks_off(playing: Stage, wire: str) -> None:
    """What had come is passed on, and the break is said."""
    body = {"model": f"broken-{wire}", "stream": True, "messages": [{"role": "user", "content": "Stop in the middle"}]}
    answer = httpx.post(f"{playing.url}/v1/chat/completions", json=body, timeout=20)
    assert '"content":"One w"' in answer.text
    assert "last." not in answer.text
    assert '"code":"upstream_interrupted"' in answer.text
