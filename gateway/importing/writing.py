"""A document as the text of router.yaml, in canonical form: a mapping that fits on a line stands on one.

The text says exactly what the document says: every scalar is quoted unless YAML 1.2 reads it back as the same text.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from gateway.config.fmt import formatted

_WIDTH: Final = 110
_SAFE: Final = re.compile(r"[A-Za-z/_][A-Za-z0-9 _./@+%()=$;!?'~^-]*(:[A-Za-z0-9_./@+-][A-Za-z0-9_./@+:-]*)*")
_ADDRESS: Final = re.compile(r"\d+(\.\d+){3}(:\d+)?")
_QUANTITY: Final = re.compile(r"[0-9]+(\.[0-9]+)?([a-zA-Z%]+|/[a-z]+|[kKmM]/[a-z]+| [A-Z]{3})(\.\.[0-9.a-z]+)?")
# What YAML reads as something else than text, in 1.2 and in the 1.1 that other tools still speak.
_WORDS: Final = frozenset(["null", "true", "false", "yes", "no", "on", "off", "y", "n", "~", "nan", "inf"])
_SCHEMA: Final = "# yaml-language-server: $schema=schemas/router.schema.json\n"
_BLOCKS: Final = frozenset(
    [
        "gateway",
        "providers",
        "models",
        "aliases",
        "combos",
        "fallbacks",
        "budgets",
        "policies",
        "keys",
        "teams",
        "cache",
        "defaults",
        "tests",
    ]
)


def router_text(document: dict[str, Any], head: str = "") -> str:
    """The text of a document. `head`: a comment for its first lines, without `#`."""
    comment = "".join(f"# {line}".rstrip() + "\n" for line in head.split("\n")) if head else ""
    out: list[str] = []
    for key, value in _shortened(document).items():
        if key in _BLOCKS and isinstance(value, dict):
            out.append(f"\n{key}:\n")
            for name, inner in value.items():
                _entry(out, scalar(name), inner, 2)
        elif key in _BLOCKS and isinstance(value, list):
            out.append(f"\n{key}:\n")
            _items(out, value, 2)
        else:
            _entry(out, scalar(key), value, 0)
    return formatted(_SCHEMA + comment + "".join(out))


def _shortened(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the short forms of combos, targets and fallbacks."""

    def targets(values: list[Any]) -> list[Any]:
        found: list[Any] = []
        for value in values:
            if isinstance(value, dict) and list(value) == ["model"]:
                found.append(value["model"])
            elif isinstance(value, dict) and "group" in value:
                found.append({**value, "group": targets(value["group"])})
            else:
                found.append(value)
        return found

    short = dict(document)
    if "combos" in short:
        short["combos"] = {
            name: {**combo, "targets": targets(combo["targets"])} for name, combo in document["combos"].items()
        }
        for name, combo in short["combos"].items():
            if set(combo) <= {"strategy", "targets"} and combo.get("strategy", "priority") == "priority":
                short["combos"][name] = combo["targets"]
    if "fallbacks" in short:
        short["fallbacks"] = {
            route: rules[0]["to"] if len(rules) == 1 and list(rules[0]) == ["to"] else rules
            for route, rules in document["fallbacks"].items()
        }
    return short


def _entry(out: list[str], name: str, value: Any, indent: int) -> None:
    space = " " * indent
    line = f"{space}{name}: {_flow(value)}"
    pairs = isinstance(value, list) and any(
        isinstance(each, dict) and len(each) == 1 and "model" not in each for each in value
    )
    if (len(line) <= _WIDTH and not pairs) or not isinstance(value, dict | list) or not value:
        out.append(line + "\n")
        return
    out.append(f"{space}{name}:\n")
    if isinstance(value, dict):
        for key, inner in value.items():
            _entry(out, _key(key), inner, indent + 2)
    else:
        _items(out, value, indent + 2)


def _items(out: list[str], values: list[Any], indent: int) -> None:
    space = " " * indent
    for value in values:
        line = f"{space}- {_flow(value)}"
        if len(line) <= _WIDTH or not isinstance(value, dict) or not value:
            out.append(line + "\n")
            continue
        inner: list[str] = []
        for key, each in value.items():
            _entry(inner, _key(key), each, indent + 2)
        text = "".join(inner)
        out.append(f"{space}- {text[indent + 2 :]}")


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(inner) for inner in value) + "]"
    return scalar(value)


def _key(name: str) -> str:
    return name if name == "on" else scalar(name)  # YAML 1.2 reads it as text, and the language has it everywhere


def scalar(value: Any) -> str:
    """A scalar as YAML."""
    if isinstance(value, str):
        plain = (
            _SAFE.fullmatch(value) or _QUANTITY.fullmatch(value) or _ADDRESS.fullmatch(value)
        ) and not value.endswith((" ", ":"))
        if plain and value.lower() not in _WORDS and " #" not in value and not _numeric(value):
            return value
        return json.dumps(value, ensure_ascii=not value.isprintable())
    if value is None:
        return "null"
    if isinstance(value, float) and value != int(value):
        text = f"{value:.12f}".rstrip("0")
        return text if float(text) == value else repr(value)
    return json.dumps(value)


def _numeric(text: str) -> bool:
    try:
        float(text.replace("_", ""))
    except ValueError:
        return bool(re.fullmatch(r"0[xob][0-9A-Fa-f_]+", text))
    return True
