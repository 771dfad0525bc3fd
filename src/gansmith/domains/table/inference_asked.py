"""What was written by hand about a table: parts of a schema that go before what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, get_args

from gansmith.domains.table import reading_dates, reading_numbers
from gansmith.domains.table.schema import Column, Constraint, Kind, Relation, Schema
from gansmith.errors import DataError, nearest


def overridden(schema: Schema, overrides: Mapping[str, Any]) -> Schema:
    """A schema with what was written by hand in place of what was found.

    overrides  {"columns": [{"name": ..., any other fields of Column}], "target": name, "constraints": [as Constraint.to_dict gives]}
    DataError for unknown names, fields and kinds, and where a kind needs levels or values that only `infer` can find.
    """
    for name, given in asked_of(overrides, schema.names).items():
        column = schema[name]
        if given.get("kind", column.kind) != column.kind and given["kind"] not in ("id", "text") and "levels" not in given:
            raise DataError(
                f"column {name!r} was taken as {column.kind}; that it is {given['kind']} must be known when the data are opened."
            )
        levels = tuple(map(str, given["levels"])) if "levels" in given else column.levels
        schema = schema.put(Column.from_dict({**column.to_dict(), **given, "levels": levels}))
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
    """Fields of columns by name. DataError for whatever is unknown."""
    for key in overrides:
        if key not in ("columns", "target", "constraints"):
            raise DataError(f"a schema has no {key!r}; {nearest(key, ('columns', 'target', 'constraints'))}")
    known = [f.name for f in fields(Column)]
    asked: dict[str, dict[str, Any]] = {}
    for given in overrides.get("columns", ()):
        name = str(given.get("name"))
        if name not in names:
            raise DataError(f"the schema names a column {name!r} and there is none; {nearest(name, names)}")
        for key in given:
            if key not in known:
                raise DataError(f"column {name!r} of the schema has {key!r}, and a column has no such field; {nearest(key, known)}")
        if "kind" in given and given["kind"] not in get_args(Kind):
            raise DataError(
                f"column {name!r} of the schema is of kind {given['kind']!r}, and there is none; {nearest(given['kind'], get_args(Kind))}"
            )
        for key in ("step", "lowest", "highest", "missing"):
            if given.get(key) is not None and not isinstance(given[key], int | float):
                raise DataError(f"column {name!r} of the schema has {key} {given[key]!r}; a number was wanted.")
        if not isinstance(given.get("levels", ()), list | tuple):
            raise DataError(f"column {name!r} of the schema has levels {given['levels']!r}; a list of values was wanted.")
        _check_form(name, given.get("kind"), str(given.get("form", "")))
        asked[name] = {key: value for key, value in given.items() if key != "name"}
    return asked


def _check_form(name: str, kind: Kind | None, form: str) -> None:
    if kind == "date" and form and not reading_dates.is_form(form):
        raise DataError(f"column {name!r} of the schema has the form {form!r}, which no date can be read by. Write it as %d.%m.%Y %H:%M.")
    if kind == "number" and not reading_numbers.is_form(form):
        raise DataError(f"column {name!r} of the schema has the form {form!r}; forms of numbers are {', '.join(reading_numbers.STYLES)}.")


def _constraint(schema: Schema, values: Mapping[str, Any]) -> Constraint:
    relation = str(values.get("relation"))
    if relation not in get_args(Relation):
        raise DataError(f"a constraint has the relation {relation!r}; {nearest(relation, get_args(Relation))}")
    unknown = set(values) - {f.name for f in fields(Constraint)}
    if unknown:
        raise DataError(f"a constraint has no {sorted(unknown)[0]!r}; {nearest(sorted(unknown)[0], [f.name for f in fields(Constraint)])}")
    constraint = Constraint.from_dict({"columns": (), **values})
    columns = [schema[name] for name in constraint.columns]
    wanted = {"together": 2, "within": 1}.get(relation, 2)
    if len(columns) < wanted or (relation != "together" and len(columns) > wanted):
        raise DataError(
            f"the constraint {relation!r} names {len(columns)} columns; it wants {wanted}{' or more' if relation == 'together' else ''}."
        )
    for column in columns:
        if not column.learned or (relation != "together" and not column.numeric):
            raise DataError(
                f"the constraint {relation!r} names {column.name!r}, which is of kind {column.kind}; numbers and dates can be compared."
            )
    if relation in ("less", "less or equal") and columns[0].kind != columns[1].kind:
        raise DataError(
            f"the constraint {relation!r} compares {columns[0].name!r}, a {columns[0].kind}, with {columns[1].name!r}, a {columns[1].kind}."
        )
    return constraint
