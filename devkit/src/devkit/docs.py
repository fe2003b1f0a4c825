"""`python -m devkit.docs [--check]`: docs/events.md, docs/settings.md and docs/telemetry.md, written from the code."""

import difflib
import importlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel, TypeAdapter
from pydantic_core import PydanticUndefined
from rapport.contracts import EVENT_DATA, TOPIC_OF, Event
from rapport.contracts.envelope import Data
from rapport.runtime.settings import Settings

from devkit.meanings import MEANINGS
from devkit.platform import SERVICES

ROOT: Final = Path(__file__).parents[3]
_WRITTEN: Final = "<!-- Written by `make docs` from the code; don't edit. -->\n"

_TOPICS: Final = {
    "contact-events": "What other systems tell about customers and the contacts with them; intake takes these in.",
    "sla-events": "What sla-monitor tells: deadlines, verdicts, alerts, risks, the policy.",
    "followup-events": "What followup tells: what is planned, sent, owed, done, and what will not happen and why.",
    "metrics-events": "What metrics tells.",
}


def main(arguments: list[str]) -> int:
    """Write the pages; with --check compare them instead, status 1 where one differs."""
    folder = ROOT / "docs"
    pages = {
        folder / "events.md": events_page(),
        folder / "settings.md": settings_page(),
        folder / "telemetry.md": figures_page(),
    }
    if arguments not in ([], ["--check"]):
        print("usage: python -m devkit.docs [--check]", file=sys.stderr)
        return 2
    if not arguments:
        for path, text in pages.items():
            path.write_text(text, "utf-8")
        return 0
    return max(_compare(path, text) for path, text in pages.items())


def _compare(path: Path, text: str) -> int:
    there = path.read_text("utf-8") if path.exists() else ""
    if there == text:
        return 0
    name = str(path.relative_to(ROOT))
    difference = difflib.unified_diff(there.splitlines(), text.splitlines(), name, "the code", lineterm="", n=1)
    print(f"{name} is not what the code says: run `make docs`", file=sys.stderr)
    print("\n".join(list(difference)[:40]), file=sys.stderr)
    return 1


# --- events -------------------------------------------------------------------------


def events_page() -> str:
    """Every event: its type, its topic, what it means, its fields."""
    parts = [_WRITTEN, "# Events", _EVENTS_INTRO]
    parts += ["## The envelope", _table(_fields(Event[Data], leave_out={"data"}))]
    for topic, about in _TOPICS.items():
        parts += [f"## {topic}", about]
        for event_type, model in EVENT_DATA.items():
            if TOPIC_OF[event_type] == topic:
                parts += [f"### {event_type}", _prose(model), _table(_fields(model))]
    return "\n\n".join(parts).rstrip() + "\n"


_EVENTS_INTRO: Final = """\
CloudEvents 1.0. `source` and `id` are the identity: the same pair again changes nothing anywhere. Instants are
RFC 3339 with an offset, kept as UTC, cut to milliseconds. Unknown attributes are kept and passed on as strings (42 as
"42"), unknown fields of `data` as they are; an unknown `type` is refused and kept as a dead letter. A field that is not
required may also be null, which is as good as leaving it out; in `customer.updated` it clears the field. An empty text
is neither: where the limits begin with 1 it is refused, with the name of the field, since figures and policies would
take it for a team or topic of its own. On Kafka, a record is one event in structured JSON and its key is the
`customer_id`."""


def _fields(model: type[BaseModel], leave_out: Iterable[str] = ()) -> list[tuple[str, ...]]:
    schema = model.model_json_schema()
    required = set(schema.get("required", ()))
    rows = []
    for name, field in model.model_fields.items():
        if name in leave_out:
            continue
        about = _resolved(schema["properties"][name], schema)
        default = _default(about) if name not in required else ""
        rows.append(
            (
                f"`{name}`",
                _type(about, schema),
                "yes" if name in required else default,
                _meaning(model, name, field.description),
                _limits(about),
            )
        )
    return [("field", "type", "required, else default", "meaning", "limits"), *rows]


def _meaning(model: type[BaseModel], name: str, described: str | None) -> str:
    if described:
        return described
    try:
        return MEANINGS.get(f"{model.__name__.partition('[')[0]}.{name}") or MEANINGS[name]
    except KeyError:
        raise SystemExit(f"{model.__name__}.{name} has no meaning: give its Field a description") from None


def _resolved(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> dict[str, Any]:
    """A property's schema without references, and without the null that only says that it may be absent."""
    merged = {**schema}
    if "$ref" in merged:
        merged = {**whole["$defs"][merged.pop("$ref").rsplit("/", 1)[1]], **merged}
    given = [one for one in merged.get("anyOf", ()) if one.get("type") != "null"]
    if len(given) == 1:
        merged.pop("anyOf")
        merged = {**_resolved(given[0], whole), **merged}
    return merged


def _type(about: Mapping[str, Any], whole: Mapping[str, Any]) -> str:
    if "enum" in about:
        return ", ".join(str(value) for value in about["enum"])
    if "const" in about:
        return str(about["const"])
    if about.get("format") == "date-time":
        return "instant"
    if about.get("type") == "array":
        items = _resolved(about.get("items", {}), whole)
        if "properties" in items:
            return f"list of {{{', '.join(items['properties'])}}}"
        return f"list of {_type(items, whole)}"
    return {"string": "text", "number": "number", "integer": "whole number", "boolean": "true, false"}.get(
        str(about.get("type")), str(about.get("type", "any"))
    )


def _default(about: Mapping[str, Any]) -> str:
    default = about.get("default")
    return f"no: {json.dumps(default)}" if default not in (None, [], {}) else "no"


def _limits(about: Mapping[str, Any]) -> str:
    said = []
    least, most = about.get("minLength"), about.get("maxLength")
    if least and most:
        said.append(f"{least}–{most:,} characters")
    elif most:
        said.append(f"up to {most:,} characters")
    low, high = about.get("minimum"), about.get("maximum")
    if low is not None and high is not None:
        said.append(f"{low:,g} to {high:,g}")
    elif low is not None:
        said.append(f"at least {low:,g}")
    if "exclusiveMinimum" in about:
        said.append(f"more than {about['exclusiveMinimum']:g}")
    if "pattern" in about:
        said.append(f"`{about['pattern']}`")
    return ", ".join(said)


# --- settings -----------------------------------------------------------------------


def settings_page() -> str:
    """Every setting: its variable, its default, what it means."""
    parts = [_WRITTEN, "# Settings", _SETTINGS_INTRO, "## Every service", _table(_settings(Settings, Settings, ()))]
    for package in SERVICES:
        own = _settings_class(package)
        parts += [f"## {package.replace('_', '-')}", _table(_settings(own, Settings, Settings.model_fields))]
    return "\n\n".join(parts).rstrip() + "\n"


_SETTINGS_INTRO: Final = """\
Environment variables, read once at the start; a wrong one ends the start with one line that names it and status 2.
Lengths of time are written by ISO 8601: `PT30S`, `PT24H`, `P7D`."""


def _settings_class(package: str) -> type[Settings]:
    module = importlib.import_module(f"{package}.settings")
    for _, found in inspect.getmembers(module, inspect.isclass):
        if issubclass(found, Settings) and found.__module__ == module.__name__:
            return found
    raise SystemExit(f"{module.__name__} has no settings")


def _settings(model: type[Settings], base: type[Settings], inherited: Iterable[str]) -> list[tuple[str, ...]]:
    """Rows of all settings but those inherited unchanged."""
    rows = []
    for name, field in model.model_fields.items():
        if name in set(inherited) and repr(field) == repr(base.model_fields[name]):
            continue
        alias = field.validation_alias
        variable = alias if isinstance(alias, str) else f"{model.model_config.get('env_prefix', '')}{name}".upper()
        default = field.get_default(call_default_factory=True, validated_data={})
        rows.append((f"`{variable}`", _shown(default), field.description or ""))
    return [("variable", "default", "meaning"), *rows]


def _shown(default: Any) -> str:
    if default is PydanticUndefined:
        return "must be given"
    if default is None or default == "":
        return "none"
    if isinstance(default, timedelta):
        return f"`{TypeAdapter(timedelta).dump_python(default, mode='json')}`"
    return f"`{default}`"


# --- figures ------------------------------------------------------------------------


def figures_page() -> str:
    """Every Prometheus metric: its name and labels, its kind, what it means."""
    parts = [_WRITTEN, "# Figures about ourselves", _FIGURES_INTRO, "## Every service"]
    parts.append(_table(_figures("rapport.runtime.telemetry")))
    for package in SERVICES:
        if importlib.util.find_spec(f"{package}.telemetry"):
            parts += [f"## {package.replace('_', '-')}", _table(_figures(f"{package}.telemetry"))]
    return "\n\n".join(parts).rstrip() + "\n"


_FIGURES_INTRO: Final = """\
What `GET /metrics` of a service shows. Which to look at when, and what to do then: [operations.md](operations.md)."""


def _figures(module: str) -> list[tuple[str, ...]]:
    declared = inspect.getmembers(importlib.import_module(module), lambda found: isinstance(found, MetricWrapperBase))
    rows = []
    for _, metric in declared:
        [family] = metric.describe()
        suffix = "_total" if family.type == "counter" else ""
        labels = ",".join(metric._labelnames)  # noqa: SLF001 - prometheus_client shows them nowhere else
        rows.append(
            (f"`{family.name}{suffix}{'{' + labels + '}' if labels else ''}`", family.type, family.documentation)
        )
    return [("metric", "kind", "meaning"), *sorted(rows)]


# --- Markdown -----------------------------------------------------------------------


def _prose(model: type[BaseModel]) -> str:
    return " ".join(inspect.cleandoc(model.__doc__ or "").split())


def _table(rows: list[tuple[str, ...]]) -> str:
    """A Markdown table; columns that say nothing are left out."""
    head, *body = rows
    if not body:
        return "None of its own."
    kept = [place for place in range(len(head)) if any(row[place] for row in body)]
    lines = [[row[place].replace("|", "\\|") for place in kept] for row in (head, *body)]
    lines.insert(1, ["---"] * len(kept))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
