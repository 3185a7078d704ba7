"""Updates that were skipped at 16 bits, counted from events."""

from kd_core.analysis.verdict import count_skipped, skipped_by_role, skipped_sentence
from kd_core.base.events import Event, PhaseInfo, Skipped, Validated


def evaluation(phase: str, step: int) -> Validated:
    return Validated(phase, step, step // 10, {"student": 0.5}, {"student": 1.0}, {})


def test_skips_are_counted_by_phase_out_of_the_steps_that_were_taken() -> None:
    students: list[Event] = [evaluation("students", step) for step in (0, 600, 1200)]
    skips = [Skipped("students", step, 2.0**16) for step in (1, 2, 7)]
    assert count_skipped([evaluation("teacher", 300), *students, *skips]) == {"students": (3, 1200)}
    assert count_skipped([evaluation("students", 10), Skipped("students", 12, 2.0**15)]) == {"students": (1, 12)}
    assert count_skipped(students) == {}


def test_the_sentence_has_the_number_of_all_updates_and_the_phase() -> None:
    assert skipped_sentence({"students": (3, 1200)}) == (
        "At 16 bits 3 of 1,200 updates of the phase “students” were skipped, for all networks of a phase alike."
    )
    two = skipped_sentence({"teacher": (1, 9), "students": (2, 30)})
    assert "1 of 9 updates of the phase “teacher” and 2 of 30 updates of the phase “students” were" in two
    assert "1 of 9 updates of the phase “teacher” was skipped" in skipped_sentence({"teacher": (1, 9)})
    assert skipped_sentence({}) == ""


def test_a_network_of_two_phases_skipped_the_sum() -> None:
    phases = [PhaseInfo("teacher", ["teacher"], 1, 9), PhaseInfo("first", ["student"], 1, 9)]
    phases.append(PhaseInfo("second", ["student", "baseline"], 1, 9))
    counts = {"first": (1, 9), "second": (2, 9)}
    assert skipped_by_role(counts, phases) == {"teacher": 0, "student": 3, "baseline": 2}
