"""The learning rate over a training, as a share of the chosen one: pure functions of how far it is."""

from __future__ import annotations

import bisect
import math

from kd_core.config.recipe import COSINE, ONE_CYCLE, STEPS, Course

RISE, LOWEST_START, LOWEST_END = 0.3, 1 / 25, 1 / 25 / 1e4  # of one cycle, as in torch.optim.lr_scheduler.OneCycleLR


def share(course: Course, done: int, steps: int) -> float:
    """Share of the rate at the step after ``done`` of ``steps`` others.

    The cosine is Loshchilov & Hutter 2017 (SGDR), equation 5, without restarts; one cycle is Smith & Topin 2018 with
    cosine flanks. A warm-up comes first and rises on a line; the schedule fills what is left.
    """
    rising = round(course.rate_warm_up * steps)
    if done < rising:
        return (done + 1) / rising
    done, steps = done - rising, steps - rising
    if course.schedule == COSINE:
        return cosine(1.0, 0.0, done / steps)
    if course.schedule == STEPS:
        return course.lowered_to ** bisect.bisect_right([part * steps for part in course.shares], done)
    if course.schedule == ONE_CYCLE:
        top = RISE * steps - 1
        if done <= top:
            return cosine(LOWEST_START, 1.0, done / top)
        return cosine(1.0, LOWEST_END, (done - top) / max(1.0, steps - 1 - top))
    return 1.0


def cosine(start: float, end: float, part: float) -> float:
    """Half a period of a cosine from ``start`` to ``end``, at ``part`` of the way."""
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2
