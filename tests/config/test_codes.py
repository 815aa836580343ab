"""The pages about codes are what is generated, and what they show is so."""

from __future__ import annotations

import pytest

from gateway.diagnostics.codes import CODES
from gateway.diagnostics.pages import explained, pages
from tests.config.codes import HERE, IN_WORDS, INDEX, PAGES, Example, examples, generated, loaded, within, wrong


def test_the_pages_are_generated() -> None:
    written, index = generated()
    assert PAGES.read_text() == written, "run `python -m tests.config.codes`"
    assert INDEX.read_text() == index, "run `python -m tests.config.codes`"


def test_every_code_has_a_page() -> None:
    assert list(pages()) == list(CODES)
    shown = examples()
    assert set(shown) | set(IN_WORDS) >= set(CODES), "a case shows it, or `IN_WORDS` says it"
    assert sum(each.instead is None for each in shown.values()) < 5, "say in `INSTEAD` what is written instead"
    assert explained("no-such-code") is None


@pytest.mark.parametrize("code", [code for code in CODES if code not in IN_WORDS])
def test_what_is_written_instead_is_free_of_it(code: str) -> None:
    example: Example = examples()[code]
    assert code in {each.code for each in example.loaded.diagnostics}
    if example.instead is None:
        return
    assert wrong(code, example) == []
    with within(HERE):
        from pathlib import Path

        assert loaded(Path(example.file), example.instead).diagnostics.errors == []
