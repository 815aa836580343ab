"""What is cut off of a second answer, and what is not; what an answer's events say of going on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ir.chat import Closed, Ended, Event, Finish, Opened, Piece, Reasoning, Text, Whole
from gateway.ir.chat import Media as Image
from gateway.protocols import PROTOCOLS
from gateway.protocols.contract import Dialect
from gateway.protocols.resuming import REPEAT_LEAST, Story, Trim, story
from gateway.providers.catalog import PRESETS


def rest(told: str, pieces: list[str]) -> str:
    trim = Trim(told, told.rstrip())
    return "".join([trim.feed(piece) for piece in pieces]) + trim.close()


@pytest.mark.parametrize(
    ("told", "answer", "new"),
    [
        ("The quick", " brown fox", " brown fox"),
        ("The quick ", " brown fox", "brown fox"),
        ("The quick ", "brown fox", "brown fox"),
        ("if x:\n    ", "\n        y", "    y"),
        ("if x:\n    ", "\n    y", "y"),
        ("if x:\n    ", "    y", "    y"),
        ("end.\n", "\n\nNext", "\nNext"),
        ("The quick brown fox", "The quick brown fox jumps", " jumps"),
        ("He said: the quick brown fox", "the quick brown fox jumps", " jumps"),
        ("He said: the quick brown fox ", "the quick brown fox jumps", "jumps"),
        ("a short one", "one more", "one more"),
        ("no, no, no, no, no, no, no, no,", " no, no, no, no, no, no, no", " no, no, no, no, no, no, no"),
        ("| a | b |\n| - | - |\n| 1 | 2 |", "\n| 1 | 2 |", "\n| 1 | 2 |"),
        ("The quick brown fox", "The quick brown", "The quick brown"),
        ("Hello", "", ""),
    ],
)
def test_only_what_is_repeated_for_certain_is_cut_off(told: str, answer: str, new: str) -> None:
    for cut in range(len(answer) + 1):
        assert rest(told, [answer[:cut], answer[cut:]]) == new
    assert rest(told, list(answer)) == new


@given(st.text("ab \n", min_size=1, max_size=40), st.lists(st.text("ab \n", max_size=6), max_size=8))
def test_nothing_is_lost_but_a_repetition(told: str, pieces: list[str]) -> None:
    answer = "".join(pieces)
    new = rest(told, pieces)
    assert answer.endswith(new)
    cut = answer[: len(answer) - len(new)]
    assert not cut or told.endswith(cut) or told[len(told.rstrip()) :].startswith(cut)
    assert rest(told, [answer]) == new, "however it is cut"


@given(st.text("xyz", min_size=30, max_size=60), st.integers(0, 14), st.text("uvw", min_size=1, max_size=20))
def test_a_repeated_end_is_cut_off(told: str, back: int, new: str) -> None:
    again = told[-REPEAT_LEAST - back :]
    begins = again[:REPEAT_LEAST]
    if told.find(begins) == told.rfind(begins):
        assert rest(told, [again + new]) == new


BEGUN: list[Event] = [Opened(0, "text"), Piece(0, "Hello"), Piece(0, " you")]


def test_the_story_of_an_answer() -> None:
    assert story(BEGUN) == Story("Hello you", 0, 9, 1)
    assert story([*BEGUN, Closed(0)]) == Story("Hello you", None, 0, 1)
    thought: list[Event] = [Opened(0, "reasoning"), Piece(0, "Hm"), Closed(0), Opened(3, "text"), Piece(3, "Hi")]
    assert story(thought) == Story("Hi", 3, 2, 4)


@pytest.mark.parametrize(
    "events",
    [
        [],
        [Opened(0, "text")],
        [*BEGUN, Opened(1, "tool_call", "t", "f")],
        [*BEGUN, Opened(1, "reasoning"), Piece(1, "Hm")],
        [*BEGUN, Closed(0), Ended(Finish.STOP)],
        [*BEGUN, Closed(0), Whole(1, Image(kind="image", url="http://x"))],
        [Opened(0, "refusal"), Piece(0, "I can")],
        [*BEGUN, Opened(1, "text", choice=1)],
    ],
)
def test_what_cannot_be_gone_on_with(events: list[Event]) -> None:
    assert story(events) is None


GOES_ON = [
    ("anthropic", "claude-sonnet-4-5", True),
    ("anthropic", "claude-3-5-haiku-latest", True),
    ("anthropic", "claude-sonnet-4-6", False),
    ("anthropic", "claude-opus-4-7", False),
    ("bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", True),
    ("bedrock", "anthropic.claude-opus-4-6-v1", False),
    ("bedrock", "amazon.nova-pro-v1:0", False),
    ("gemini", "gemini-2.5-pro", True),
    ("ollama", "llama3.2", True),
    ("openai", "gpt-4.1", False),
    ("openai-responses", "gpt-4.1", False),
    ("mistral", "mistral-large-latest", True),
    ("deepseek", "deepseek-chat", False),
    ("deepseek-beta", "deepseek-chat", True),
    ("openrouter", "anthropic/claude-sonnet-4.5", True),
    ("openrouter", "anthropic/claude-opus-4.6", False),
    ("openrouter", "openai/gpt-4.1", False),
    ("openrouter", "meta-llama/llama-3.3-70b-instruct", True),
    ("vllm", "meta-llama/Llama-3.3-70B-Instruct", True),
    ("cohere", "command-a", False),
]


@pytest.mark.parametrize(("preset", "model", "goes_on"), GOES_ON)
def test_who_goes_on(preset: str, model: str, goes_on: bool) -> None:
    row = PRESETS[preset]
    assert PROTOCOLS[row.protocol].continues(Dialect(preset, model, frozenset(row.quirks))) is goes_on


@pytest.mark.parametrize(
    ("preset", "body", "message"),
    [
        ("mistral", {}, {"prefix": True}),
        ("dashscope", {}, {"partial": True}),
        ("moonshot", {}, {"partial": True}),
        ("vllm", {"continue_final_message": True, "add_generation_prompt": False}, {}),
        ("llama-cpp", {"chat_template_kwargs": {"enable_thinking": False}}, {}),
        ("groq", {}, {}),
    ],
)
def test_how_a_server_is_asked(preset: str, body: dict[str, object], message: dict[str, object]) -> None:
    from gateway.ir.chat import Message, Request

    turns = (Message("user", (Text("Hi"),)), Message("assistant", (Reasoning(text=""), Text("Hel"))))
    dialect = Dialect(preset, "m", frozenset(PRESETS[preset].quirks))
    plain = PROTOCOLS["openai-chat"].encode_request(Request(origin="x", model="m", messages=turns), dialect).body
    request = Request(origin="x", model="m", messages=turns, continues=True)
    asked = PROTOCOLS["openai-chat"].encode_request(request, dialect).body
    assert asked == {**plain, **body, "messages": [plain["messages"][0], {**plain["messages"][1], **message}]}
