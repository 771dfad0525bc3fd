"""Write docs/reference.md: every public name of gansmith with its signature and docstring. Run by `make reference`."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import get_args

from pydantic import BaseModel

import gansmith

PAGE = Path(__file__).parents[1] / "docs" / "reference.md"
WIDTH = 100
FUNCTION = re.compile(r"<function (\S+) at 0x[0-9a-f]+>")  # prints as where it lies in memory
HEAD = """# Reference

Every setting, and every public name of `gansmith` with its docstring. This page is written by `make reference`.
"""


class Bare:
    """Prints as the text itself, without the quotes that a string has."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def bare(item: inspect.Parameter) -> inspect.Parameter:
    """A parameter as it reads best: annotations without quotes, and a group of settings by its name alone."""
    if isinstance(item.annotation, str):
        item = item.replace(annotation=Bare(item.annotation))
    if isinstance(item.default, BaseModel):
        item = item.replace(default=Bare(f"{type(item.default).__name__}()"))
    elif inspect.isfunction(item.default):
        item = item.replace(default=Bare("..."))
    return item


def signature(name: str, value: object) -> str:
    """`name(arguments) -> result`, a line for each argument where it is long; nothing for what tells no signature."""
    try:
        found = inspect.signature(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return ""
    result = Bare(found.return_annotation) if isinstance(found.return_annotation, str) else found.return_annotation
    found = found.replace(parameters=[bare(item) for item in found.parameters.values()], return_annotation=result)
    text = f"{name}{found}"
    if len(text) > WIDTH:
        one_each = "".join(f"    {item},\n" for item in parts(found))
        text = f"{name}(\n{one_each}){str(found).rpartition(')')[2]}"
    return f"```python\n{text}\n```\n\n"


def parts(found: inspect.Signature) -> list[str]:
    """The arguments as they stand between the brackets, with the * and / between them."""
    text, kinds = [], list(found.parameters.values())
    for i, item in enumerate(kinds):
        before = kinds[i - 1].kind if i else None
        if item.kind is item.KEYWORD_ONLY and before not in (item.KEYWORD_ONLY, item.VAR_POSITIONAL):
            text.append("*")
        text.append(str(item))
        if item.kind is item.POSITIONAL_ONLY and (i + 1 == len(kinds) or kinds[i + 1].kind is not item.POSITIONAL_ONLY):
            text.append("/")
    return text


def members(name: str, value: object) -> str:
    """The public methods and properties a class has of its own."""
    if not inspect.isclass(value):
        return ""
    found = ""
    for member, item in vars(value).items():
        item = item.__func__ if isinstance(item, classmethod | staticmethod) else item
        if member.startswith("_") or not (inspect.isfunction(item) or isinstance(item, property)):
            continue
        found += f"#### `{name}.{member}`\n\n{signature(member, item)}{inspect.getdoc(item) or ''}\n\n"
    return found


def printed(value: object) -> str:
    """What a value prints as, functions by their names alone."""
    return FUNCTION.sub(r"\1", repr(value))


def entry(name: str) -> str:
    """The section of one public name."""
    value = getattr(gansmith, name)
    # An instance has the docstring of its class, which says nothing of the value.
    text = inspect.getdoc(value) if callable(value) or inspect.ismodule(value) else f"`{printed(value)}`"
    return f"## `{name}`\n\n{signature(name, value)}{text or ''}\n\n{members(name, value)}"


def choices(annotation: object) -> list[str]:
    """The words that a setting can be; none where it is a number or free text."""
    found = get_args(annotation)
    return [c for c in found if isinstance(c, str)] + [word for part in found if not isinstance(part, str) for word in choices(part)]


def settings() -> str:
    """The section of all settings, a table for each group."""
    found = "## Settings\n\n"
    found += "Given as `--set NAME=VALUE`, in a recipe, or as `settings` in Python. None, in YAML and on the\n"
    found += "command line `null`, means: chosen from the data and the machine, unless the line says otherwise.\n\n"
    for group, field in gansmith.Recipe.model_fields.items():
        if inspect.isclass(field.annotation) and issubclass(field.annotation, BaseModel):
            found += f"### {group}\n\n{inspect.getdoc(field.annotation)}\n\n| setting | default | meaning |\n| --- | --- | --- |\n"
            for name, item in field.annotation.model_fields.items():
                among = ", ".join(choices(item.annotation))
                found += f"| `{group}.{name}` | `{item.default}` | {item.description}{f' ({among})' if among else ''} |\n"
            found += "\n"
    return found


def main() -> None:
    """Write the page."""
    names = sorted((name for name in gansmith.__all__ if not name.startswith("_")), key=str.lower)
    PAGE.write_text(HEAD + "\n" + settings() + "".join(map(entry, names)).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
