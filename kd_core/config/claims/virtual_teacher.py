"""A virtual teacher does as well as a real one (Yuan et al. 2020)."""

from __future__ import annotations

from kd_core.config.claims import Claim, Measured, network, within

MANY = {"dataset": "digits", "labelled": "0", "epochs": "40"}

CLAIM = Claim(
    title="With all labels a virtual teacher does as well as a real one.",
    source="Yuan et al. 2020, section 4 (Tf-KD reg)",
    topic="Without a teacher",
    families={"virtual teacher": {**MANY, "method": "virtual_teacher"}, "real teacher": MANY},
    contrast=network("virtual teacher") - network("real teacher"),
    expected=within(2),
    why=("A softened label regularises, and where labels are many there is little else to gain."),
    measured=Measured(
        values=(98.7, 98.16),
        estimate=0.54,
        interval=(-0.42, 1.49),
        seeds=10,
        seconds=14.3,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
