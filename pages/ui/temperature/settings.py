"""How one looks at a run's answers: every setting of the Temperature page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kd_core.base.options import Options, boolean, choice, class_name, integer, logits, number, shorten, text

IMAGE, DRAWING, LOGITS = "image", "drawing", "logits"  # where the input comes from
DIFFERENCES = ("student-teacher", "baseline-teacher", "student-baseline")
FEWEST, MOST = 2, 1000  # classes of logits typed by hand


@dataclass(frozen=True)
class TemperatureOptions(Options):
    """Nothing here changes a network: the logits stay what they are."""

    temperature: float = number(4.0, 0.25, 64.0, "Divides the logits of every network before softmax.")
    epoch: int = integer(
        -1, -1, 1_000_000, "An epoch whose weights were kept, or the last one before it; -1 is the end."
    )
    source: str = choice(
        IMAGE, (IMAGE, DRAWING, LOGITS), "Where the input comes from: an example, a drawing, or logits typed by hand."
    )
    image: int = integer(-1, -1, 1_000_000, "Position of the example; -1 is the one that T has most to show on.")
    show: str = choice("all", ("all", "unsure", "student_wrong", "disagree"), "Which examples are offered.")
    of_class: str = class_name("none", "Examples of this class alone are offered.")
    drawing: str = text("", 1500, "Strokes on a grid of 64 × 64, two characters per point; x,y for points.")
    teacher_logits: tuple[float, ...] = logits((6.0, 3.0, -1.0), FEWEST, MOST, "One number per class.")
    student_logits: tuple[float, ...] = logits((2.0, 1.5, 0.5), FEWEST, MOST, "One number per class.")
    first: str = class_name("none", "First class of the ratio; it counts together with the second one.")
    second: str = class_name("none", "Second class of the ratio; without both, the teacher's two likeliest.")
    log: bool = boolean(False, "Probabilities on a logarithmic axis.")
    alpha: float = number(0.9, 0.0, 1.0, "The teacher's weight in the loss.", step=0.01)
    diagonal: bool = boolean(True, "Show how much of each class the map gives to the class itself.")
    map_log: bool = boolean(False, "The map's colours on a logarithmic scale.")
    difference: str = choice(DIFFERENCES[0], DIFFERENCES, "Which difference the map shows.")
    true_class: str = class_name("none", "Row of the chosen cell of the map; it counts together with its column.")
    answered: str = class_name("none", "Column of the chosen cell of the map; it counts together with its row.")
    targets_log: bool = boolean(True, "The sources of soft targets on a logarithmic axis.")
    smoothing: float = number(
        0.1, 0.0, 1.0, "Probability that label smoothing spreads evenly over all classes.",
        step=0.01, label="Label smoothing ε",
    )  # fmt: skip
    correct_probability: float = number(
        0.99, 0.5, 1.0, "Probability that the virtual teacher gives to the label before softening.",
        step=0.01, label="Virtual teacher’s certainty",
    )  # fmt: skip

    def fit(self, classes: Sequence[str], examples: int) -> dict[str, str]:
        """One sentence for every setting, by name, that the data do not have."""
        refused = {}
        for name in ("of_class", "first", "second", "true_class", "answered"):
            known = self.classes(classes) if name in ("first", "second") else classes
            if getattr(self, name) not in ("none", *known):
                shown = shorten(getattr(self, name))
                refused[name] = f"{name} = {shown}: choose one of {', '.join(known[:20])}, or none."
        for pair in (("first", "second"), ("true_class", "answered")):
            alone = [name for name in pair if getattr(self, name) != "none" and name not in refused]
            if len(alone) == 1 and not refused.keys() & set(pair):
                refused[alone[0]] = f"{alone[0]}: {pair[0]} and {pair[1]} count together; name both."
        if self.image >= examples:
            refused["image"] = f"image = {self.image}: choose a whole number from 0 to {examples - 1}."
        return refused

    def classes(self, of_data: Sequence[str]) -> Sequence[str]:
        """The classes of the input that is looked at: those of the data, or of the logits typed by hand."""
        if self.source != LOGITS:
            return of_data
        return [f"class {number + 1}" for number in range(len(self.teacher_logits))]

    def typed(self) -> dict[str, list[float]]:
        """The logits typed by hand, by role. Raises ValueError where they do not fit together."""
        teacher, student = list(self.teacher_logits), list(self.student_logits)
        if len(teacher) != len(student):
            raise ValueError(
                f"teacher_logits has {len(teacher)} numbers and student_logits {len(student)}: "
                "give both networks the same number, one per class."
            )
        return {"teacher": teacher, "student": student}
