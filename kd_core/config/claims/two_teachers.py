"""Two teachers of different classes are merged without labels (Shen et al. 2019)."""

from __future__ import annotations

from kd_core.config.claims import Claim, Measured, gain, within

CLAIM = Claim(
    title="Two teachers of different classes replace the labels of all.",
    source="Shen et al. 2019 (amalgamation), section 3",
    topic="Several teachers",
    families={"0 to 4 and 5 to 9": {"dataset": "digits", "labelled": "0", "epochs": "30", "scheme": "merge"}},
    contrast=gain("0 to 4 and 5 to 9"),
    expected=within(2),
    why=(
        "One teacher knows the digits 0 to 4, the other 5 to 9; the student learns all ten from both without any "
        "label, and is compared with one that has all labels."
    ),
    measured=Measured(
        values=(95.7, 97.18),
        estimate=-1.48,
        interval=(-3.07, 0.13),
        seeds=10,
        seconds=12.8,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
