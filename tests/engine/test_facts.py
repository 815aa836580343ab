"""What a target is known to be: the file over the catalog, field by field."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gateway.engine.facts import merged
from gateway.ir.cost import Price, Tier, cost
from gateway.ir.usage import Usage
from gateway.routing.node import Target
from tests.engine.test_build import engine, node

TEXT = """
version: 1
gateway: {auth: open}
providers:
  anthropic: {api_key: {env: ONE}}
  openai: {api_key: {env: TWO}}
  azure: {api_key: {env: TWO}, resource: here}
  house: {preset: vllm}
  sandbox: {}
models:
  known: {provider: anthropic, id: claude-sonnet-4-5}
  told:
    provider: anthropic
    id: claude-sonnet-4-5
    context: 100k
    supports: [json_schema]
    price: {input: 2, cached_input: 0.1}
  tiered:
    provider: anthropic
    id: claude-sonnet-4-5
    price: {tiers: [{above: 50k, input: 9}]}
  placed: {max_output: 1k, deployments: [{provider: openai, id: gpt-4o}, {provider: azure, id: gpt-4o-mini}]}
  mine: {provider: house, supports: []}
  mine-priced: {provider: house, price: {input: 0, output: 0}}
  free: {provider: sandbox}
  "a/*": {provider: anthropic, id: "*"}
  "b/*": {provider: anthropic, id: "*", price: {output: 1}, max_output: 5}
"""


@pytest.fixture
def known(tmp_path: Path) -> dict[str, Target]:
    built = engine(tmp_path, TEXT)
    names = ("known", "told", "tiered", "mine", "mine-priced", "free", "a/claude-opus-4-1", "b/claude-opus-4-1", "a/x")
    return {name: node(built, name) for name in (*names, "placed@openai", "placed@azure")}


def test_the_catalog_fills_what_the_file_leaves_open(known: dict[str, Target]) -> None:
    target = known["known"]
    assert (target.catalog, target.context, target.max_output) == ("anthropic", 200_000, 64_000)
    assert target.price is not None
    assert (target.price.input, target.price.source) == (3, "catalog")
    assert known["free"].price == Price(input=0, output=0, source="catalog")
    assert known["mine"].price is known["mine"].context is known["mine"].max_output is None


def test_the_file_outranks_it_field_by_field(known: dict[str, Target]) -> None:
    told = known["told"]
    assert (told.context, told.max_output) == (100_000, 64_000)
    assert told.supports == {"json_schema", "json_object"}, "the file's list is the whole truth"
    price = told.price
    assert price is not None
    assert (price.input, price.output, price.cached_input, price.cache_write, price.source) == (
        2,
        15,
        0.1,
        3.75,
        "both",
    )
    long = Usage(input=250_000, cached=50_000, output=10)
    assert cost(long, price) == 200_000 * 2000 + 50_000 * 100 + 10 * 22_500, "what it says holds in every tier"
    assert known["mine"].supports == frozenset(), "nothing at all is not unknown"
    assert known["mine-priced"].price == Price(input=0, output=0)
    tiered = known["tiered"].price
    assert tiered is not None
    assert tiered.tiers == (Tier(above=50_000, input=9),)


def test_deployments_have_their_own(known: dict[str, Target]) -> None:
    big, small = known["placed@openai"], known["placed@azure"]
    assert big.price is not None and small.price is not None
    assert (big.price.input, small.price.input) == (2.5, 0.15)
    assert big.max_output == small.max_output == 1000
    assert big.context == 128_000


def test_a_patterns_model_is_known_when_its_id_is(known: dict[str, Target]) -> None:
    assert known["a/claude-opus-4-1"].price is not None
    assert known["a/claude-opus-4-1"].price.output == 75
    filled = known["b/claude-opus-4-1"]
    assert filled.price is not None
    assert (filled.price.input, filled.price.output, filled.max_output, filled.context) == (15, 1, 5, 200_000)
    assert known["a/x"].price is None


def test_a_price_of_nothing_but_a_cache_is_no_price() -> None:
    assert merged(Price(cached_input=1), None) is None
    assert merged(None, None) is None
    catalog = Price(input=1, output=2, source="catalog")
    assert merged(None, catalog) is catalog
    assert merged(Price(), catalog) == msgspec.structs.replace(catalog, source="both")


@pytest.mark.parametrize("change", ["context: 101k", "price: {input: 3}", "supports: [tools]", "max_output: 7"])
def test_facts_are_part_of_the_digest(tmp_path: Path, change: str) -> None:
    before = engine(tmp_path, TEXT).digest
    text = TEXT.replace("known: {provider: anthropic,", f"known: {{{change}, provider: anthropic,")
    assert engine(tmp_path, text).digest != before
    assert engine(tmp_path, TEXT).digest == before
