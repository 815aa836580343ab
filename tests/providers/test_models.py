"""Facts of upstream models: the catalog says what the library says, found as the library finds it."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import msgspec
import pytest
from genai_prices import Usage as TheirUsage
from genai_prices import data
from genai_prices.data_snapshot import DataSnapshot
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.model import Capability
from gateway.ir.cost import Price, cost
from gateway.ir.usage import Usage
from gateway.providers import models
from gateway.providers.capabilities import ROWS, SUPPORTS
from gateway.providers.catalog import PRESETS
from gateway.providers.refresh import FILE, written

LIBRARY = DataSnapshot(providers=data.providers, from_auto_update=False)
HEAD = msgspec.json.decode(FILE.read_bytes())
AS_OF = datetime.fromisoformat(HEAD["as_of"]).replace(hour=12, tzinfo=UTC)
IDS = [(provider.id, model.id) for provider in data.providers for model in provider.models]
PRESETS_IDS = [each for each in IDS if each[0] in {*models.CATALOGS.values()} - {"openrouter"}]


def test_the_file_is_what_the_library_says() -> None:
    assert FILE.read_text() == written(AS_OF.date()), "python -m gateway.providers.refresh"


@pytest.mark.parametrize("suffix", ["", "-20260101", ":free"])
def test_ids_are_found_as_the_library_finds_them(suffix: str) -> None:
    """Of the providers that have presets; the largest lists the others' models again."""
    for provider, id_ in PRESETS_IDS:
        try:
            theirs = LIBRARY.find_provider_model(id_ + suffix, None, provider, None)[1].id
        except LookupError:
            theirs = ""
        assert models.facts.__wrapped__(provider, id_ + suffix).id == theirs, (provider, id_ + suffix)


@given(
    st.sampled_from(PRESETS_IDS), st.integers(0, 500_000), st.integers(0, 100_000), st.data(),
)  # fmt: skip
def test_costs_are_the_librarys(model: tuple[str, str], read: int, wrote: int, more: st.DataObject) -> None:
    """Where the library prices by the hour ours is the dearest, never less; else to the nano-dollar, rounded up."""
    known = models.facts(*model)
    if known.price is None or not known.id:
        return
    found = LIBRARY.find_provider_model(model[1], None, model[0], None)[1]
    cached = more.draw(st.integers(0, read)) if known.price.cached_input is not None else 0
    written_ = more.draw(st.integers(0, read - cached)) if known.price.cache_write is not None else 0
    usage = Usage(input=read, output=wrote, cached=cached, cache_write=written_)
    counts = {"input_tokens": read, "output_tokens": wrote}
    counts |= {"cache_read_tokens": cached} if cached else {}
    counts |= {"cache_write_tokens": written_} if written_ else {}
    price = found.get_prices(AS_OF)
    if price.input_mtok is None or price.output_mtok is None:
        return  # what is not priced costs us nothing, and them a warning
    theirs = found.calc_price(TheirUsage(**counts), data.providers[0], genai_request_timestamp=AS_OF)
    total = (theirs.input_price + theirs.output_price) * 10**9
    ours = cost(usage, known.price)
    assert ours >= total
    if not isinstance(found.prices, list):
        assert ours - total < 2


def test_every_catalog_exists_and_every_preset_of_one() -> None:
    assert set(models.CATALOGS) <= set(PRESETS)
    assert set(models.CATALOGS.values()) - {models.SANDBOX} <= {provider["id"] for provider in HEAD["providers"]}
    assert set(models.CATALOGS.values()) >= models.MAKERS


@pytest.mark.parametrize(
    ("preset", "url", "catalog"),
    [
        ("openai", None, "openai"),
        ("vertex-claude", "https://eu.example/v1", "google"),
        (None, "https://api.openai.com/v1", "openai"),
        (None, "https://api.deepseek.com/v1", "deepseek"),
        (None, "http://10.0.0.5:8000/v1", ""),
        ("vllm", "http://127.0.0.1:8000/v1", ""),
        (None, None, ""),
    ],
)
def test_the_catalog_of_a_provider(preset: str | None, url: str | None, catalog: str) -> None:
    assert models.catalog_of(preset, url) == catalog


def test_what_is_known_of_some() -> None:
    claude = models.facts("anthropic", "claude-sonnet-4-5-20250929")
    assert (claude.id, claude.context, claude.max_output) == ("claude-sonnet-4-5", 200_000, 64_000)
    assert claude.price is not None
    assert (claude.price.cache_write, claude.price.cache_write_1h, claude.price.source) == (3.75, 6, "catalog")
    assert "vision" in (claude.supports or ())
    assert "audio" not in (claude.supports or ())
    on_bedrock = models.facts("aws", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0")
    assert on_bedrock.supports == claude.supports
    assert models.facts("google", "gemini-2.5-pro").context == 1_048_576
    assert models.facts("anthropic", "claude-sonet-4-5") == models.Facts()
    assert models.facts("", "gpt-4o") == models.Facts()
    assert models.facts("sandbox", "anything").price == Price(input=0, output=0, source="catalog")


@pytest.mark.parametrize(
    ("catalog", "id_", "yes", "no"),
    [
        ("anthropic", "claude-opus-4-6", "vision", "prefill"),
        ("anthropic", "claude-opus-4-1-20250805", "prefill", "audio"),
        ("openai", "o3-mini", "tools", "vision"),
        ("openai", "gpt-4o-audio-preview", "audio", "vision"),
        ("openai", "gpt-4o-2024-08-06", "json_schema", "reasoning"),
        ("google", "gemini-2.5-flash", "video", "prefill"),
        ("deepseek", "deepseek-chat", "json_object", "json_schema"),
        ("groq", "llama-3.3-70b-versatile", "tools", "vision"),
        ("aws", "meta.llama3-3-70b-instruct-v1:0", "tools", "vision"),
        ("fireworks", "accounts/fireworks/models/llama-v3p3-70b-instruct", "tools", "vision"),
    ],
)
def test_what_models_can_do(catalog: str, id_: str, yes: str, no: str) -> None:
    supports = models.facts(catalog, id_).supports
    assert supports is not None
    assert yes in supports
    assert no not in supports


@pytest.mark.parametrize(
    ("catalog", "id_"),
    [
        ("anthropic", "claude-opus-5-5"),
        ("openai", "gpt-image-1"),
        ("openai", "text-embedding-3-small"),
        ("google", "gemini-2.5-flash-image"),
        ("", "claude-sonnet-4-5"),
    ],
)
def test_what_no_row_says_is_unknown(catalog: str, id_: str) -> None:
    assert models.facts(catalog, id_).supports is None


def test_the_words_are_those_of_the_file_and_rows_use_no_others() -> None:
    assert set(SUPPORTS) == set(Capability.__args__)
    for row in ROWS:
        assert row.known.supports is not None
        assert row.known.supports <= set(SUPPORTS)
        assert row.source.startswith("https://")
        assert row.catalogs <= set(models.CATALOGS.values())
    assert models.known_words(["json_schema"]) == {"json_schema", "json_object"}


def test_every_row_has_a_model() -> None:
    """A pattern that matches nothing that is priced anywhere is a slip."""
    dated = [("cohere", "command-a-03-2025"), ("cohere", "command-r-08-2024")]  # priced without their dates
    for row in ROWS:
        ids = [id_ for catalog, id_ in (*IDS, *dated) if catalog in row.catalogs]
        assert any(row.pattern.fullmatch(id_.lower()) for id_ in ids), row.pattern


def test_a_file_without_vendors_models_reads_no_catalog_and_never_the_library() -> None:
    code = (
        "import sys, time; from gateway.providers import models; models.facts('sandbox', 'm'); "
        "models.facts('', 'm'); assert models._file.cache_info().currsize == 0; "
        "models.facts('openai', 'gpt-4.1'); assert 'genai_prices' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
