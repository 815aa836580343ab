"""Loading what no marked file can show: bytes, several files, references, revisions; and that nothing raises."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import read as reading
from gateway.config.handoff import restore
from gateway.config.load import Loaded, load
from gateway.config.read import read
from gateway.config.schema import published
from gateway.diagnostics.text import render
from gateway.engine.known import KNOWN

GOOD = "version: 1\ngateway: {auth: open}\nproviders: {sandbox: {}}\nmodels: {m: {provider: sandbox}}\n"


def of(directory: Path, *texts: str, **environ: str) -> Loaded:
    files = []
    for index, text in enumerate(texts):
        files.append(directory / f"{index}.yaml")
        files[-1].write_text(text)
    return load(files, known=KNOWN, environ=environ)


def codes(loaded: Loaded) -> list[str]:
    return [diagnostic.code for diagnostic in loaded.diagnostics]


@pytest.mark.parametrize(
    ("data", "code", "line", "column"),
    [
        (b"", "empty-file", 1, 1),
        (b"# only a comment\n", "empty-file", 1, 1),
        (b"version: 1\nname: caf\xe9\n", "not-utf8", 2, 10),
        (b"version: 1\nmodels:\n\tm: {}\n", "tab-indentation", 3, 1),
        (b"version: 1\nx: \x00\n", "yaml-syntax", 2, 4),
        (b"a: " + b"[" * 3000, "too-deep", 1, 4),
        (b"a: " + b"[" * 80 + b"]" * 80, "too-deep", 1, 64),
        (b"version: 1\nx: " + b"y" * (2 << 20), "too-large", 2, 1),
    ],
)
def test_bytes_that_are_no_configuration(data: bytes, code: str, line: int, column: int) -> None:
    _, found = read("f.yaml", data)
    assert [(d.code, d.span.line, d.span.column) for d in found if d.span is not None] == [(code, line, column)]


def test_an_alias_bomb_is_refused_quickly() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    _, found = read("f.yaml", "\n".join(lines).encode())
    assert [d.code for d in found] == ["too-many-aliases"]


def test_a_byte_order_mark_and_windows_lines_are_fine(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    loaded = load([file], known=KNOWN, environ={})
    assert codes(loaded) == []
    assert loaded.config is not None


def test_words_of_yaml_1_1_are_text(tmp_path: Path) -> None:
    loaded = of(tmp_path, GOOD + "aliases: {on: m, yes: m, no: m, off: m, y: m}\n")
    assert codes(loaded) == []
    assert loaded.config is not None
    assert set(loaded.config.aliases) == {"on", "yes", "no", "off", "y"}


def test_a_missing_file_is_a_finding(tmp_path: Path) -> None:
    assert codes(load([tmp_path / "none.yaml"], known=KNOWN, environ={})) == ["unreadable-file"]


def test_several_files_compose(tmp_path: Path) -> None:
    loaded = of(tmp_path, GOOD, "models: {n: {provider: sandbox}, m: {override: true, provider: sandbox, id: other}}\n")
    assert codes(loaded) == []
    assert loaded.config is not None
    assert loaded.config.models["m"].id == "other"
    assert list(loaded.config.models) == ["m", "n"]
    loaded = of(tmp_path, GOOD, "models: {m: {provider: sandbox}}\n")
    (found,) = loaded.diagnostics
    assert found.code == "declared-twice"
    assert found.span is not None
    assert found.span.path.endswith("1.yaml")
    assert found.related[0].span.path.endswith("0.yaml")


def test_findings_point_into_included_files(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.yaml").write_text("models:\n  n: {provider: sandbx}\n")
    loaded = of(tmp_path, "include: [more/*.yaml]\n" + GOOD)
    (found,) = loaded.diagnostics
    assert found.span is not None
    assert (found.code, found.span.path, found.span.line, found.span.column) == (
        "unknown-provider",
        str(tmp_path / "more" / "a.yaml"),
        2,
        17,
    )
    assert {tmp_path / "more", tmp_path / "more" / "a.yaml", tmp_path / "0.yaml"} <= set(loaded.files)


def test_a_file_reference_is_relative_to_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "key").write_text("beside-the-include")
    (tmp_path / "more" / "a.yaml").write_text(
        "providers: {openai: {api_key: {file: key}}}\nmodels: {n: {provider: openai}}\n"
    )
    loaded = of(tmp_path, "include: [more/*.yaml]\n" + GOOD)
    assert codes(loaded) == []
    assert list(loaded.secrets.handed_on().values()) == ["beside-the-include"]
    assert tmp_path / "more" / "key" in loaded.files


def test_references_are_resolved_before_typing(tmp_path: Path) -> None:
    text = GOOD.replace(
        "{auth: open}", "{auth: {env: AUTH}, workers: {env: WORKERS, default: 3}, listen: {env: WHERE}}"
    )
    loaded = of(tmp_path, text, AUTH="open", WHERE="127.0.0.1:99")
    assert codes(loaded) == []
    assert loaded.config is not None
    gateway = loaded.config.gateway
    assert (gateway.auth, gateway.workers, gateway.listen) == ("open", 3, "127.0.0.1:99")
    assert codes(of(tmp_path, text, AUTH="opne", WHERE="127.0.0.1:99")) == ["unknown-word"]
    assert codes(of(tmp_path, text, AUTH="open", WORKERS="many", WHERE="127.0.0.1:99")) != []


def test_secrets_stay_out_of_everything_that_is_shown(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("file-secret\n")
    text = GOOD.replace("sandbox: {}", "sandbox: {api_keys: {a: {env: A}, b: {file: key}}}")
    loaded = of(tmp_path, text, A="env-secret")
    assert codes(loaded) == []
    assert sorted(loaded.secrets.handed_on().values()) == ["env-secret", "file-secret"]
    assert loaded.config is not None
    for shown in (repr(loaded.secrets), str(loaded.config), loaded.config.model_dump_json(), loaded.revision):
        assert "-secret" not in shown
    config, secrets = restore(loaded.payload())
    assert config == loaded.config
    assert secrets.handed_on() == loaded.secrets.handed_on()


def test_a_secret_that_is_written_out_is_not_shown(tmp_path: Path) -> None:
    secret = "sk-0123456789abcdefghij0123456789"
    loaded = of(tmp_path, GOOD.replace("sandbox: {}", f"sandbox: {{api_key: {secret}}}"))
    assert set(codes(loaded)) == {"secret-literal"}
    assert secret not in render(loaded.diagnostics, loaded.sources, colour=False)


def test_the_revision_names_what_was_read(tmp_path: Path) -> None:
    text = GOOD.replace("sandbox: {}", "sandbox: {api_key: {env: A}}")
    first = of(tmp_path, text, A="one")
    assert of(tmp_path, text, A="one").revision == first.revision
    assert of(tmp_path, text, A="two").revision != first.revision
    assert of(tmp_path, text + "# a comment\n", A="one").revision != first.revision
    assert len(first.revision) == 64


def test_the_published_schema_is_the_models() -> None:
    file = Path(__file__).parents[2] / "schemas" / "router.schema.json"
    assert json.loads(file.read_text()) == published(), "run `gateway schema > schemas/router.schema.json`"


def test_every_field_is_described() -> None:
    schema = published()
    for definition in (schema, *schema["$defs"].values()):
        inner = definition["anyOf"][-1] if "anyOf" in definition else definition
        for name, field in inner.get("properties", {}).items():
            described = field.get("description") or "$ref" in field  # the definition says it
            assert described, f"{inner.get('title')}.{name}"


PIECES = st.sampled_from(
    ["version", "1", ": ", "{", "}", "[", "]", "\n", "  ", "- ", "models", "m", "providers", "sandbox", "&a ", "*a", "<<",
     "'", '"', "#", "|", ">", "!x ", "combos", "targets", "weight", "-1", "null", "~", "30s", "env", "\t", "é", "\x85", "? "]
)  # fmt: skip


@given(st.lists(PIECES, max_size=60).map("".join) | st.text())
def test_no_text_raises(text: str) -> None:
    from gateway.config.compose import Composed

    tree, found = read("f.yaml", text.encode("utf-8", "surrogatepass"))
    assert (tree is None) <= bool(found)
    assert Composed().value == {}


@given(data=st.data())
def test_no_mutation_of_a_good_file_raises(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    source = (Path(__file__).parent / "cases" / "good" / "short-and-long-forms.yaml").read_text()
    lines = source.splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    start = data.draw(st.integers(0, len(lines[at])))
    end = data.draw(st.integers(start, min(len(lines[at]), start + 12)))
    lines[at] = lines[at][:start] + data.draw(st.lists(PIECES, max_size=3).map("".join)) + lines[at][end:]
    file = tmp_path_factory.mktemp("mutated") / "r.yaml"
    file.write_text("\n".join(lines))
    loaded = load([file], known=KNOWN, environ={"CASE_KEY": "k" * 20, "CASE_URL": "http://h/v1"})
    render(loaded.diagnostics, loaded.sources, colour=True)
    assert all(d.span is not None for d in loaded.diagnostics)


def test_reading_grows_linearly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: the nodes that are visited grow with the models that are written."""

    def visits(models: int) -> int:
        count = 0
        original = reading._Builder.plain

        def counting(self: reading._Builder, *args: object) -> object:
            nonlocal count
            count += 1
            return original(self, *args)  # type: ignore[arg-type]

        monkeypatch.setattr(reading._Builder, "plain", counting)
        text = "models:\n" + "".join(f"  m{i}: {{provider: sandbox, id: x}}\n" for i in range(models))
        read("f.yaml", text.encode())
        monkeypatch.setattr(reading._Builder, "plain", original)
        return count

    assert visits(400) - visits(200) == visits(300) - visits(100)


def test_small_quantities_are_handed_on_as_they_are(tmp_path: Path) -> None:
    budget = "budgets: {b: {limit: 0.0000001 USD, per: day, warn_at: [0.001%, 55%]}}\n"
    loaded = of(tmp_path, GOOD + budget + "defaults: {retries: {backoff: 0.01ms..5s}}\n")
    assert codes(loaded) == []
    config, _ = restore(loaded.payload())
    assert config == loaded.config
