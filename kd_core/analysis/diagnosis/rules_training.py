"""Rules about training length, step size and the student's capacity."""

from __future__ import annotations

from kd_core.analysis.diagnosis import remedies
from kd_core.analysis.diagnosis.features import RunFeatures
from kd_core.analysis.diagnosis.finding import Finding, accuracy, finding, percent, points, signed, teacher_kappa
from kd_core.analysis.diagnosis.remedies import first_fitting

MODERATE = 0.4  # Cohen's kappa; Landis & Koch (1977), table 2, where "fair" ends
# Fractions of the training examples on which a student matches neither label nor teacher, and of the KL divergence that
# remains. Students large enough for the bundled data have below 0.02 and 0.08; MLP 4 on all digits has 0.34 and 0.44.
UNMATCHED, REMAINING = 0.1, 0.25
# Rise of the accuracy between the last two quarters of a training; settled curves of the bundled data rise by less.
RISE, STEEP = 0.01, 0.05
RISE_ALONE = 2 * RISE  # where the control has settled; a distilled student that wins is often a little slower, too
# A stable training never regains half of its first loss, nor reaches three times the first step's; measured on the
# bundled data, where batches of four examples reach 2.3 by chance. STUCK is the KL divergence that then remains.
REBOUND, PEAK, STUCK = 0.5, 3.0, 0.5
# Fraction of updates skipped at 16 bits. A loss scale of 65,536 is halved a few times in any run; a student that
# skipped 8 of 20 updates lost by 12 points where it gains 3 in float32.
SKIPPED, MANY_SKIPPED = 0.1, 0.4
TEACHER_LOSS = 2.0  # the teacher's weighted parts as a multiple of the control's loss, both of the first epoch


def capacity_gap(features: RunFeatures) -> Finding | None:
    """Detect a settled student that is too small to match a good teacher."""
    imitation, kappa, sizes = features.imitation, teacher_kappa(features), features.parameters
    student_size, teacher_size = sizes.get(features.comparison.role, 0), sizes.get(features.teacher, 0)
    if imitation is None or kappa is None or kappa < MODERATE or teacher_size <= student_size:
        return None
    is_far = imitation.unmatched >= UNMATCHED and imitation.remaining >= REMAINING
    if not is_far or features.student.rise >= RISE or steps_too_large(features):
        return None
    return finding(
        "capacity gap", "Your student is too small to match a teacher of this size.",
        f"Teacher {accuracy(features, features.teacher)} with {teacher_size / student_size:,.0f} times the parameters; "
        f"on the {imitation.examples:,} training examples your student agrees with it on "
        f"{percent(imitation.agreement)}, and {percent(imitation.remaining)} of the KL divergence remain",
        min(1.0, (imitation.remaining - REMAINING) / (STUCK - REMAINING)),  # half of it is the clearest sign
        first_fitting(features.config, remedies.smaller_gap(features.config)),
    )  # fmt: skip


def too_few_steps(features: RunFeatures) -> Finding | None:
    """Detect curves that still rise at the end, which is a clear sign where the control's does, too."""
    student, control = features.student.rise, features.control.rise
    both = control >= RISE
    least = RISE if both else RISE_ALONE
    if student < least or steps_too_large(features):
        return None
    strength = min(1.0, (student - least) / (STEEP - least))
    title = features.config.dataset.task.validation_score_title
    comparison = f"the baseline’s by {points(control)}" if both else f"the baseline’s has settled ({signed(control)})"
    return finding(
        "too few steps",
        "Both were still learning when training ended." if both else "Your student was still learning; distilled "
        "students often start slower and overtake later.",
        f"From the third quarter to the last your student’s {title} on the validation set rose by {points(student)}, "
        f"{comparison}",
        strength if both else strength / 2, first_fitting(features.config, remedies.longer(features.config)),
    )  # fmt: skip


def steps_too_large(features: RunFeatures) -> Finding | None:
    """Detect an effective learning rate that is too large, by the teacher's weight or for both."""
    student, control = features.student, features.control
    if not features.teacher:  # networks that learn together may part at first, so a loss may rise
        return None
    remaining = features.imitation.remaining if features.imitation else student.remaining
    if max(student.rebound / REBOUND, student.peak / PEAK) < 1 or not remaining >= STUCK:
        return None
    if student.peak >= PEAK:
        unstable = f"Your student’s loss rose to {student.peak:.1f} times its first value"
    else:
        unstable = f"Your student’s loss rose again by {percent(student.rebound)} of its first value"
    factor = student.teacher_loss / control.loss[0] if control.loss and control.loss[0] else 0.0
    if factor >= TEACHER_LOSS and control.remaining <= student.remaining / 2:
        sentence = "The teacher’s weighted loss makes every step too large for your student, not for the baseline."
        evidence = (
            f"{unstable}; in the first epoch the teacher’s weighted loss is {student.teacher_loss:.1f} nats, the "
            f"baseline’s whole loss {control.loss[0]:.1f}, which ends at {percent(control.remaining)} of that"
        )
    else:
        factor, sentence = 10.0, "The learning rate is too large, with a teacher or without."
        evidence = (
            f"{unstable} and ends at {percent(student.remaining)} of it, the baseline’s at {percent(control.remaining)}"
        )
    remedy = first_fitting(features.config, remedies.smaller_steps(features.config, min(factor, 100.0)))
    return finding("steps too large", sentence, evidence, min(1.0, remaining), remedy)


def skipped_updates(features: RunFeatures) -> Finding | None:
    """Detect updates that were skipped because a float16 gradient overflowed."""
    count, steps = features.skipped
    if not steps or count / steps < SKIPPED:
        return None
    return finding(
        "skipped updates", "Many updates were skipped at 16 bits, for student and baseline alike.",
        f"{count:,} of {steps:,} updates were skipped because a gradient overflowed in float16",
        (count / steps - SKIPPED) / (MANY_SKIPPED - SKIPPED), remedies.exact(),
    )  # fmt: skip
