"""Source text of functions, classes and constants of a module, with everything else of ours that they need."""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from kd_core.base.discovery import PACKAGE

# Count of calls, in the functions of torchvision, which cannot be imported everywhere.
LOGGED = re.compile(r"^ *if not torch\.jit\.is_scripting\(\) and not torch\.jit\.is_tracing\(\):\n *_log_api.*\n", re.M)
OWN = ("kd_core", PACKAGE)  # packages whose source is copied; everything else is imported
ROLE = re.compile(r":(?:func|class|meth|data|attr|mod):`~?([^`]+)`")
REMARK = re.compile(r"\s*# (?:noqa|type: ignore|fmt: skip|pragma)[^\n]*")


class UnwritableError(ValueError):
    """A part of a run cannot be written as code of its own; the message is a clause that says why."""


class Sources:
    """Source of what a script needs, in an order in which it can be executed.

    Args:
        provided: Names that the script defines itself.
        packages: Packages whose source is copied.
    """

    def __init__(self, provided: Iterable[str] = (), packages: Iterable[str] = OWN) -> None:
        self.provided, self.packages = set(provided), set(packages)
        self.imports: dict[str, None] = {}  # lines
        self.constants: dict[str, str] = {}  # text by name
        self.definitions: dict[str, str] = {}  # functions and classes, text by name
        self._names: dict[tuple[str, str], str] = {}  # in the script, by module and name there
        self._taken: dict[str, object] = {}  # what a name of the script stands for

    def add_import(self, line: str) -> None:
        """Add an import line."""
        self.imports.setdefault(line)

    def add_number(self, name: str, value: float) -> str:
        """Add a constant and return its name in the script, another one where that is taken by another value."""
        name = self._free_name(name, ("number", value))
        self.constants[name] = f"{name} = {value!r}"
        return name

    def add_definition(self, name: str, text: str) -> str:
        """Add a function or a class given as text, and return its name in the script."""
        free = self._free_name(name, ("text", text))
        self.definitions[free] = re.sub(rf"^(def|class) {name}\b", rf"\1 {free}", text, count=1)
        return free

    def add_code(self, text: str, module: ModuleType) -> str:
        """Add what the free names of some code stand for in a module, and return the code with their names here."""
        return self._resolved(ast.parse(textwrap.dedent(text)), text, module)

    def add(self, name: str, module: ModuleType) -> str:
        """Add a name of a module with all that it needs, and return its name in the script.

        A name that the module does not bind is left alone. Raises UnwritableError where there is no source.
        """
        if name in self.provided:
            return name
        if (module.__name__, name) in self._names:
            return self._names[module.__name__, name]
        statement = _bindings(module).get(name)
        if statement is None:
            return name
        if isinstance(statement, ast.Import | ast.ImportFrom):
            return self._add_imported(name, statement, module)
        free = self._free_name(name, (module.__name__, name))
        self._names[module.__name__, name] = free
        text = LOGGED.sub("", _segment(statement, module))
        text = self._resolved(ast.parse(text), text, module)
        if free != name:
            text = _renamed(text, {name: free})
        group = self.constants if isinstance(statement, ast.Assign | ast.AnnAssign) else self.definitions
        group[free] = clean(text)
        return free

    def _add_imported(self, name: str, statement: ast.Import | ast.ImportFrom, module: ModuleType) -> str:
        alias = next(one for one in statement.names if (one.asname or one.name.split(".")[0]) == name)
        if isinstance(statement, ast.Import):
            self.add_import(f"import {alias.name}" + (f" as {alias.asname}" if alias.asname else ""))
            return name
        source = importlib.util.resolve_name("." * statement.level + (statement.module or ""), module.__package__)
        if source.split(".")[0] in self.packages:
            origin = importlib.import_module(source)
            if alias.name in _bindings(origin):
                return self.add(alias.name, origin)
            raise UnwritableError(f"it needs {alias.name} of {source}")
        self.add_import(f"from {source} import {alias.name}" + (f" as {alias.asname}" if alias.asname else ""))
        return name

    def _resolved(self, tree: ast.AST, text: str, module: ModuleType) -> str:
        changed = {}
        for name in free_names(tree):
            if (new := self.add(name, module)) != name:
                changed[name] = new
        return _renamed(text, changed) if changed else text

    def _free_name(self, name: str, meaning: object) -> str:
        candidates = (name, *(f"{name}_{number}" for number in range(2, 100)))
        free = next(one for one in candidates if self._taken.get(one, meaning) == meaning)
        self._taken[free] = meaning
        return free


def free_names(tree: ast.AST) -> list[str]:
    """Return the names that some code reads and does not bind itself, in the order of their first use."""
    nodes = list(ast.walk(tree))
    bound = {node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    bound |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    bound |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    bound |= {
        (one.asname or one.name).split(".")[0]
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for one in node.names
    }
    reads = sorted(
        (node for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)),
        key=lambda node: (node.lineno, node.col_offset),
    )
    return [name for name in dict.fromkeys(node.id for node in reads) if name not in bound]


def clean(text: str) -> str:
    """Return source without remarks to tools and without markup in docstrings."""
    text = ROLE.sub(lambda match: match[1].rsplit(".", 1)[-1], text)
    return "\n".join(REMARK.sub("", line) for line in text.rstrip().splitlines())


def method_source(cls: type, name: str) -> tuple[ast.FunctionDef, str, ModuleType]:
    """Return a method of a class parsed, with its dedented text and the module that defines it.

    Raises UnwritableError where there is no source.
    """
    function = inspect.unwrap(inspect.getattr_static(cls, name))
    function = getattr(function, "__func__", function)
    try:
        text = textwrap.dedent(inspect.getsource(function))
        tree = ast.parse(text).body[0]
    except (OSError, TypeError, SyntaxError) as error:
        raise UnwritableError(f"there is no source of {cls.__name__}.{name}") from error
    if not isinstance(tree, ast.FunctionDef):
        raise UnwritableError(f"{cls.__name__}.{name} is no plain function")
    return tree, text, importlib.import_module(function.__module__)


def function_source(function: Callable[..., Any]) -> tuple[str, str, ModuleType]:
    """Return name, text without decorators, and module of a function. Raises UnwritableError."""
    try:
        text = textwrap.dedent(inspect.getsource(function))
        tree = ast.parse(text).body[0]
    except (OSError, TypeError, SyntaxError) as error:
        raise UnwritableError("there is no source of its function") from error
    if not isinstance(tree, ast.FunctionDef) or function.__code__.co_freevars:
        raise UnwritableError("its function cannot be written on its own")
    lines = text.splitlines()[tree.lineno - 1 : tree.end_lineno]
    return tree.name, "\n".join(lines) + "\n", importlib.import_module(function.__module__)


@functools.lru_cache(maxsize=256)
def _bindings(module: ModuleType) -> dict[str, ast.stmt]:
    """Return the statements at the top of a module by the names that they bind."""
    try:
        body = ast.parse(inspect.getsource(module)).body
    except (OSError, TypeError, SyntaxError) as error:
        raise UnwritableError(f"there is no source of {module.__name__}") from error
    bindings: dict[str, ast.stmt] = {}
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            bindings[statement.name] = statement
        elif isinstance(statement, ast.Assign):
            targets = [name for target in statement.targets for name in ast.walk(target)]
            bindings |= {name.id: statement for name in targets if isinstance(name, ast.Name)}
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            bindings[statement.target.id] = statement
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            bindings |= {one.asname or one.name.split(".")[0]: statement for one in statement.names}
    return bindings


def _segment(statement: ast.stmt, module: ModuleType) -> str:
    """Return the lines of a statement at the top of a module, with its decorators."""
    decorators = getattr(statement, "decorator_list", [])
    first = min([statement.lineno, *(decorator.lineno for decorator in decorators)])
    return "\n".join(inspect.getsource(module).splitlines()[first - 1 : statement.end_lineno])


def _renamed(text: str, names: dict[str, str]) -> str:
    pattern = re.compile(rf"(?<![\w.\"'])({'|'.join(map(re.escape, names))})(?![\w\"'])")
    return pattern.sub(lambda match: names[match[1]], text)
