"""Rules about the training: too short, in steps too large, or of a student too small."""

from __future__ import annotations

from kd_core.analysis.diagnosis import remedies
from kd_core.analysis.diagnosis.features import RunFeatures
from kd_core.analysis.diagnosis.finding import Finding, accuracy, finding, knows, percent, points, signed
from kd_core.analysis.diagnosis.remedies import first_fitting

MODERATE = 0.4  # of the way from chance to every answer right: Landis & Koch (1977), table 2, where "fair" ends
# Of the shown examples that a student matches neither in label nor in teacher, and of the KL that is left. Students
# large enough for the bundled data leave below 0.02 and 0.08; MLP 4 on all digits leaves 0.34 and 0.44.
UNMATCHED, LEFT = 0.1, 0.25
# Of accuracy between the last two quarters of a training: settled curves of the bundled data move by less than that.
RISE, STEEP = 0.01, 0.05
ALONE = 2 * RISE  # where the control has settled: a taught student that wins is often a little slower, too
# A stable training never loses half of its first loss again, nor reaches three times the first step's; measured on the
# bundled data, where batches of four examples reach 2.3 by chance. STUCK is the KL left at the end of such a training.
REBOUND, PEAK, STUCK = 0.5, 3.0, 0.5
PULL = 2.0  # the teacher's weighted parts, as a multiple of the control's loss, both of the first epoch


def gap(shown: RunFeatures) -> Finding | None:
    """A teacher that is right, and a settled student too small to follow it."""
    seen, known, sizes = shown.imitation, knows(shown), shown.parameters
    mine, other = sizes.get(shown.comparison.role, 0), sizes.get(shown.teacher, 0)
    if seen is None or known is None or known < MODERATE or other <= mine:
        return None
    is_low = seen.unmatched >= UNMATCHED and seen.left >= LEFT
    if not is_low or shown.student.rise >= RISE or large_steps(shown):
        return None
    return finding(
        "capacity gap", "Your student is too small to follow a teacher of this size.",
        f"Teacher {accuracy(shown, shown.teacher)} right with {other / mine:,.0f} times the weights, and on the "
        f"{seen.examples:,} examples shown your student agrees with it on {percent(seen.agreement)} and still has "
        f"{percent(seen.left)} of the divergence",
        min(1.0, (seen.left - LEFT) / (STUCK - LEFT)),  # with half of it left nothing could be clearer
        first_fitting(shown.config, remedies.smaller_gap(shown.config)),
    )  # fmt: skip


def few_steps(shown: RunFeatures) -> Finding | None:
    """The curves still rise at the end: a clear sign where the control's does, too."""
    mine, other = shown.student.rise, shown.control.rise
    both = other >= RISE
    least = RISE if both else ALONE
    if mine < least or large_steps(shown):
        return None
    strength = min(1.0, (mine - least) / (STEEP - least))
    too = f"the baseline’s by {points(other)}" if both else f"the baseline’s has settled ({signed(other)})"
    return finding(
        "too few steps",
        "Both were still learning when training ended." if both else "Your student was still learning; taught students "
        "often start slower and cross later.",
        f"From the third quarter to the last your student’s validation accuracy rose by {points(mine)}, {too}",
        strength if both else strength / 2, first_fitting(shown.config, remedies.longer(shown.config)),
    )  # fmt: skip


def large_steps(shown: RunFeatures) -> Finding | None:
    """The weight of the teacher's parts makes the effective learning rate too large, or it is too large for both."""
    student, control = shown.student, shown.control
    if not shown.teacher:  # where both learn, a loss may rise because they part at first
        return None
    stuck = shown.imitation.left if shown.imitation else student.left
    if max(student.rebound / REBOUND, student.peak / PEAK) < 1 or not stuck >= STUCK:
        return None
    times = student.pull / control.loss[0] if control.loss and control.loss[0] else 0.0
    begun = f"Your student’s loss once stood at {student.peak:.1f} times what it began with"
    if student.peak < PEAK:
        begun = f"Your student’s loss rose again by {percent(student.rebound)} of what it began with"
    if times >= PULL and control.left <= student.left / 2:
        said = "The teacher’s weighted part makes every step too large for your student, and not for the baseline."
        evidence = (
            f"{begun}; in the first epoch the teacher’s weighted part is {student.pull:.1f} nats, the baseline’s whole "
            f"loss {control.loss[0]:.1f}, which ends at {percent(control.left)} of that"
        )
    else:
        times, said = 10.0, "The learning rate is too large, with a teacher or without."
        evidence = f"{begun}, and ends at {percent(student.left)} of that, the baseline’s at {percent(control.left)}"
    lower = first_fitting(shown.config, remedies.smaller_steps(shown.config, min(times, 100.0)))
    return finding("steps too large", said, evidence, min(1.0, stuck), lower)
