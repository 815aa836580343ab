"""The words: parsing, precedence, messages; and the documentation that must say the same."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from gateway.sandbox.script import FAULTS, WORDS, Script, UnknownWord, name_of, parse, recovered

DOCS = Path(__file__).parent.parent.parent / "docs" / "sandbox.md"


def test_words_of_a_model() -> None:
    assert parse("sandbox") == Script()
    assert parse("anything/at-all.v1") == Script()
    assert parse("sandbox:tokens=5:latency=200ms") == Script(tokens=5, latency=0.2)
    assert parse("sandbox+tokens=5+rate=50/s") == Script(tokens=5, rate=50.0)
    assert parse("sandbox:tokens=0") == Script(tokens=0), "nothing is a number of tokens"
    assert parse("sandbox:tokens=5:tokens=6") == Script(tokens=6), "the later one counts"
    assert parse("sandbox:latency=1.5s") == Script(latency=1.5)
    assert parse("sandbox:slow") == Script(latency=2.0)
    assert parse("sandbox:reasoning") == Script(reasoning=16)
    assert parse("sandbox:tool=a,b-c") == Script(tools=("a", "b-c"))
    assert parse("sandbox:unsupported=top_p") == Script(status=400, code="unsupported_parameter", param="top_p")
    assert parse("sandbox:overloaded") == Script(status=529, code="overloaded_error")
    assert parse("sandbox:overloaded=503") == Script(status=503, code="server_is_overloaded")
    assert name_of("echo:slow") == name_of("echo+slow") == name_of("echo") == "echo"


def test_the_header_wins_word_by_word() -> None:
    script = parse("sandbox:status=500:tokens=5", " status=429 ;; retry-after=Wed, 21 Oct 2026 07:28:00 GMT; ")
    assert script == Script(status=429, tokens=5, retry_after="Wed, 21 Oct 2026 07:28:00 GMT")
    assert parse("sandbox", "") == Script()


@pytest.mark.parametrize(
    ("model", "header", "param", "says"),
    [
        ("sandbox:slo", None, "model", "does not know the word 'slo'"),
        ("sandbox:", None, "model", "does not know the word ''"),
        ("sandbox", "Slow", "x-sandbox", "does not know the word 'Slow'"),
        ("sandbox:latency", None, "model", "needs a value, such as latency=200ms"),
        ("sandbox:latency=200", None, "model", "takes a duration such as 200ms or 1.5s"),
        ("sandbox:latency=-1s", None, "model", "takes a duration"),
        ("sandbox:rate=0/s", None, "model", "takes tokens per second"),
        ("sandbox:rate=50", None, "model", "takes tokens per second"),
        ("sandbox:tokens=1000000", None, "model", "a whole number up to 999999"),
        ("sandbox:tokens=٣", None, "model", "a whole number up to 999999"),
        ("sandbox:tokens=", None, "model", "a whole number up to 999999"),
        ("sandbox:status=200", None, "model", "an error status, 400 to 599"),
        ("sandbox:stall=5", None, "model", "takes no value; write stall"),
        ("sandbox", "retry-after=2\r\nx: y", "x-sandbox", "letters, digits"),
        ("sandbox:tool=a b", None, "model", "names of tools"),
    ],
)
def test_what_it_cannot_read_it_says(model: str, header: str | None, param: str, says: str) -> None:
    with pytest.raises(UnknownWord) as caught:
        parse(model, header)
    assert says in str(caught.value)
    assert caught.value.param == param


def test_an_unknown_word_lists_all_the_known_ones() -> None:
    with pytest.raises(UnknownWord) as caught:
        parse("sandbox:nonsense")
    assert str(caught.value).endswith(f"It knows: {', '.join(WORDS)}.")


@pytest.mark.parametrize("word", WORDS)
def test_every_word_has_an_example_that_does_something(word: str) -> None:
    row = WORDS[word]
    assert row.example.partition("=")[0] == word
    assert parse(f"sandbox:{row.example}") != Script()
    assert parse("sandbox", row.example) == parse(f"sandbox:{row.example}")


def test_recovery_takes_the_faults_and_leaves_the_rest() -> None:
    ill = parse("sandbox:tokens=5:seed=2:latency=1s:rate=5/s:status=429:retry-after=2:cut-at=3:no-done:split")
    assert recovered(ill) == Script(tokens=5, seed=2, latency=1.0, rate=5.0, split=True)
    assert set(FAULTS) <= set(msgspec.structs.asdict(Script()))


def test_the_documentation_has_the_same_table() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| (.+?) \| `([^`]+)` \|$", DOCS.read_text(), re.MULTILINE)
    assert rows == [(word, row.meaning, row.example) for word, row in WORDS.items()]
