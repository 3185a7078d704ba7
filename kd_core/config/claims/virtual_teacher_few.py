"""A virtual teacher does as well as a real one, with few labels (Yuan et al. 2020)."""

from __future__ import annotations

from kd_core.config.claims import Claim, Measured, network, within

FEW = {"dataset": "digits", "labelled": "50"}

CLAIM = Claim(
    title="With few labels a virtual teacher does as well as a real one.",
    source="Yuan et al. 2020, section 4, applied to few labels",
    topic="Without a teacher",
    families={"virtual teacher": {**FEW, "method": "virtual_teacher"}, "real teacher": FEW},
    contrast=network("virtual teacher") - network("real teacher"),
    expected=within(2),
    why=(
        "A virtual teacher knows the label alone. What a real one has learned from other examples is worth most "
        "where labels are few."
    ),
    measured=Measured(
        values=(81.7, 86.66),
        estimate=-4.96,
        interval=(-6.91, -2.97),
        seeds=10,
        seconds=7.1,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
