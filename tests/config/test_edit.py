"""Edits change what they are told to, and not a byte beside it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gateway.config.edit import Change, Changed, Edit, Put, Remove, Unwritable, changes, edited, flow, write
from gateway.config.load import load
from gateway.config.read import read
from gateway.engine.known import KNOWN

ROOT = Path(__file__).parents[2]
WRITTEN = [
    *sorted((ROOT / "tests/config/cases/good").rglob("*.yaml")),
    *sorted((ROOT / "examples").glob("*.yaml")),
    ROOT / "router.yaml",
]
REFUSED = {"anchors-and-merges"}  # anchors and merges
TEXT = """\
# The head.
version: 1

gateway: {auth: open}   # for now
providers:
  sandbox: {}  # built in
  'house':
    base_url: "http://10.0.0.5/v1"   # quotes stay

    # a comment inside
    protocol: openai-chat
    api_key: none
models: { m: {provider: sandbox}, n: {provider: house , id: x} }
keys:

# Two people.
    anna:  {hash: 'sha256:0', team: a}   # first
    bert:
        hash: sha256:1
        allow:
        - m
        - n   # and this

# The tail.
"""


def plain(text: str) -> Any:
    tree, wrong = read("f", text.encode())
    assert tree is not None and not wrong
    return tree.value


def after(*edits: Edit, text: str = TEXT) -> str:
    return edited("f", text.encode(), edits).decode()


def lines(old: str, new: str) -> list[str]:
    """What a diff says, without its head and its context."""
    patch = Change("f", old.encode(), new.encode()).patch().splitlines()
    return [line for line in patch if re.match(r"[+-](?![+-])", line)]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (Put(("keys", "carl"), {"hash": "sha256:2", "allow": ["m", "gpt-*"], "expires": "2027-01-31"}),
         ['+    carl: {hash: "sha256:2", allow: [m, "gpt-*"], expires: 2027-01-31}']),
        (Put(("keys", "anna", "hash"), "sha256:9"),
         ["-    anna:  {hash: 'sha256:0', team: a}   # first", '+    anna:  {hash: "sha256:9", team: a}   # first']),
        (Put(("keys", "anna", "disabled"), True),
         ["-    anna:  {hash: 'sha256:0', team: a}   # first",
          "+    anna:  {hash: 'sha256:0', team: a, disabled: true}   # first"]),
        (Put(("keys", "bert", "disabled"), True), ["+        disabled: true"]),
        (Put(("keys", "bert", "allow"), ["m"]),
         ["-        allow:", "-        - m", "-        - n   # and this",
          "+        allow: [m]   # and this"]),
        (Remove(("keys", "anna")), ["-    anna:  {hash: 'sha256:0', team: a}   # first"]),
        (Remove(("keys", "anna", "team")),
         ["-    anna:  {hash: 'sha256:0', team: a}   # first", "+    anna:  {hash: 'sha256:0'}   # first"]),
        (Remove(("keys", "anna", "hash")),
         ["-    anna:  {hash: 'sha256:0', team: a}   # first", "+    anna:  {team: a}   # first"]),
        (Remove(("keys", "bert")),
         ["-    bert:", "-        hash: sha256:1", "-        allow:", "-        - m", "-        - n   # and this"]),
        (Put(("models", "o"), {"provider": "sandbox"}),
         ["-models: { m: {provider: sandbox}, n: {provider: house , id: x} }",
          "+models: { m: {provider: sandbox}, n: {provider: house , id: x}, o: {provider: sandbox} }"]),
        (Remove(("models", "m")),
         ["-models: { m: {provider: sandbox}, n: {provider: house , id: x} }",
          "+models: { n: {provider: house , id: x} }"]),
        (Remove(("models", "n", "id")),
         ["-models: { m: {provider: sandbox}, n: {provider: house , id: x} }",
          "+models: { m: {provider: sandbox}, n: {provider: house} }"]),
        (Put(("teams", "a"), {"allow": ["m"]}), ["+teams:", "+  a: {allow: [m]}"]),
        (Put(("providers", "sandbox", "tags"), ["eu"]),
         ["-  sandbox: {}  # built in", "+  sandbox: {tags: [eu]}  # built in"]),
        (Put(("gateway", "auth"), "keys"),
         ["-gateway: {auth: open}   # for now", "+gateway: {auth: keys}   # for now"]),
        (Put(("providers", "house", "base_url"), "http://[::1]/v1"),
         ['-    base_url: "http://10.0.0.5/v1"   # quotes stay', '+    base_url: "http://[::1]/v1"   # quotes stay']),
    ],
    ids=lambda value: f"{type(value).__name__} {'.'.join(value.path)}" if isinstance(value, Put | Remove) else "",
)  # fmt: skip
def test_an_edit_is_these_lines_and_no_other(edit: Edit, said: list[str]) -> None:
    assert lines(TEXT, after(edit)) == said


def test_a_section_that_is_emptied_stays_a_mapping() -> None:
    text = "version: 1\nkeys:\n  a: {hash: x}  # one\nmodels: {}\n"
    assert after(Remove(("keys", "a")), text=text) == "version: 1\nkeys: {}\nmodels: {}\n"
    empty = "version: 1\nkeys:  # nobody yet\nmodels: {}\n"
    new = after(Put(("keys", "a"), {"hash": "x"}), text=empty)
    assert new == "version: 1\nkeys:  # nobody yet\n  a: {hash: x}\nmodels: {}\n"


def test_several_edits_follow_each_other() -> None:
    new = after(
        Put(("keys", "anna", "hash"), "b"), Put(("keys", "anna", "former"), {"hash": "a", "until": "2027-01-31"})
    )
    assert plain(new)["keys"]["anna"] == {"hash": "b", "team": "a", "former": {"hash": "a", "until": "2027-01-31"}}
    assert len(lines(TEXT, new)) == 2


def test_the_ends_of_lines_and_of_the_file_stay() -> None:
    windows = b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode()
    new = edited("f", windows, [Put(("keys", "carl"), {"hash": "x"})])
    assert new == windows.replace(b"# and this\r\n", b"# and this\r\n    carl: {hash: x}\r\n")
    assert after(Put(("b",), 2), text="a: 1") == "a: 1\nb: 2\n"
    with pytest.raises(Unwritable, match="mixes line ends"):
        edited("f", b"a: 1\r\nb: 2\n", [Put(("c",), 3)])


ANCHORS = "version: 1\nkeys:\n  a: &a {hash: x}\n  b: *a\n  c:\n    <<: *a\n    team: t\nmodels: !!map {}\n"


@pytest.mark.parametrize(
    "edit",
    [
        Put(("keys", "b", "team"), "t"),  # it would be a's too
        Remove(("keys", "a")),  # the others refer to it
        Put(("keys", "c", "hash"), "y"),
        Remove(("keys", "c", "hash")),
    ],
)
def test_what_cannot_be_spliced_is_left_alone(edit: Edit) -> None:
    try:
        new = after(edit, text=ANCHORS)
    except (Unwritable, KeyError):
        return
    old = plain(ANCHORS)
    assert isinstance(edit, Put), "only an addition beside a merge is possible"
    old["keys"][edit.path[1]][edit.path[2]] = edit.value
    assert plain(new) == old


def test_what_is_not_there_cannot_be_removed() -> None:
    with pytest.raises(KeyError, match="zoe"):
        after(Remove(("keys", "zoe")))


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_an_entry_of_any_good_file_is_changed_alone(path: Path) -> None:
    """What stands above an entry's line, and from the next name on, is the same; a new name only adds."""
    data = path.read_bytes()
    old = data.decode().splitlines(keepends=True)
    tree, _ = read(str(path), data)
    assert tree is not None
    named = [(section, name) for section, each in tree.value.items() if isinstance(each, dict) for name in each]
    starts = sorted({span.line for key in [(each,) for each in tree.value] + named if (span := tree.key_span(key))})
    done = refused = 0
    for section, name in named:
        span = tree.key_span((section, name))
        assert span is not None
        only = len(tree.value[section]) == 1  # then the section's own line gets its `{}`
        above, below = (
            span.line - 1 - only,
            min([line for line in starts if line > span.line], default=len(old) + 1) - 1,
        )
        for edit in (Remove((section, name)), Put((section, name), {"x": ["y", 1, True]})):
            try:
                new = edited(str(path), data, [edit]).decode().splitlines(keepends=True)
            except Unwritable:
                refused += 1
                continue
            done += 1
            assert new[:above] == old[:above], edit
            assert new[len(new) - (len(old) - below) :] == old[below:], edit
    for section in dict.fromkeys(section for section, _ in named):
        added = edited(str(path), data, [Put((section, "new"), "z")]).decode().splitlines(keepends=True)
        gone = [line for line in lines("".join(old), "".join(added)) if line.startswith("-")]
        assert len(gone) <= 1 and all(line.rstrip().endswith("}") or "}  #" in line for line in gone)
    assert refused == 0 or path.stem in REFUSED, f"{refused} of {done + refused} refused"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("m", "m"), ("gpt-*", '"gpt-*"'), ("true", '"true"'), ("No", '"No"'), ("12", '"12"'), ("1e3", '"1e3"'),
        ("60/minute", "60/minute"), ("30s", "30s"), ("2027-01-31", "2027-01-31"), ("a: b", '"a: b"'), ("", '""'),
        ("é\n", '"é\\n"'), (True, "true"), (1.5, "1.5"), (None, "null"), ({"a": ["b", {}]}, "{a: [b, {}]}"),
        ("~", '"~"'), ("-", '"-"'), ("x #y", '"x #y"'), ("0x1f", '"0x1f"'), ("#", '"#"'),
    ],
)  # fmt: skip
def test_values_are_written_so_that_they_are_read_again(value: Any, written: str) -> None:
    assert flow(value) == written
    assert plain(f"a: {flow(value)}\n") == {"a": value}
    assert plain(f"a: {{b: {flow(value)}, c: [{flow(value)}]}}\n") == {"a": {"b": value, "c": [value]}}


MAIN = "version: 1\ninclude: [people/*.yaml]\nproviders: {sandbox: {}}\nmodels: {m: {provider: sandbox}}\n"
PEOPLE = "# people\nkeys:\n  anna: {from: {env: ANNA}}  # her\n"


def test_the_file_that_owns_an_entry_is_edited(tmp_path: Path) -> None:
    main, people = tmp_path / "router.yaml", tmp_path / "people" / "a.yaml"
    people.parent.mkdir()
    main.write_text(MAIN)
    people.write_text(PEOPLE)
    loaded = load([main], known=KNOWN, environ={}, stand_ins=True)
    edits: list[Edit] = [
        Put(("keys", "anna", "team"), "t"),
        Put(("keys", "bert"), {"hash": "x"}),
        Remove(("models", "m")),
    ]
    found = {change.file: change.after.decode() for change in changes(loaded, edits)}
    assert found == {
        str(people): "# people\nkeys:\n  anna: {from: {env: ANNA}, team: t}  # her\n  bert: {hash: x}\n",
        str(main): MAIN.replace("{m: {provider: sandbox}}", "{}"),
    }


def test_writing_is_one_step_and_keeps_mode_and_links(tmp_path: Path) -> None:
    real, link = tmp_path / "real.yaml", tmp_path / "router.yaml"
    real.write_text("a: 1\n")
    real.chmod(0o640)
    link.symlink_to(real)
    write([Change(str(link), b"a: 1\n", b"a: 2\n")])
    assert link.is_symlink() and real.read_text() == "a: 2\n" and real.stat().st_mode & 0o777 == 0o640
    other = tmp_path / "other.yaml"
    other.write_text("b: 1\n")
    with pytest.raises(Changed, match="was changed"):
        write([Change(str(other), b"b: 1\n", b"b: 2\n"), Change(str(link), b"a: 1\n", b"a: 3\n")])
    assert other.read_text() == "b: 1\n" and sorted(p.name for p in tmp_path.iterdir()) == [
        "other.yaml", "real.yaml", "router.yaml",
    ]  # fmt: skip
