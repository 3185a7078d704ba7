"""Check of names, docstrings and words against the rules in CONTRIBUTING.md.

``python -m tools.prose [PATH ...]`` prints one line per finding and exits with 1 if there is any.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What the documentation of the field calls it. Whole words, in any case, in every file.
WORDS = {
    r"slopes?": "gradient",
    r"taps?|tapped": "hook, or feature layer",
    r"errands?": "download",
    r"custody": "integrity",
    r"council": "ensemble",
    r"faculty": "teachers",
    r"arrangements?": "scheme",
    r"usual": "default",
    r"soft labels?": "soft targets",
    r"hottest|coldest": "highest or lowest temperature",
}
# A participle or a pronoun fits anything. A name says what it holds.
NAMES = {"own", "said", "found", "shown", "known", "usual", "asked", "told", "given", "kept", "mine", "share"}
QUOTING = {"tools/prose.py", "tests/tools/test_prose.py", "CONTRIBUTING.md"}  # files that name what is ruled out
TEXT = {".py", ".js", ".css", ".md", ".toml", ".yml"}


def findings(path: Path) -> Iterator[str]:
    """Yield a line for everything in a file that breaks a rule."""
    text = path.read_text(encoding="utf-8")
    name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    for number, line in enumerate(text.splitlines(), 1):
        for word, better in WORDS.items():
            if match := re.search(rf"(?<![\w-])({word})(?![\w-])", line, re.IGNORECASE):
                yield f"{name}:{number}: “{match[1]}” is called {better}"
    if path.suffix == ".py":
        tree = ast.parse(text)
        yield from (f"{name}:{line}: name {identifier}: say what it holds" for line, identifier in vague_names(tree))
        yield from (f"{name}:{line}: colon in the first sentence of a docstring" for line in riddles(tree))


def vague_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of variables and parameters whose name says nothing."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in NAMES:
            yield node.lineno, node.id
        elif isinstance(node, ast.arg) and node.arg in NAMES:
            yield node.lineno, node.arg


def riddles(tree: ast.Module) -> Iterator[int]:
    """Yield the line of docstrings whose first sentence needs what stands after its colon."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            sentence = (ast.get_docstring(node) or "").split(". ")[0].splitlines()
            first = re.sub(r":\w+:`|``[^`]*``|\d:\d", "", sentence[0]) if sentence else ""
            if ":" in first:
                yield node.body[0].lineno


def main(arguments: list[str]) -> int:
    """Check the files named, or all that git tracks; return the exit status."""
    listed = subprocess.run(
        ["git", "ls-files", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    paths = [ROOT / name for name in listed if Path(name).suffix in TEXT and name not in QUOTING]
    lines = [line for path in paths if path.exists() for line in findings(path)]
    print(*lines, sep="\n", end="\n" if lines else "")
    return bool(lines)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
