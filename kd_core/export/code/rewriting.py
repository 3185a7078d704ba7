"""Methods of a plug-in rewritten as plain functions, with its options as constants."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from kd_core.base.options import options_of
from kd_core.base.registry import Plugin
from kd_core.export.code.source import Sources, UnwritableError, clean, free_names, method_source

SIMPLE = int | float | str | bool | None


class Text:
    """Source of a method with the places of its nodes, which count bytes."""

    def __init__(self, text: str) -> None:
        self._bytes = text.encode()
        lengths = [len(line) for line in self._bytes.splitlines(keepends=True)]
        self._starts = [sum(lengths[:number]) for number in range(len(lengths) + 1)]

    def place(self, node: ast.AST) -> tuple[int, int]:
        """Return the first byte of a node and the one after its last."""
        first = self._starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        last = self._starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
        return first, last

    def with_replacements(self, first: int, last: int, replacements: list[tuple[int, int, str]]) -> str:
        """Return the text between two places in which some parts are replaced."""
        pieces = []
        for start, end, new in replacements:
            pieces += [self._bytes[first:start].decode(), new]
            first = end
        return "".join([*pieces, self._bytes[first:last].decode()])


class Rewriter:
    """Methods of one plug-in as functions of a script.

    ``self.option`` becomes a constant, and a call of another method one of a function.
    """

    def __init__(self, plugin: Plugin, sources: Sources) -> None:
        self.plugin, self.sources = plugin, sources
        self._functions: dict[str, str] = {}  # names in the script, by method

    def function(self, method: str, name: str = "") -> str:
        """Add a method as a function and return its name in the script. Raises UnwritableError."""
        if method not in self._functions:
            self._functions[method] = name or method.lstrip("_")
            tree, text, module = method_source(type(self.plugin), method)
            code = self.render(tree, Text(text), module)
            code = re.sub(r"\(\s*self\s*,?\s*", "(", code, count=1)
            code = code.replace(f"def {method}(", f"def {self._functions[method]}(", 1)
            self._functions[method] = self.sources.add_definition(self._functions[method], clean(code))
        return self._functions[method]

    def render(self, node: ast.AST, text: Text, module: ModuleType) -> str:
        """Return the code of a node without ``self``, and add what its names stand for."""
        if isinstance(node, ast.expr):  # otherwise a node is replaced as a part of another one only
            new = None if isinstance(node, ast.JoinedStr) else self.replacement(node, text, module)
            if new is not None:
                return new
        for name in free_names(node):
            if name != "self" and (new := self.sources.add(name, module)) != name:
                raise UnwritableError(f"two parts define {name} differently as {new}")
        return text.with_replacements(*text.place(node), list(self._replacements(node, text, module)))

    def _replacements(self, node: ast.AST, text: Text, module: ModuleType) -> Iterator[tuple[int, int, str]]:
        children = [child for child in ast.iter_child_nodes(node) if hasattr(child, "lineno")]
        # Nodes without a place, as comprehensions, hold nodes that have one.
        for child in ast.iter_child_nodes(node):
            if not hasattr(child, "lineno"):
                children += [inner for inner in ast.iter_child_nodes(child) if hasattr(inner, "lineno")]
        for child in sorted(children, key=text.place):
            yield from self._replacement(child, text, module)

    def _replacement(self, node: ast.AST, text: Text, module: ModuleType) -> Iterator[tuple[int, int, str]]:
        if isinstance(node, ast.JoinedStr):  # the places of its nodes are not reliable
            if any(isinstance(inner, ast.Name) and inner.id == "self" for inner in ast.walk(node)):
                raise UnwritableError("an option is a part of a text")
        elif (new := self.replacement(node, text, module)) is not None:
            yield (*text.place(node), new)
        else:
            yield from self._replacements(node, text, module)

    def replacement(self, node: ast.AST, text: Text, module: ModuleType) -> str | None:
        """Return the code that takes the place of a node; None to keep it and look into it."""
        if isinstance(node, ast.Call) and (method := self_attribute(node.func)):
            after, end = text.place(node.func)[1], text.place(node)[1]
            arguments = text.with_replacements(after, end, list(self._inside_call(node, text, module)))
            return self.function(method) + arguments
        if attribute := self_attribute(node):
            return self.constant(attribute)
        if isinstance(node, ast.Name) and node.id in ("self", "super"):
            raise UnwritableError(f"it uses {node.id} as a whole")
        return None

    def _inside_call(self, call: ast.Call, text: Text, module: ModuleType) -> Iterator[tuple[int, int, str]]:
        inside = [*call.args, *(keyword.value for keyword in call.keywords)]
        for node in sorted(inside, key=text.place):
            yield from self._replacement(node, text, module)

    def constant(self, attribute: str) -> str:
        """Return the code of an option or a constant of the class; a number gets a name."""
        value = getattr(self.plugin, attribute, UnwritableError)
        is_option = attribute in options_of(type(self.plugin))
        if is_option and isinstance(value, int | float) and not isinstance(value, bool):
            return self.sources.add_number(attribute.upper(), value)
        if not is_simple(value):
            raise UnwritableError(f"it reads {attribute}, which is not a plain value")
        return literal(value)


def self_attribute(node: ast.AST) -> str:
    """Return the name of an attribute of ``self``; empty for any other node."""
    is_self = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    return node.attr if is_self else ""  # type: ignore[attr-defined]


def is_simple(value: Any) -> bool:
    """Return whether a value can be written as a literal."""
    return isinstance(value, SIMPLE) or (isinstance(value, tuple) and all(map(is_simple, value)))


def literal(value: Any) -> str:
    """Return the code of a plain value, texts in double quotes."""
    if isinstance(value, str):
        text = repr(value)
        return f'"{text[1:-1]}"' if '"' not in text else text
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})"
    return repr(value)


def indented(text: str, levels: int = 1) -> str:
    """Return code indented by so many levels."""
    return textwrap.indent(text, "    " * levels)
