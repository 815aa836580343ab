"""What is said of a value that has the wrong type, the wrong word or the wrong unit.

A table over what was wanted and what was written, since that is what tells one slip from another: `yes` for true, a
number in quotes, one word where a list stands, a list where names have entries, JSON's comma at the end of a line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.config.compose import Composed
from gateway.config.fields import models_at
from gateway.config.lettering import variable
from gateway.config.read import Path
from gateway.config.refs import Resolver, is_reference
from gateway.config.words import integer_of, number_of
from gateway.diagnostics.codes import CODES
from gateway.diagnostics.diagnostic import Diagnostic, Fix, diagnose
from gateway.diagnostics.source import KEYS, Span
from gateway.diagnostics.suggest import closest, only

_WANTED: Final = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "none_required": "nothing",
}
_RANGES: Final = {
    "greater_than": ("gt", "more than {}"),
    "greater_than_equal": ("ge", "{} or more"),
    "less_than": ("lt", "less than {}"),
    "less_than_equal": ("le", "{} at most"),
    "finite_number": ("", "a finite number"),
}
_PATTERNS: Final = {
    r"^([01]\d|2[0-3]):[0-5]\d$": "a time of day from 00:00 to 23:59",
    r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$": "a time of day from 00:00 to 24:00",
    r"^(day|week|month|total|\d+[mhdw])$": "day, week, month, total, or a rolling time such as 30d",
}
_WINDOWS: Final = {
    "daily": "day", "weekly": "week", "monthly": "month", "days": "day", "weeks": "week", "months": "month", "forever": "total",
    "year": "365d", "yearly": "365d", "hour": "1h", "hourly": "1h", "minute": "1m",
}  # fmt: skip
_TRUE: Final = frozenset(("yes", "on", "y", "true", "1"))
_FALSE: Final = frozenset(("no", "off", "n", "false", "0"))
# words of others, by the field that they stand in
SYNONYMS: Final[dict[str, dict[str, str]]] = {
    "auth": {"none": "open", "disabled": "open", "off": "open", "key": "keys", "api_key": "keys"},
    "strategy": {"fallback": "priority", "failover": "priority", "ordered": "priority", "loadbalance": "weighted",
                 "load_balance": "weighted", "shuffle": "random", "simple-shuffle": "random", "least_latency": "fastest",
                 "lowest_latency": "fastest", "latency-based-routing": "fastest", "lowest_cost": "cheapest", "least_cost": "cheapest",
                 "cost-based-routing": "cheapest", "least_connections": "least_busy", "least-busy": "least_busy", "hash": "consistent",
                 "sticky": "consistent", "conditional": "when", "parallel": "race", "single": "priority"},
    "level": {"warn": "warning", "err": "error", "fatal": "error", "critical": "error", "trace": "debug"},
    "supports": {"tool_calls": "tools", "function_calling": "tools", "functions": "tools", "images": "vision", "image": "vision",
                 "pdf": "documents", "thinking": "reasoning", "structured_output": "json_schema", "json_mode": "json_object"},
    "has": {"image": "images", "vision": "images", "tool_calls": "tools", "pdf": "documents", "thinking": "reasoning"},
    "days": {"monday": "mon", "tuesday": "tue", "wednesday": "wed", "thursday": "thu", "friday": "fri", "saturday": "sat",
             "sunday": "sun"},
}  # fmt: skip
_STATUSES: Final[dict[Any, str]] = {
    400: "invalid_request", 401: "auth", 402: "quota", 403: "auth", 404: "not_found", 408: "timeout", 413: "context_window",
    429: "rate_limit", 500: "server_error", 502: "server_error", 503: "overloaded", 504: "timeout", 529: "overloaded",
}  # fmt: skip
_ENTRIES: Final = {
    "models": "provider: NAME",
    "providers": "preset: NAME",
    "keys": "from: {env: NAME}",
    "budgets": "limit: 50 USD",
}


_NAMED: Final = frozenset(
    ("providers", "models", "aliases", "combos", "fallbacks", "keys", "teams", "budgets", "guardrails")
)


class Place:
    """A path of the configuration, and the text that stands there."""

    def __init__(self, path: Path, composed: Composed) -> None:
        self.path = path
        self.composed = composed

    @property
    def dotted(self) -> str:
        """The path as a person writes it."""
        return ".".join(map(str, self.path))

    @property
    def field(self) -> str:
        """The name of the field that the value belongs to."""
        return str(next((step for step in reversed(self.path) if isinstance(step, str)), ""))

    @property
    def called(self) -> str:
        """The value, in a sentence."""
        if self.path and isinstance(self.path[-1], int):
            return f"item {self.path[-1] + 1} of `{self.field}`"
        return f"`{self.path[-1]}`" if self.path else "The file"

    @property
    def span(self) -> Span | None:
        """Where the value is written."""
        return self.composed.span(self.path)

    def raw(self, span: Span | None) -> str:
        """The text of a span of one line; "" of any other."""
        source = self.composed.sources.get(span.path) if span is not None else None
        if source is None or span is None or span.line != span.end_line:
            return ""
        return (source.line(span.line) or "")[span.column - 1 : span.end_column - 1]

    def put(self, text: str | None) -> tuple[Fix, ...]:
        """A fix that writes another scalar in the place of the scalar that stands here, where it is written plainly."""
        span = self.span
        value = value_at(self.composed.value, self.path)
        if text is None or span is None or not isinstance(value, str | int | float):
            return ()
        raw = self.raw(span)
        plain = raw.strip("'\"")
        same = plain == value if isinstance(value, str) else plain.lower() == str(value).lower() or raw == plain
        return (
            (Fix(span, text),) if raw and raw != text and same and not raw.startswith(("&", "*", "!", "|", ">")) else ()
        )


def value_at(value: Any, path: Path) -> Any:
    """The plain value at a path, None where there is none."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def wrong_value(
    kind: str, message: str, context: Mapping[str, Any], place: Place, written: Any, resolver: Resolver
) -> Diagnostic:
    """The diagnostic of one finding of the model about a value."""
    if isinstance(written, str) and written.endswith(",") and kind != "secret-literal":
        detail = f"{written!r} ends with a comma, which YAML takes as a part of it: at the end of a line there is none."
        return _say("bad-value", detail, place, f"write {written[:-1]}", place.put(written[:-1]))
    referred = resolver.plain(written) if is_reference(written) else None
    if kind == "literal_error":
        return _word(context, place, written, referred)
    if kind == "secret-literal":
        return _secret(place, written)
    if kind in CODES:
        fix = str(context.get("fix", "")) or None
        guessed = isinstance(written, float) and fix is not None and fix.endswith("%") and written < 1
        fixes = place.put(fix) if kind in ("missing-unit", "bad-unit") and not guessed else ()
        return _say(kind, message, place, f"write {fix}" if fix else None, fixes)
    if kind in _RANGES:
        bound, words = _RANGES[kind]
        said = f", not {written}" if isinstance(written, int | float | str) else ""
        limit = f"{context[bound]:g}" if isinstance(context.get(bound), int | float) else context.get(bound, "")
        return _say("out-of-range", f"{_begin(place)} is {words.format(limit)}{said}.", place)
    if kind == "string_pattern_mismatch":
        return _pattern(str(context.get("pattern", "")), place, written)
    wanted = _WANTED.get(kind)
    if wanted is None:
        return _say("bad-value", f"{message}.", place)
    if is_reference(written):
        said = "the text that it leads to" if referred is not None else "a mapping"
        return _say("wrong-type", f"{_begin(place)} takes {wanted}, not {said}.", place)
    suggestion, fixes = _shape(wanted, place, written)
    return _say(
        "wrong-type", f"{_begin(place)} takes {_wants(wanted, place)}, not {_kind(written)}.", place, suggestion, fixes
    )


def _say(code: str, detail: str, place: Place, help_: str | None = None, fixes: tuple[Fix, ...] = ()) -> Diagnostic:
    return diagnose(code, detail, place.span, place.dotted, help_, fixes=fixes)


def _begin(place: Place) -> str:
    called = place.called
    return called[:1].upper() + called[1:]


def _wants(wanted: str, place: Place) -> str:
    if wanted == "a mapping" and len(place.path) >= 2 and place.path[0] == "combos" and isinstance(place.path[-1], int):
        return "the name of a model or a combo, or a mapping"
    if wanted == "a mapping" and len(place.path) == 2 and place.path[0] == "combos":
        return "a list of targets, or a mapping"
    return wanted


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {value!r}" if len(value) <= 40 and not KEYS.search(value) else "text"
    return "a list" if isinstance(value, list) else "a mapping"


def _word(context: Mapping[str, Any], place: Place, written: Any, referred: str | None) -> Diagnostic:
    """A word that is none of those that are known there."""
    expected = str(context.get("expected", ""))
    words = [word.strip(" '") for word in expected.replace(" or ", ", ").split(",")]
    listed = ", ".join(words)
    if place.field == "on" and isinstance(written, int):
        return _say(
            "out-of-range", f"`on` is a day of the week, or a day of the month from 1 to 28, not {written}.", place
        )
    if not isinstance(written, str):
        shown = repr(referred) if referred is not None else _kind(written) if written is None else _shown(written)
        detail = f"{shown[:1].upper()}{shown[1:]} is not known for `{place.field}`. Known are: {listed}."
        return _say("unknown-word", detail, place)
    if KEYS.search(written):
        return _say("unknown-word", f"This is not known for `{place.field}`. Known are: {listed}.", place)
    meaning = SYNONYMS.get(place.field, {}).get(written.lower())
    if meaning in words:
        detail = f"{written!r} is not known for `{place.field}`; here it is called `{meaning}`."
        return _say("unknown-word", detail, place, f"write {meaning}", place.put(meaning))
    if "'" not in expected and written.lstrip("v") in words:  # a number in quotes, or `v1`
        number = written.lstrip("v")
        detail = f"`{place.field}` is a number, and {written!r} is text. Known are: {listed}."
        return _say("unknown-word", detail, place, f"write {number}", place.put(number))
    if place.path == ("gateway", "state"):
        url = "{redis: {url: {env: NAME}}}" if "redis" in written else "{disk: DIRECTORY}"
        detail = (
            f"{written!r} is not known for `state`. It is `memory`, `{{disk: DIRECTORY}}` or `{{redis: {{url: …}}}}`."
        )
        return _say("unknown-word", detail, place, f"write `{url}`" if "/" in written else None)
    detail = f"{written!r} is not known for `{place.field}`. Known are: {listed}."
    sure = only(written, words)
    near = sure or closest(written, words)
    return _say("unknown-word", detail, place, f"did you mean {near!r}?" if near else None, place.put(sure))


def _shown(written: Any) -> str:
    return (
        _kind(written)
        if isinstance(written, dict | list)
        else str(written).lower()
        if isinstance(written, bool)
        else str(written)
    )


_NAME: Final = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")


def _secret(place: Place, written: Any) -> Diagnostic:
    name = variable(written) if isinstance(written, str) else None
    if name is not None:
        detail = "Text is never replaced here: this would be sent as it is. A variable is named by a reference."
        return _say("secret-literal", detail, place, f"write {{env: {name}}}", place.put(f"{{env: {name}}}"))
    detail = "The value is not shown. Put it into an environment variable or a file, and name that here."
    if isinstance(written, str) and _NAME.fullmatch(written):
        detail = "A secret is never written here. If this is the name of a variable, say so."
        return _say("secret-literal", detail, place, "`{env: …}` with this name")
    return _say("secret-literal", detail, place, f"`{place.field}: {{env: NAME}}` or `{place.field}: {{file: PATH}}`")


def _pattern(pattern: str, place: Place, written: Any) -> Diagnostic:
    words = _PATTERNS.get(pattern)
    if words is None:
        return _say("bad-value", f"{_begin(place)} does not have the form {pattern}.", place)
    meaning = _WINDOWS.get(str(written).lower()) if "total" in pattern else _clock(str(written))
    if meaning is None and "total" in pattern:
        days = re.fullmatch(r"(\d+)\s*(m|h|d|w)[a-z]*", str(written).lower())
        meaning = f"{days[1]}{days[2]}" if days is not None and "month" not in str(written).lower() else None
    if meaning is not None and re.fullmatch(pattern, meaning) is None:
        meaning = None
    new = f'"{meaning}"' if meaning is not None and ":" in meaning else meaning
    return _say(
        "bad-value", f"{written!r} is not {words}.", place, f"write {new}" if new is not None else None, place.put(new)
    )


def _clock(written: str) -> str | None:
    match = re.fullmatch(r"(\d{1,2})(?:[:.](\d{2}))?(?::00)?\s*(am|pm)?", written.strip().lower())
    if match is None or (match[2] is None and match[3] is None):
        return None
    hour = int(match[1]) % 12 + (12 if match[3] == "pm" else 0) if match[3] else int(match[1])
    return f"{hour:02d}:{match[2] or '00'}"


def _shape(wanted: str, place: Place, written: Any) -> tuple[str | None, tuple[Fix, ...]]:
    """How to write it as what is wanted, and a fix where that is certain."""
    if wanted == "true or false":
        word = str(written).lower()
        meaning = "true" if word in _TRUE else "false" if word in _FALSE else None
        return (f"write {meaning}", place.put(meaning)) if meaning is not None else (None, ())
    if wanted in ("a whole number", "a number"):
        return _number(wanted, place, written)
    if wanted == "text" and isinstance(written, bool | int | float):
        raw = place.raw(place.span)
        kind = _STATUSES.get(written) if place.field == "on" and place.path[0] == "fallbacks" else None
        if kind is not None:
            return f"failures are named by what went wrong: write {kind}", place.put(kind)
        if place.path == ("gateway", "listen"):
            return f'write "127.0.0.1:{raw}"', ()
        return (f'write "{raw}"', place.put(f'"{raw}"')) if raw else (None, ())
    if wanted == "a list":
        return _list(place, written)
    return _mapping(place, written) if wanted == "a mapping" else (None, ())


def _number(wanted: str, place: Place, written: Any) -> tuple[str | None, tuple[Fix, ...]]:
    if not isinstance(written, str):
        return None, ()
    number = integer_of(written) if wanted == "a whole number" else number_of(written)
    if not isinstance(number, str):
        return f"remove the quotes: {written}", place.put(written)
    match = re.fullmatch(r"[$€£]?\s*([0-9]+(?:\.[0-9]+)?)\s*(%|USD|[$€£]|x|times)?", written.strip())
    if match is None:
        return None, ()
    if match[2] == "%" and place.field == "threshold":
        return f"write {float(match[1]) / 100:g}", place.put(f"{float(match[1]) / 100:g}")
    return f"write {match[1]}", place.put(match[1])


def _list(place: Place, written: Any) -> tuple[str | None, tuple[Fix, ...]]:
    if isinstance(written, dict):
        return "begin each item with `- `", ()
    if not isinstance(written, str):
        return None, ()
    raw = place.raw(place.span)
    parts = [part.strip() for part in written.split(",")]
    if len(parts) > 1 and all(re.fullmatch(r"[\w.@/:+-]+", part) for part in parts):
        new = f"[{', '.join(parts)}]"
        return f"write {new}", place.put(new)
    if raw.strip("'\"") == written and re.fullmatch(r"[^\[\]{},#&*!|>%@`:]+|\"[^\"]*\"|'[^']*'", raw):
        return f"write [{raw}]", place.put(f"[{raw}]")
    return "write it as a list: `[…]`, or a line with `- ` for each item", ()


def _mapping(place: Place, written: Any) -> tuple[str | None, tuple[Fix, ...]]:
    section = str(place.path[0]) if place.path else ""
    if written is None:
        if len(place.path) <= 1 or place.path[0] != "models":
            return "write `{}`, or remove it", ()
        return f"write what it is: `{place.path[-1]}: {{provider: …}}`", ()
    if isinstance(written, list):
        if section == "models" and len(place.path) == 2:
            return "a list of targets is a combo: it stands under `combos:`", ()
        if section == "combos" and isinstance(place.path[-1], int):
            return (
                f"several targets that count as one are a group: `{{group: [{', '.join(map(str, written[:3]))}]}}`",
                (),
            )
        return _listed(place, written, section), ()
    if section == "combos" and isinstance(written, int | float) and isinstance(place.path[-1], int):
        return f'write "{written}"', place.put(f'"{written}"')
    if not isinstance(written, str):
        needed = _needed(place.path)
        return (f"write `{{{needed}}}`" if needed else None), ()
    if written.startswith("-") and not written.startswith("- "):
        return "after the `-` of an item stands a space: `- …`", ()
    equal = re.match(r"([A-Za-z_]\w*)\s*=", written)
    if equal is not None:
        return f"a key is followed by a colon and a space: `{equal[1]}: …`", ()
    named = [model.__name__ for model in models_at(place.path)]
    if "Combo" in named and len(place.path) == 2:
        return f"write [{written}]", place.put(f"[{written}]") if re.fullmatch(r"[\w./@-]+", written) else ()
    if "Model" in named and len(place.path) == 2:
        provider, slash, upstream = written.partition("/")
        model = f", id: {upstream}" if slash else ""
        return f"write {{provider: {provider}{model}}}", ()
    if "FallbackRule" in named:
        return f"write the rule out: `{{to: [{written}]}}`", ()
    if "Provider" in named and len(place.path) == 2:
        return f"write `{place.path[-1]}: {{api_key: {{env: …}}}}`", ()
    return None, ()


def _needed(path: Path) -> str | None:
    """What a section cannot do without, with an example."""
    models = models_at(path)
    needed = (
        [(f.alias or n, f.examples) for n, f in models[0].model_fields.items() if f.is_required()] if models else []
    )
    return ", ".join(f"{name}: {examples[0] if examples else '…'}" for name, examples in needed) or None


def _listed(place: Place, written: list[Any], section: str) -> str | None:
    """A list where names have entries."""
    if written and all(isinstance(item, dict) and isinstance(item.get("name"), str) for item in written):
        return f"write each under its name, without `- name:`: `{written[0]['name']}: {{{_ENTRIES.get(section, '…')}}}`"
    if written and len(place.path) == 1 and section in _NAMED and all(isinstance(item, str) for item in written):
        return f"write each as an entry: `{written[0]}: {{}}`"
    if written and all(isinstance(item, dict) and len(item) == 1 for item in written) and len(place.path) == 1:
        return "remove the dashes: these are keys, not items"
    if place.field == "api_keys":
        return "give each a name: `{main: {env: NAME}, spare: {env: OTHER}}`"
    return (
        "give each entry a name: `name: …` in the place of `- …`"
        if section in _NAMED and len(place.path) == 1
        else None
    )
