"""The measurement of a claim in its file."""

from benchmarks.claims import with_measured
from kd_core.config.claims import Measured

MEASURED = Measured((86.7, 81.7), 4.92, (3.27, 6.53), 10, 4.6, "x86_64")
SOURCE = '''"""A claim."""

from kd_core.config.claims import MORE, Claim, gain

CLAIM = Claim(
    title="It helps.",
    why=(
        "Because "
        "of it."
    ),
)
'''


def executed(text: str) -> dict[str, object]:
    calls: dict[str, object] = {}
    namespace: dict[str, object] = {"__name__": "claim"}
    exec(text.replace("Claim(\n", "dict(\n"), namespace)
    calls.update(namespace["CLAIM"])  # type: ignore[call-overload]
    return calls


def test_a_first_measurement_is_added_with_its_import() -> None:
    text = with_measured(SOURCE, MEASURED)
    assert "import MORE, Claim, Measured, gain" in text
    assert executed(text) == {"title": "It helps.", "why": "Because of it.", "measured": MEASURED}


def test_a_later_measurement_replaces_the_first_and_nothing_else() -> None:
    first = with_measured(SOURCE, MEASURED)
    later = with_measured(first, Measured((80.0,), -1.0, (-2.0, 0.5), 5, 9.9, "arm64"))
    assert executed(later)["measured"].seeds == 5  # type: ignore[attr-defined]
    assert later.count("Measured(") == 1
    assert with_measured(later, MEASURED) == first
