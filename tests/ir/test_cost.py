"""What an answer costs: once for each token, at its own rate. Vendors' own usage, read by their wires, priced by hand."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ir.cost import FIELDS, Price, Tier, cost, dearest, per_token, usd
from gateway.ir.usage import Usage
from gateway.protocols import PROTOCOLS

SONNET = Price(input=3, output=15, cached_input=0.3, cache_write=3.75, cache_write_1h=6)
GPT_4O = Price(input=2.5, output=10, cached_input=1.25)
PRO = Price(
    input=1.25, output=10, cached_input=0.125,
    tiers=(Tier(above=200_000, input=2.5, output=15, cached_input=0.25),),
)  # fmt: skip
FLASH = Price(input=0.3, output=2.5, cached_input=0.03, audio_input=1)
VOICE = Price(input=2.5, output=10, audio_input=40, audio_output=80)

# What vendors answer, and what their price pages make of it: micro-dollars, token by token.
ANSWERS = [
    # https://platform.openai.com/docs/guides/prompt-caching: cached tokens are inside prompt_tokens
    (
        "openai-chat",
        {"prompt_tokens": 2006, "completion_tokens": 300, "total_tokens": 2306,
         "prompt_tokens_details": {"cached_tokens": 1920},
         "completion_tokens_details": {"reasoning_tokens": 0}},
        GPT_4O, 86 * 2.5 + 1920 * 1.25 + 300 * 10,
    ),
    # reasoning is inside completion_tokens, and costs what they cost
    (
        "openai-chat",
        {"prompt_tokens": 26, "completion_tokens": 637, "total_tokens": 663,
         "completion_tokens_details": {"reasoning_tokens": 448}},
        GPT_4O, 26 * 2.5 + 637 * 10,
    ),
    # https://platform.openai.com/docs/guides/audio: sound is inside both counts
    (
        "openai-chat",
        {"prompt_tokens": 112, "completion_tokens": 250, "total_tokens": 362,
         "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 100},
         "completion_tokens_details": {"audio_tokens": 200}},
        VOICE, 12 * 2.5 + 100 * 40 + 50 * 10 + 200 * 80,
    ),
    (
        "openai-responses",
        {"input_tokens": 2006, "output_tokens": 300, "total_tokens": 2306,
         "input_tokens_details": {"cached_tokens": 1920}, "output_tokens_details": {"reasoning_tokens": 200}},
        GPT_4O, 86 * 2.5 + 1920 * 1.25 + 300 * 10,
    ),
    # https://platform.claude.com/docs/en/build-with-claude/prompt-caching: the three counts stand beside each other
    (
        "anthropic",
        {"input_tokens": 2048, "cache_read_input_tokens": 1800, "cache_creation_input_tokens": 248,
         "output_tokens": 503, "cache_creation": {"ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100}},
        SONNET, 2048 * 3 + 1800 * 0.3 + 148 * 3.75 + 100 * 6 + 503 * 15,
    ),
    (
        "anthropic",
        {"input_tokens": 21, "cache_creation_input_tokens": 188086, "cache_read_input_tokens": 0, "output_tokens": 393},
        SONNET, 21 * 3 + 188086 * 3.75 + 393 * 15,
    ),
    # https://ai.google.dev/gemini-api/docs/thinking: thoughts stand beside the candidates, and are billed as output
    (
        "gemini",
        {"promptTokenCount": 1000, "candidatesTokenCount": 200, "thoughtsTokenCount": 500, "totalTokenCount": 1700},
        FLASH, 1000 * 0.3 + 700 * 2.5,
    ),
    # cached tokens are inside promptTokenCount, and so is sound
    (
        "gemini",
        {"promptTokenCount": 5000, "cachedContentTokenCount": 4000, "candidatesTokenCount": 10,
         "totalTokenCount": 5010},
        FLASH, 1000 * 0.3 + 4000 * 0.03 + 10 * 2.5,
    ),
    (
        "gemini",
        {"promptTokenCount": 700, "candidatesTokenCount": 10, "totalTokenCount": 710,
         "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 60}, {"modality": "AUDIO", "tokenCount": 640}]},
        FLASH, 60 * 0.3 + 640 * 1 + 10 * 2.5,
    ),
    # https://ai.google.dev/gemini-api/docs/pricing: above 200k the whole request has the higher rates
    (
        "gemini",
        {"promptTokenCount": 250_000, "cachedContentTokenCount": 100_000, "candidatesTokenCount": 1000,
         "totalTokenCount": 251_000},
        PRO, 150_000 * 2.5 + 100_000 * 0.25 + 1000 * 15,
    ),
    (
        "gemini",
        {"promptTokenCount": 200_000, "candidatesTokenCount": 1000, "totalTokenCount": 201_000},
        PRO, 200_000 * 1.25 + 1000 * 10,
    ),
]  # fmt: skip

BODIES = {
    "openai-chat": lambda usage: {
        "id": "x", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
    },
    "openai-responses": lambda usage: {
        "id": "x", "object": "response", "created_at": 1, "model": "m", "status": "completed", "usage": usage,
        "output": [{"type": "message", "id": "y", "role": "assistant", "status": "completed",
                    "content": [{"type": "output_text", "text": "hi", "annotations": []}]}],
    },
    "anthropic": lambda usage: {
        "id": "x", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn", "usage": usage,
        "content": [{"type": "text", "text": "hi"}],
    },
    "gemini": lambda usage: {
        "candidates": [{"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [{"text": "hi"}]}}],
        "usageMetadata": usage,
    },
}  # fmt: skip


@pytest.mark.parametrize(("wire", "usage", "price", "micro"), ANSWERS)
def test_what_vendors_answer_costs_what_their_pages_say(
    wire: str, usage: dict[str, object], price: Price, micro: float
) -> None:
    read = PROTOCOLS[wire].decode_answer(msgspec.json.encode(BODIES[wire](usage)))
    assert read is not None
    assert cost(read, price) == round(micro * 1000)


def test_a_stream_that_counts_twice_is_billed_once() -> None:
    """message_start and message_delta each tell the whole usage so far: snapshots, not increments."""
    start = {
        "type": "message_start",
        "message": {
            "id": "x", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
            "usage": {"input_tokens": 2048, "cache_read_input_tokens": 1800, "cache_creation_input_tokens": 248,
                      "output_tokens": 1},
        },
    }  # fmt: skip
    text = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}}
    end = {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"input_tokens": 2048, "cache_read_input_tokens": 1800, "cache_creation_input_tokens": 248,
                  "output_tokens": 503},
    }  # fmt: skip
    opened = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    sniffer = PROTOCOLS["anthropic"].stream_sniffer(False)
    for event in (start, opened, text, end, {"type": "message_stop"}):
        sniffer.feed(f"event: {event['type']}\ndata: {msgspec.json.encode(event).decode()}\n\n".encode())
    sniffer.finish()
    assert sniffer.usage is not None
    assert cost(sniffer.usage, SONNET) == (2048 * 3000 + 1800 * 300 + 248 * 3750 + 503 * 15000)


@pytest.mark.parametrize(
    ("usage", "nano"),
    [
        (Usage(input=10, cached=50), 10 * 300),  # a proxy that reports beside what it should report inside
        (Usage(input=10, cached=8, cache_write=8), 8 * 300 + 2 * 3750),
        (Usage(input=10, cache_write=4, cache_write_1h=9), 6 * 3000 + 4 * 6000),
        (Usage(output=5, reasoning=50), 5 * 15000),
        (Usage(input=-5, output=-7, cached=-3), 0),
        (Usage(input=5, cached=-3), 5 * 3000),
        (Usage(), 0),
    ],
)
def test_a_usage_that_cannot_be_is_never_dearer_than_its_whole(usage: Usage, nano: int) -> None:
    assert cost(usage, SONNET) == nano


def test_a_price_is_exact() -> None:
    """0.1 + 0.2 in binary is not 0.3, a million times over; a token below a nano-dollar is rounded up."""
    price = Price(input=0.1, output=0.2)
    assert cost(Usage(input=3, output=3), price) == 900
    assert cost(Usage(input=1), Price(input=0.0001, output=0)) == 1
    assert cost(Usage(input=10_000_000), Price(input=0.0001, output=0)) == 1_000_000
    assert [usd(nano) for nano in (0, 1, 1500, 10**9, 1_250_000_000)] == ["0", "0.000000001", "0.0000015", "1", "1.25"]
    assert [usd(dollars * 10**9) for dollars in (10, 100, 12_000)] == ["10", "100", "12000"]
    assert per_token(SONNET.rates[0].cached) == "0.0000003"


def test_tiers_apply_by_size_whatever_their_order() -> None:
    price = Price(input=1, output=1, cached_input=0.5, tiers=(Tier(above=100, input=4), Tier(above=10, input=2)))
    assert [cost(Usage(input=size), price) // 1000 for size in (10, 11, 100, 101)] == [10, 22, 200, 404]
    assert cost(Usage(input=101, cached=101), price) == 101 * 500, "what a tier does not say is the base price's"


def test_replacing_a_field_changes_the_rates() -> None:
    assert cost(Usage(input=1), msgspec.structs.replace(SONNET, input=4)) == 4000


counts = st.integers(-10, 400_000)
rates = st.none() | st.integers(0, 10**9).map(lambda micro: micro / 10**6)
usages = st.builds(
    Usage, input=counts, output=counts, cached=counts, cache_write=counts, cache_write_1h=counts, reasoning=counts,
    audio_input=counts, audio_output=counts,
)  # fmt: skip
some = dict.fromkeys(FIELDS, rates)
tiers = st.lists(st.builds(Tier, above=st.integers(1, 300_000), **some), max_size=2).map(tuple)
prices = st.builds(Price, **some, tiers=tiers)


@given(usages, st.builds(Price, input=rates, output=rates))
def test_a_price_without_parts_counts_as_one_that_says_the_same_of_each(usage: Usage, price: Price) -> None:
    """A tier that nobody reaches leads the long way, which prices each part by itself."""
    assert price.even is not None
    apart = msgspec.structs.replace(price, tiers=(Tier(above=10**9),))
    assert apart.even is None
    assert cost(usage, price) == cost(usage, apart)
    read, written = max(usage.input, 0), max(usage.output, 0)
    assert dearest(price, read, written) == dearest(apart, read, written)


@pytest.mark.parametrize("field", [field for field in FIELDS if field not in ("input", "output")])
def test_a_part_with_a_rate_of_its_own_makes_a_price_uneven(field: str) -> None:
    assert Price(**{"input": 1, "output": 2, field: 3}).even is None
    assert Price(input=1, output=2, tiers=(Tier(above=9, **{field: 3}),)).even is None


@given(usages, prices)
def test_never_negative_and_never_above_the_dearest(usage: Usage, price: Price) -> None:
    assert 0 <= cost(usage, price) <= dearest(price, max(usage.input, 0), max(usage.output, 0))


@given(prices, *[st.integers(0, 10**6)] * 4)
def test_dearest_grows_with_its_tokens(price: Price, read: int, more: int, written: int, longer: int) -> None:
    assert dearest(price, read, written) <= dearest(price, read + more, written + longer)


@given(*[st.integers(0, 10_000)] * 7, prices.filter(lambda price: not price.tiers))
def test_the_sum_of_the_parts(
    plain: int, cached: int, write: int, hour: int, heard: int, said: int, thought: int, price: Price
) -> None:
    """Each part by itself, at its own rate or that of its whole, is what the whole costs."""
    whole = Usage(
        input=plain + cached + write + hour + heard, cached=cached, cache_write=write + hour, cache_write_1h=hour,
        audio_input=heard, output=said + thought, reasoning=thought,
    )  # fmt: skip

    def rate(*names: str) -> Fraction:
        return next((Fraction(repr(v)) for name in names if (v := getattr(price, name)) is not None), Fraction(0))

    micro = (
        plain * rate("input")
        + cached * rate("cached_input", "input")
        + write * rate("cache_write", "input")
        + hour * rate("cache_write_1h", "cache_write", "input")
        + heard * rate("audio_input", "input")
        + said * rate("output")
        + thought * rate("reasoning", "output")
    )
    assert cost(whole, price) == ceil(micro * 1000)


@given(usages, prices, st.integers(0, 1000))
def test_more_output_never_costs_less(usage: Usage, price: Price, more: int) -> None:
    longer = msgspec.structs.replace(usage, output=max(usage.output, 0) + more)
    assert cost(longer, msgspec.structs.replace(price, reasoning=None, audio_output=None)) >= cost(
        usage, msgspec.structs.replace(price, reasoning=None, audio_output=None)
    )
