"""What was written by hand about a table: parts of a schema that go before what was found."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, cast, get_args

from gansmith.domains.table import reading_dates, reading_numbers
from gansmith.domains.table.schema import Column, Constraint, Kind, Relation, Schema
from gansmith.domains.table.where import stretch
from gansmith.errors import DataError, nearest

SAID = ("columns", "target", "constraints", "delimiter")  # of a table; the delimiter only in files that were written
WANTED = {  # of a schema, each a list of mappings
    "columns": '[{"name": "zip", "kind": "category"}]',
    "constraints": '[{"relation": "less", "columns": ["start", "end"]}]',
}


def overridden(schema: Schema, overrides: Mapping[str, Any]) -> Schema:
    """A schema with what was written by hand in place of what was found.

    overrides  {"columns": [{"name": ..., any other fields of Column}], "target": name, "constraints": [as Constraint.to_dict gives]}
    DataError for unknown names, fields and kinds, and where a kind needs levels or values that only `infer` can find.
    """
    for name, given in asked_of(overrides, schema.names).items():
        column = schema[name]
        if given.get("kind", column.kind) != column.kind and given["kind"] not in ("id", "text") and "levels" not in given:
            raise DataError(f"column {name!r} was read as {column.kind}; the kind {given['kind']} must be set when the data are opened.")
        levels = tuple(map(str, given["levels"])) if "levels" in given else column.levels
        schema = schema.put(_sound(Column.from_dict({**column.to_dict(), **given, "levels": levels})))
    if "constraints" in overrides:
        schema = replace(schema, constraints=tuple(_constraint(schema, values) for values in overrides["constraints"]))
    return with_target(schema, overrides["target"]) if overrides.get("target") is not None else schema


def with_target(schema: Schema, name: str) -> Schema:
    """The same with a target. DataError where there is no such column, or where nothing can be predicted of it."""
    column = schema[name]
    if not column.learned:
        why = {"constant": "has one value in every row", "id": "is an id, different in every row", "text": "is free text"}[column.kind]
        known = [c.name for c in schema.columns if c.learned]
        raise DataError(f"the target {name!r} {why}, so there is nothing to predict. Choose another: {', '.join(known[:10])}.")
    return replace(schema, target=name)


def asked_of(overrides: Mapping[str, Any], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Fields of columns by name, and beside a form the kind that it is one of. DataError for whatever is unknown or of a wrong type."""
    for key in overrides:
        if key not in SAID:
            raise DataError(f"a schema has no {key!r}; {nearest(key, SAID)}")
    for key, example in WANTED.items():
        given = overrides.get(key, ())
        if not isinstance(given, list | tuple) or not all(isinstance(one, Mapping) for one in given):
            raise DataError(f"the schema has {key} {_shown(given)}; a list was expected, such as {example}.")
    if not isinstance(overrides.get("target"), str | None):
        raise DataError(f"the schema has the target {_shown(overrides['target'])}; the name of a column was expected.")
    known = [f.name for f in fields(Column)]
    asked: dict[str, dict[str, Any]] = {}
    for given in overrides.get("columns", ()):
        name = str(given.get("name"))
        if name not in names:
            raise DataError(f"the schema names a column {name!r}, which does not exist; {nearest(name, names)}")
        for key in given:
            if key not in known:
                raise DataError(f"column {name!r} of the schema has {key!r}, but columns have no such field; {nearest(key, known)}")
        _check_types(name, given)
        if "kind" in given and given["kind"] not in get_args(Kind):
            raise DataError(
                f"column {name!r} of the schema has kind {given['kind']!r}, which does not exist; {nearest(given['kind'], get_args(Kind))}"
            )
        form = given.get("form", "")
        check_form(name, given.get("kind"), form)
        asked[name] = {key: value for key, value in given.items() if key != "name"}
        if form and "kind" not in given and (kind := _kind_of(form)):
            asked[name]["kind"] = kind
    return asked


def check_form(name: str, kind: Kind | None, form: str) -> None:
    """DataError where a date or number cannot be read by a form."""
    if kind == "date" and form and not reading_dates.is_form(form):
        raise DataError(
            f"column {name!r} of the schema has the form {form!r}, which cannot be used to read dates. Write it like %d.%m.%Y %H:%M."
        )
    if kind == "number" and not reading_numbers.is_form(form):
        raise DataError(
            f"column {name!r} of the schema has the form {form!r}; forms of numbers are {', '.join(reading_numbers.STYLES)}, "
            "with text around them: $1,234.50, 1234.5%, (1,234.5), 1.50e+03."
        )


def _kind_of(form: str) -> Kind | None:
    """What is written in a form, where that is clear."""
    return "date" if reading_dates.is_form(form) else "number" if reading_numbers.is_form(form) else None


def _check_types(name: str, given: Mapping[str, Any]) -> None:
    """DataError where a field of a column is not of its type."""
    wanted: dict[str, tuple[bool, str]] = {}
    for key, value in given.items():
        if key in ("kind", "form", "blank"):
            wanted[key] = isinstance(value, str), "a text"
        elif key == "step":
            wanted[key] = value is None or (_is_number(value) and value > 0), "a number above 0, or null,"
        elif key in ("lowest", "highest"):
            wanted[key] = _is_number(value), "a number"
        elif key == "missing":
            wanted[key] = _is_number(value) and 0 <= value <= 1, "a number from 0 to 1"
        elif key == "levels":
            words = isinstance(value, list | tuple) and all(isinstance(level, str | int | float) for level in value)
            wanted[key] = words and len(set(map(str, value))) == len(value), "a list of values that differ" if words else "a list of values"
    for key, (right, what) in wanted.items():
        if not right:
            raise DataError(f"column {name!r} of the schema has {key} {_shown(given[key])}; {what} was expected.")


def _sound(column: Column) -> Column:
    """The same. DataError where no value is left to it."""
    if column.numeric and column.lowest > column.highest:
        raise DataError(
            f"column {column.name!r} of the schema has lowest {column.lowest:.10g} above highest {column.highest:.10g}. "
            "Give both, or neither."
        )
    if column.kind in ("category", "boolean") and not column.levels:
        raise DataError(f"column {column.name!r} of the schema has no levels. Name them, or leave the list out, and they are detected.")
    if column.kind == "boolean" and len(column.levels) != 2:
        raise DataError(f"column {column.name!r} of the schema has {len(column.levels)} levels; a boolean has 2. Take it as category.")
    return column


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"


def _constraint(schema: Schema, values: Mapping[str, Any]) -> Constraint:
    relation = str(values.get("relation"))
    if relation not in get_args(Relation):
        raise DataError(f"a constraint has the relation {relation!r}; {nearest(relation, get_args(Relation))}")
    unknown = set(values) - {f.name for f in fields(Constraint)}
    if unknown:
        raise DataError(f"a constraint has no {sorted(unknown)[0]!r}; {nearest(sorted(unknown)[0], [f.name for f in fields(Constraint)])}")
    names = values.get("columns", ())
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise DataError(f"the constraint {relation!r} has columns {_shown(names)}; a list of different names was expected.")
    columns = [schema[name] for name in names]
    wanted = {"together": 2, "within": 1}.get(relation, 2)
    if len(columns) < wanted or (relation != "together" and len(columns) > wanted):
        raise DataError(
            f"the constraint {relation!r} names {len(columns)} columns; it needs {wanted}{' or more' if relation == 'together' else ''}."
        )
    for column in columns:
        if not column.learned or (relation != "together" and not column.numeric):
            raise DataError(
                f"the constraint {relation!r} names {column.name!r}, which is a {column.kind}; only numbers and dates can be compared."
            )
    if relation in ("less", "less or equal") and columns[0].kind != columns[1].kind:
        raise DataError(
            f"the constraint {relation!r} compares {columns[0].name!r}, a {columns[0].kind}, with {columns[1].name!r}, a {columns[1].kind}."
        )
    low, high = (_end(columns[0], key, values.get(key)) for key in ("lowest", "highest")) if relation == "within" else (None, None)
    if relation == "within" and (low is None if high is None else low is not None and low > high):
        raise DataError(
            f"the constraint 'within' of {columns[0].name!r} needs a lowest, a highest or both, the lowest not above the highest."
        )
    return Constraint(cast("Relation", relation), tuple(names), low, high)


def _end(column: Column, key: str, value: Any) -> float | None:
    """An end of a range: of a date also as it is written, a day from its first to its last moment."""
    if column.kind == "date" and isinstance(value, str):
        return stretch(column, value)[key == "highest"]
    if value is not None and not _is_number(value):
        raise DataError(f"the constraint 'within' of {column.name!r} has {key} {_shown(value)}; a {column.kind} was expected.")
    return None if value is None else float(value)
