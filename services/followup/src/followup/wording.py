"""The files that messages are made from: by name, language and form of address, ours and those of a folder."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jinja2 import (
    ChoiceLoader,
    FileSystemLoader,
    PackageLoader,
    StrictUndefined,
    Template,
    TemplateError,
    TemplateNotFound,
    TemplatesNotFound,
    meta,
    select_autoescape,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

_FILE: Final = re.compile(r"([a-z0-9_-]+)\.([A-Za-z0-9_-]+)(?:\.(formal|informal))?(\.short)?\.txt")


class Unwritable(Exception):
    """No message can be made of this; it will not get better by itself."""


def unwritable(template: str, error: Exception) -> Unwritable:
    return Unwritable(f"template {template}: {type(error).__name__}: {error}")


@dataclass(frozen=True, slots=True)
class TemplateFile:
    """What the name of a template's file says."""

    name: str
    language: str
    form: str | None
    short: bool


@dataclass(frozen=True, slots=True)
class Chosen:
    """The text that a message is made from, and the HTML that stands beside it. `wanted` would have been best."""

    wanted: str
    text: Template
    html: Template | None

    @property
    def file(self) -> str:
        return self.text.name or ""

    @property
    def falls_back(self) -> bool:
        return self.file != self.wanted

    @property
    def language(self) -> str:
        return self.file.split(".")[1]


class Wording:
    """The templates of a folder, which come before those that we bring along."""

    def __init__(self, folder: Path | None, language: str) -> None:
        own = PackageLoader("followup", "mail")
        loader = ChoiceLoader([FileSystemLoader(folder), own]) if folder else own
        self._environment = ImmutableSandboxedEnvironment(
            loader=loader,
            autoescape=select_autoescape(["html"], default=False),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.language = language

    def files(self) -> list[TemplateFile]:
        """All texts that there are, by name, language and form."""
        found = map(_FILE.fullmatch, self._environment.list_templates())
        return [TemplateFile(one[1], one[2], one[3], short=bool(one[4])) for one in found if one]

    def choose(self, name: str, language: str, form: str | None, *, short: bool = False) -> Chosen:
        """
        The best text there is, for a telephone the `short` one.

        HTML of another language, or of another folder, is not what the text says.
        """
        wanted = candidates(name, language, form, self.language, short=short)
        try:
            text = self._environment.select_template(wanted)
            html = self._beside(text)
        except TemplatesNotFound:
            tongues = " nor ".join(dict.fromkeys([language, self.language]))
            raise Unwritable(f"template {name}: none for {tongues}") from None
        except Exception as error:  # a template is anybody's: whatever it raises is its mistake
            raise unwritable(name, error) from error
        return Chosen(wanted[0], text, html)

    def asked(self, file: str) -> list[tuple[str, str]]:
        """Each variable that a template asks for, and in which file: its own or one that it builds upon."""
        found: list[tuple[str, str]] = []
        waiting, seen = [file], {file}
        while waiting:
            current = waiting.pop()
            try:
                tree = self._environment.parse(self._source(current))
            except (TemplateError, UnicodeDecodeError, OSError) as error:
                raise unwritable(current, error) from error
            names = meta.find_undeclared_variables(tree) - self._environment.globals.keys()
            found += [(current, name) for name in sorted(names)]
            below = {one for one in meta.find_referenced_templates(tree) if one} - seen
            seen |= below
            waiting += sorted(below)
        return found

    def without(self, variable: str) -> frozenset[str]:
        """The names of the templates that ask for a variable in none of their files."""
        files = [one for one in self._environment.list_templates() if one.endswith((".txt", ".html"))]
        asking = (file for file in files if self._may_ask(file, variable))
        return frozenset(map(_name, files)) - frozenset(map(_name, asking))

    def _may_ask(self, file: str, variable: str) -> bool:
        try:
            return any(name == variable for _, name in self.asked(file))
        except Unwritable:
            return True

    def _source(self, file: str) -> str:
        assert self._environment.loader is not None  # noqa: S101 - given to it above
        source, _, _ = self._environment.loader.get_source(self._environment, file)
        return source

    def _beside(self, text: Template) -> Template | None:
        try:
            html = self._environment.get_template((text.name or "").removesuffix(".txt") + ".html")
        except TemplateNotFound:
            return None
        return html if _folder(html) == _folder(text) else None


def _tags(language: str, default: str) -> list[str]:
    """The language as given, as RFC 5646 §2.1.1 writes it, ever less of it (RFC 4647 §3.4), and the default."""
    parts = re.split("[-_]", language)
    proper = [parts[0].lower(), *(one.title() if len(one) == 4 else one.upper() for one in parts[1:])]  # noqa: PLR2004 - a script
    return [language, *("-".join(proper[:size]) for size in range(len(proper), 0, -1)), default]


def candidates(name: str, language: str, form: str | None, default: str, *, short: bool = False) -> Sequence[str]:
    """
    The texts that would do, best first: language, base language, default; in each the form of
    address, then neutral; in each of these the `short` one, where one is asked for.
    """
    tags = _tags(language, default)
    forms = [f".{form}", ""] if form else [""]
    ends = [".short.txt", ".txt"] if short else [".txt"]
    return list(dict.fromkeys(f"{name}.{tag}{suffix}{end}" for tag in tags for suffix in forms for end in ends))


def _name(file: str) -> str:
    return file.partition(".")[0]


def _folder(template: Template) -> Path:
    return Path(template.filename or "").parent
