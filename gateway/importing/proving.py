"""Does what was imported load and build? The pipeline that serves it, with values in the place of secrets.

References need no values to be imported: each gets a placeholder of the form that its place takes (an URL, AWS keys,
a service account). Nothing is asked for over a network, and no value of the environment is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any, Final

from gateway.config.load import load
from gateway.config.refs import is_reference
from gateway.diagnostics.diagnostic import Diagnostic, Severity
from gateway.engine.build import build
from gateway.engine.known import KNOWN
from gateway.importing.imported import Path
from gateway.importing.writing import router_text

_FILE: Final = FilePath("router.yaml")
_MEANT: Final = "no-fallback-carries"
# Ways to send a credential → a placeholder that they can be made of.
_FORMS: Final = {
    "sigv4": "AKIAPLACEHOLDER:placeholder",
    "google": '{"type": "authorized_user"}',
    "entra": '{"tenant_id": "t", "client_id": "c", "client_secret": "s"}',
}
_PLACES: Final = {
    "base_url": "https://placeholder.invalid/v1",
    "egress_proxy": "http://placeholder.invalid:3128",
    "listen": "127.0.0.1:8080",
    "url": "redis://placeholder.invalid:6379",
}


def proven(document: dict[str, Any]) -> list[Diagnostic]:
    """What the pipeline finds in a document, errors first; it builds where there are none."""
    return written(document)[1]


def written(document: dict[str, Any], head: str = "") -> tuple[str, list[Diagnostic]]:
    """The text of a document, and what the pipeline finds in it. Fallbacks that stand in for nothing are accepted where
    they stand: the source has them too."""
    copy = _without_files(document)
    text = router_text(copy)
    loaded = load([_FILE], known=KNOWN, environ=dict(_placeholders(copy)), texts={_FILE: text.encode()})
    found = sorted(loaded.diagnostics, key=lambda each: each.severity is not Severity.ERROR)
    lines = text.splitlines()
    meant = {lines[each.span.line - 1] for each in found if each.code == _MEANT and each.span is not None}
    found = [each for each in found if each.code != _MEANT]
    if loaded.config is not None and not any(each.severity is Severity.ERROR for each in found):
        build(loaded.config, loaded.secrets, revision=loaded.revision)
    comment = f"  # accept: {_MEANT} (it is as it was imported)"
    out = (line + comment if line in meant else line for line in router_text(document, head).splitlines())
    return "".join(f"{line}\n" for line in out), found


def references(value: Any, path: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every written reference of a document, with where it stands."""
    if is_reference(value):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from references(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from references(inner, (*path, index))


def _placeholders(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    special: dict[str, str] = {}
    plain: dict[str, str] = {}
    for path, reference in references(document):
        name = reference["env"]
        form = _PLACES.get(str(path[-1]))
        if form is None and path[:1] == ("providers",):
            provider = document["providers"][path[1]]
            row = KNOWN.presets.get(provider.get("preset", path[1]))
            scheme = provider.get("auth") or (row.auth if row is not None else "")
            form = _FORMS.get(scheme) if path[2] in ("api_key", "api_keys") else None
        if form is not None:
            special[name] = form
        else:
            plain[name] = f"placeholder-of-{name}"
    yield from {**plain, **special}.items()


def _without_files(value: Any) -> Any:
    """A copy in which references to files are references to variables."""
    if is_reference(value):
        return {"env": f"FILE_{value['file']}"} if "file" in value else dict(value)
    if isinstance(value, dict):
        return {key: _without_files(inner) for key, inner in value.items()}
    return [_without_files(inner) for inner in value] if isinstance(value, list) else value
