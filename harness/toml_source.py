# SPDX-License-Identifier: Apache-2.0
"""Reads TOML files; mistakes are errors with file, line and key, and with what to do.

Every TOML file that the harness reads is read here: catalogues, recipes and settings.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from harness import named_files
from harness.errors import CatalogueError
from harness.wording import did_you_mean, nearest

Location = tuple[str | int, ...]
"""The location of a value: keys, and row numbers counted from 0. `("edge", 2, "from")`"""

_M = TypeVar("_M", bound=BaseModel)

_POSITION = re.compile(r"\(at line (?P<line>\d+), column (?P<column>\d+)\)")
"""Where tomllib says that it stopped."""

_NAME = r"""(?:[\w-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_DOTTED = rf"{_NAME}(?:[ \t]*\.[ \t]*{_NAME})*"
_HEADER = re.compile(rf"[ \t]*\[(?P<row>\[)?[ \t]*(?P<table>{_DOTTED})[ \t]*\]")
_ASSIGNMENT = re.compile(rf"[ \t]*(?P<key>{_DOTTED})[ \t]*=")
# What values are made of, as far as it takes to see where they end.
_PIECE = re.compile(
    r"""
    \"{3}(?:[^\\]|\\.)*?\"{3} | '{3}.*?'{3}         # strings over several lines
    | "(?:[^"\\\n]|\\.)*" | '[^'\n]*'              # strings on one
    | \#[^\n]*                                     # a comment
    | [\[\]{}\n]                                   # what opens or closes something
    | [^"'\#\[\]{}\n]+
    """,
    re.DOTALL | re.VERBOSE,
)

_DIGITS = re.compile(r"(?<![\w.+-])[+-]?[0-9_]+(?![\w.+-])")
"""A decimal number without a point or an exponent."""


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as wrong:
        raise ValueError(f"{text!r} is not a regular expression: {wrong}") from wrong
    return text


Expression = Annotated[str, AfterValidator(_expression)]
"""A regular expression, as text."""


@dataclass(frozen=True, kw_only=True)
class TomlSource:
    """A TOML file and its text. Made up by tests, it has neither, and every line is 1."""

    file: Path = Path("catalogue.toml")
    text: str = ""

    @classmethod
    def read(cls, file: Path) -> TomlSource:
        """A file of the project. Raises CatalogueError when it does not exist, cannot be read or is not TOML."""
        try:
            source = cls(file=file, text=named_files.text(file))
        except FileNotFoundError as missing:
            raise CatalogueError(f"{file} does not exist", "check it out again; it belongs to the project") from missing
        except UnicodeDecodeError as broken:
            raise CatalogueError(f"{file} is not valid TOML: {broken}", "correct that line") from broken
        except OSError as unreadable:
            raise CatalogueError(f"{file} cannot be read: {unreadable.strerror}", "make it readable") from unreadable
        return source

    @property
    def data(self) -> Mapping[str, Any]:
        """The parsed content, read-only. Raises CatalogueError when it is not TOML."""
        try:
            return _parsed(self.text)
        except RecursionError as deep:
            raise CatalogueError(f"{self.file}: it is nested too deep", "write it as the documentation shows") from deep
        except tomllib.TOMLDecodeError as broken:
            raise self._not_toml(broken) from broken
        except ValueError as endless:
            # Of a number with more digits than Python takes, tomllib says no line.
            place = self._key_before(_endless(self.text))[0]
            raise CatalogueError(f"{place}a number in it cannot be read: {endless}", "write fewer digits") from endless

    def _not_toml(self, broken: tomllib.TOMLDecodeError) -> CatalogueError:
        """The error for a text that is not TOML, with the last key before the place where reading ended."""
        found = _POSITION.search(str(broken))
        end = len(self.text.rstrip())
        if found:
            end = sum(map(len, self.text.splitlines(keepends=True)[: int(found["line"]) - 1])) + int(found["column"])
        place, line, begins = self._key_before(end)
        why = _POSITION.sub("", str(broken)).replace("(at end of document)", "").strip()
        above = f", in what begins at line {begins}" if begins < line else ""
        return CatalogueError(
            f"{place}it is not valid TOML: {why[:1].lower()}{why[1:]}{above}",
            "write text in quotes, lists in brackets, and each key once, on a line of its own",
        )

    def _key_before(self, end: int) -> tuple[str, int, int]:
        """A position for an error message, with the last key that begins before it; its line, and that of the key."""
        line = begins = self.text.count("\n", 0, max(end - 1, 0)) + 1
        place = f"{self.file}, line {line}: "
        for location, position, is_table in _written(self.text[:end]):
            place = f"{self.file}, line {line}: key {_shown(location, is_table)}: "
            begins = self.text.count("\n", 0, position) + 1
        return place, line, begins

    def validated(self, model: type[_M]) -> _M:
        """The whole file as a model. Raises CatalogueError."""
        try:
            return model.model_validate(self.data)
        except ValidationError as invalid:
            raise self.invalid(invalid, model) from invalid

    def rows(self, table: str, model: type[_M]) -> tuple[_M, ...]:
        """The `[[table]]` rows; none where the file has none. Raises CatalogueError."""
        rows = self.data.get(table, [])
        if not isinstance(rows, list):
            raise self.error(table, 0, "", f"this table has rows: write [[{table}]]")
        return tuple(self._model(model, values, (table, number)) for number, values in enumerate(rows))

    def table(self, table: str, model: type[_M]) -> _M:
        """The `[table]` of the file; an empty one where it has none. Raises CatalogueError."""
        return self._model(model, self.data.get(table, {}), (table,))

    def tables(self, model: type[_M], name: str = "") -> dict[str, _M]:
        """Every `[table]` of the file by its name, which the model gets as `name` if it has a field for it.

        Raises CatalogueError.
        """
        found = {}
        for table, values in self.data.items():
            if not isinstance(values, dict):
                raise self.error(table, 0, "", "only tables are allowed here", f"write [{table}], and its keys below")
            if name in values:
                raise self.error(table, 0, name, "the table's name is its value", "remove this key")
            found[table] = self._model(model, {**values, name: table} if name else values, (table,))
        return found

    def require_only(self, *tables: str, beside: str = "") -> None:
        """Raise CatalogueError for what is in the file beside these `[[tables]]`, and a `[beside]` if one is named."""
        *first, last = [*([f"[{beside}]"] if beside else []), *(f"[[{it}]]" for it in tables)]
        shown = f"{', '.join(first)} and {last}" if first else last
        for stray in self.data:
            if stray not in (*tables, beside):
                raise CatalogueError(
                    f"{self.file}, line {self._place((stray,))[0]}: key {stray}: only {shown} rows belong here",
                    f"rename or remove it; the head of {self.file.name} explains the tables",
                )

    def require_values(self) -> None:
        """Raise CatalogueError for a text without anything in it, in a file of a user's."""
        for location in _blank(self.data):
            raise CatalogueError(f"{self.where(location)}it is empty", "give a value, or leave the key out")

    def require_unique(self, table: str, key: str, names: Iterable[str]) -> None:
        """Raise CatalogueError where two `[[table]]` rows have one name; `names` are those of the rows in order."""
        seen: set[str] = set()
        for number, name in enumerate(names):
            if name in seen:
                raise self.error(table, number, key, f"a second row with {name!r}", "rename it, or remove the row")
            seen.add(name)

    def replaces(self, table: str, row: int) -> bool:
        """Whether the row-th `[[table]]` says that it takes the place of another row; only a user's own can."""
        return False

    def is_own(self, table: str, row: int) -> bool:
        """Whether the row-th `[[table]]` is a user's, not the project's."""
        return False

    @property
    def has_own(self) -> bool:
        """Whether rows of a user are among these."""
        return False

    def where(self, location: Location) -> str:
        """The place for an error message: file, line, key."""
        line, is_table = self._place(location)
        shown = _shown(location, is_table)
        return f"{self.file}, line {line}: key {shown}: " if shown else f"{self.file}: "

    def error(self, table: str, row: int, key: str, why: str, next_step: str = "") -> CatalogueError:
        """The error for a key of the row-th `[[table]]`, or of a `[table]`, where `row` is 0."""
        location = (table, row, key) if key else (table, row)
        explained = f"correct that row; the head of {self.file.name} explains it"
        return CatalogueError(self.where(location) + why, next_step or explained)

    def invalid(self, error: ValidationError, model: type[BaseModel], prefix: Location = ()) -> CatalogueError:
        """The error for a value that pydantic rejects; `model` is the type expected at `prefix`."""
        problems = error.errors()
        lines = [self.where((*prefix, *problem["loc"])) + message(problem, model) for problem in problems]
        return CatalogueError("\n".join(lines), remedy(problems, model) or "correct that value")

    def _model(self, model: type[_M], values: object, prefix: Location) -> _M:
        try:
            return model.model_validate(values)
        except ValidationError as invalid:
            raise self.invalid(invalid, model, prefix) from invalid

    def _place(self, location: Location) -> tuple[int, bool]:
        """The line of the innermost of these keys that is written, and whether it is a table."""
        found: Location = ()
        for part in location:
            # The elements of an array have numbers too, but no places of their own.
            if (*found, part) in self._places:
                found = (*found, part)
        return self._places.get(found, (1, False))

    @cached_property
    def _places(self) -> dict[Location, tuple[int, bool]]:
        """Every table and key: its line, counted from 1, and whether it is a table."""
        places: dict[Location, tuple[int, bool]] = {}
        for location, position, is_table in _written(self.text):
            places.setdefault(location, (self.text.count("\n", 0, position) + 1, is_table))
        return places


def _endless(text: str) -> int:
    """The position behind the first number that has more digits than Python takes; that of the end where none has."""
    for piece in _PIECE.finditer(text):
        for number in _DIGITS.finditer(piece[0] if piece[0][0] not in "\"'#" else ""):
            if len(number[0].replace("_", "")) > sys.get_int_max_str_digits():
                return piece.start() + number.start() + 1
    return len(text)


def _blank(value: object, location: Location = ()) -> Iterator[Location]:
    if isinstance(value, str) and not value.strip():
        yield location
    below = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, it in below:
        yield from _blank(it, (*location, key))


def _shown(location: Location, is_table: bool) -> str:
    """A location for an error message, beside its line."""
    keys = [it for it in location if isinstance(it, str)]
    if len(keys) > 1 and isinstance(location[1], int):
        # The line says which row this is.
        return ".".join(keys[1:])
    return f"[{keys[0]}]" if is_table and len(keys) == 1 else ".".join(keys)


@lru_cache(maxsize=64)
def _parsed(text: str) -> Mapping[str, Any]:
    # Each table of a file is asked for on its own, and several rooms read the same files.
    return tomllib.loads(text)


def message(problem: ErrorDetails, model: type[BaseModel]) -> str:
    """pydantic's message as a clause; `model` is what was validated."""
    if problem["type"] == "missing":
        return "this key is missing"
    if problem["type"] == "path_type":
        return "a path is text, in quotes"
    if problem["type"] in ("model_type", "dict_type"):
        return f"this has keys of its own, so it is a table, not {_kind(problem['input'])}"
    if problem["type"] == "extra_forbidden":
        near = nearest(str(problem["loc"][-1]), keys_of(_model_at(model, problem["loc"])))
        return f"there is no such key{did_you_mean(near)}"
    said = problem["msg"].removeprefix("Value error, ").replace("Tuple", "List").replace(" after validation", "")
    said = said.replace("a valid tuple", "a list, in brackets")
    said = said[:1].lower() + said[1:]
    if (
        problem["type"] != "value_error"
        and isinstance(problem["input"], str | int | float)
        and not _secret(problem, model)
    ):
        said = f"{said.partition(', unable to')[0]}, not {problem['input']!r}"
    return said


def _kind(value: object) -> str:
    return "a list" if isinstance(value, list) else "text" if isinstance(value, str) else "a plain value"


def remedy(problems: Iterable[ErrorDetails], model: type[BaseModel]) -> str:
    """The list of valid keys, if one is missing or unknown; else empty."""
    at_fault = [_model_at(model, it["loc"]) for it in problems if it["type"] in ("missing", "extra_forbidden")]
    keys = dict.fromkeys(key for each in at_fault for key in keys_of(each))
    return f"the keys are: {', '.join(keys)}" if keys else ""


def keys_of(model: type[BaseModel]) -> list[str]:
    """The keys of a model as they are written in a file."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _secret(problem: ErrorDetails, model: type[BaseModel]) -> bool:
    key = str(problem["loc"][-1]) if problem["loc"] else ""
    field = _model_at(model, problem["loc"]).model_fields.get(key)
    return field is not None and field.annotation is SecretStr


def _model_at(model: type[BaseModel], location: Location) -> type[BaseModel]:
    """The model that has the last of these keys."""
    for key in location[:-1]:
        field = next((it for name, it in model.model_fields.items() if key in (name, it.alias)), None)
        model = next(_models(field.annotation), model) if field else model
    return model


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """The models in an annotation such as `tuple[Row, ...]` or `Limits | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _written(text: str) -> Iterator[tuple[Location, int, bool]]:
    """Every table and key of a valid TOML text: where it belongs, its position, and whether it is a table."""
    rows: dict[Location, int] = {}
    table: Location = ()
    position = 0
    while position < len(text):
        if header := _HEADER.match(text, position):
            *outer, name = _names(header["table"])
            table = ()
            for each in outer:
                table = _with_row((*table, each), rows)
                yield table, position, True
            table = (*table, name)
            yield table, position, True
            if header["row"]:
                rows[table] = rows.get(table, -1) + 1
                table = (*table, rows[table])
                yield table, position, True
        elif assignment := _ASSIGNMENT.match(text, position):
            location = table
            for name in _names(assignment["key"]):
                location = (*location, name)
                yield location, position, False
            position = _end_of_value(text, assignment.end())
        end = text.find("\n", position)
        position = end + 1 if end >= 0 else len(text)


def _names(dotted: str) -> list[str]:
    """The names of a dotted key, `mirrors."ghcr.io"`."""
    parsed = tomllib.loads(f"{dotted} = 0")
    names = []
    while isinstance(parsed, dict):
        ((name, parsed),) = parsed.items()
        names.append(name)
    return names


def _with_row(table: Location, rows: Mapping[Location, int]) -> Location:
    """The name that tables below a table use for it: its last row, if it has rows."""
    return (*table, rows[table]) if table in rows else table


def _end_of_value(text: str, position: int) -> int:
    """Where the value that begins here ends: at a line's end that is in no string, array or inline table."""
    depth = 0
    while piece := _PIECE.match(text, position):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(piece[0], 0)
        if piece[0] == "\n" and depth == 0:
            break
        position = piece.end()
    return position
