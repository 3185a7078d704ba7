"""Expressions laid out over lines of a limited length."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH = 100  # characters of a line


class Code:
    """Expression that fits on a line."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text

    def lines(self, before: str, after: str, width: int) -> list[str]:  # noqa: ARG002
        """Return lines with a text before the first and one after the last."""
        return [f"{before}{self}{after}"]

    def assigned(self, name: str, width: int = WIDTH) -> list[str]:
        """Return lines of a statement that gives the expression a name."""
        return self.lines(f"{name} = ", "", width)

    def returned(self, width: int = WIDTH) -> list[str]:
        """Return lines of a statement that returns the expression."""
        return self.lines("return ", "", width)


class Call(Code):
    """Call or list of items, each with a text before it such as ``name=``."""

    def __init__(self, head: str, items: Sequence[tuple[str, Code]], brackets: str = "()") -> None:
        self.head, self.items, self.brackets = head, list(items), brackets

    def __str__(self) -> str:
        inside = ", ".join(f"{before}{item}" for before, item in self.items)
        return f"{self.head}{self.brackets[0]}{inside}{self.brackets[1]}"

    def lines(self, before: str, after: str, width: int) -> list[str]:
        whole = f"{before}{self}{after}"
        if len(whole) <= width:
            return [whole]
        start, end = f"{before}{self.head}{self.brackets[0]}", f"{self.brackets[1]}{after}"
        if len(self.items) == 1 and isinstance(self.items[0][1], Call) and not self.items[0][0]:
            return self.items[0][1].lines(start, end, width)
        inside: list[str] = []
        for text, item in self.items:
            short = f"{text}{item},"
            # Several short layers share a line.
            if inside and not text.endswith("=") and len(inside[-1]) + len(short) < width - 3 and is_flat(inside[-1]):
                inside[-1] += f" {short}"
            else:
                inside += item.lines(text, ",", width - 4)
        return [start, *(f"    {line}" for line in inside), end]


class Repeated(Code):
    """Items of a list that are repeated."""

    def __init__(self, count: int, items: Sequence[Code]) -> None:
        self.count, self.items = count, list(items)

    def __str__(self) -> str:
        if len(self.items) == 1:
            return f"*({self.items[0]} for _ in range({self.count}))"
        return f"*(layer for _ in range({self.count}) for layer in ({', '.join(map(str, self.items))}))"

    def lines(self, before: str, after: str, width: int) -> list[str]:
        whole = f"{before}{self}{after}"
        if len(whole) <= width:
            return [whole]
        if len(self.items) == 1:
            inside = self.items[0].lines("", "", width - 4)
            return [
                f"{before}*(",
                *(f"    {line}" for line in inside),
                f"    for _ in range({self.count})",
                f"){after}",
            ]
        block = Call("", [("", item) for item in self.items])
        inside = block.lines("for layer in ", "", width - 4)
        head = [f"{before}*(", "    layer", f"    for _ in range({self.count})"]
        return [*head, *(f"    {line}" for line in inside), f"){after}"]


def is_flat(line: str) -> bool:
    """Return whether a line holds whole items."""
    return line.count("(") == line.count(")") and line.count("[") == line.count("]") and line.endswith(",")
