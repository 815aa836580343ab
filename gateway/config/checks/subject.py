"""What a check looks at: the typed configuration, the names that are known, and where everything stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path as File
from typing import Any

from gateway.config.compose import Composed
from gateway.config.known import Known, ModelFacts
from gateway.config.model import Config, Target
from gateway.config.patterns import part
from gateway.config.read import Path
from gateway.diagnostics.diagnostic import Diagnostic, Fix, Related, diagnose
from gateway.diagnostics.source import Span
from gateway.diagnostics.suggest import closest, only


class Subject:
    """`secrets` are the values of references by `Ref.key`; `written` is the plain value of all files. `here`: it is to be
    served on this host, so that what it needs of that must be there."""

    def __init__(
        self, config: Config, known: Known, composed: Composed, secrets: Mapping[str, str], *, here: bool
    ) -> None:
        self.config = config
        self.known = known
        self.secrets = secrets
        self.here = here
        self._composed = composed
        self.routes = frozenset((*config.models, *config.combos, *config.aliases))
        self.places = frozenset(
            f"{name}@{deployment.provider}" for name, model in config.models.items() for deployment in model.deployments
        )

    @property
    def written(self) -> dict[str, Any]:
        """The plain value of all files."""
        return self._composed.value

    def directory(self, path: Path) -> File:
        """That of the file in which a path is written."""
        return self._composed.directory(path)

    def report(
        self,
        code: str,
        detail: str,
        path: Path,
        *,
        key: bool = False,
        suggestion: str | None = None,
        first: tuple[str, Path] | None = None,
        among: Iterable[str] = (),
    ) -> Diagnostic:
        """A diagnostic at a path; `first` is another place with a label, whose key is shown. `among` are the words of which
        the one that stands there was meant to be one: where it is a slip of a single one, that is a fix."""
        related: tuple[Related, ...] = ()
        if first is not None:
            span = self._composed.span(first[1], key=True)
            related = (Related(first[0], span),) if span is not None else ()
        place = self._composed.span(path, key=key)
        fixes = self._slip(place, among)
        return diagnose(code, detail, place, ".".join(map(str, path)), suggestion, related, fixes)

    def _slip(self, place: Span | None, among: Iterable[str]) -> tuple[Fix, ...]:
        source = self._composed.sources.get(place.path) if place is not None else None
        if source is None or place is None or place.line != place.end_line:
            return ()
        raw = (source.line(place.line) or "")[place.column - 1 : place.end_column - 1]
        sure = only(raw.strip("'\""), among)
        return (Fix(place, raw.replace(raw.strip("'\""), sure)),) if sure is not None else ()

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that a target can be called."""
        return (*self.routes, *self.places)

    def known_route(self, name: str) -> bool:
        """Whether a name can be a target: a model, combo, alias, `model@provider`, or what a pattern model takes."""
        if name in self.routes or name in self.places:
            return True
        return any(part(pattern, name) for pattern in self.config.models if "*" in pattern)

    def facts(self, provider: str, upstream: str) -> ModelFacts:
        """What the gateway knows of an upstream model without the file; of a pattern nothing."""
        entry = self.config.providers.get(provider)
        if entry is None or "*" in upstream:
            return ModelFacts()
        preset = entry.preset or (provider if provider in self.known.presets else None)
        return self.known.model(preset, entry.base_url, upstream)

    def did_you_mean(self, name: str) -> str | None:
        """A suggestion for a route's name."""
        parts = name.replace(" - ", " ").split()
        if len(parts) > 1 and all(self.known_route(each) for each in parts):
            if " - " in name:
                return f"is `- {parts[-1]}` indented more than the item above it? Items of a list stand in one column"
            return f"is a comma missing? `{', '.join(parts)}`"
        near = closest(name, self.names)
        return f"did you mean {near!r}?" if near is not None else None

    def meaning(self, name: str) -> str:
        """The model or combo behind aliases; the name itself where they lead in a circle."""
        seen: set[str] = set()
        while name in self.config.aliases and name not in seen:
            seen.add(name)
            name = self.config.aliases[name]
        return name

    def targets(self) -> Iterator[tuple[Path, Target]]:
        """Every target of every combo, groups entered, with its path."""

        def inside(path: Path, targets: list[Target]) -> Iterator[tuple[Path, Target]]:
            for index, target in enumerate(targets):
                yield (*path, index), target
                if target.group is not None:
                    yield from inside((*path, index, "group"), target.group)

        for name in self.config.combos:
            yield from inside(self.targets_path(name), self.config.combos[name].targets)

    def targets_path(self, combo: str) -> Path:
        """Where the targets of a combo stand, in its short or its long form."""
        written = self.written.get("combos", {}).get(combo)
        return ("combos", combo) if isinstance(written, list) else ("combos", combo, "targets")

    def name_path(self, path: Path, target: Target) -> Path:
        """Where the name of a target stands, in its short or its long form."""
        value: Any = self.written
        for step in path:
            value = value[step]
        return path if isinstance(value, str) else (*path, "model")

    def rules_path(self, route: str, index: int) -> Path:
        """Where the names of a fallback rule stand, in its short or its long form."""
        written = self.written["fallbacks"][route]
        if written and all(isinstance(item, str) for item in written):
            return ("fallbacks", route)
        return ("fallbacks", route, index, "to")
