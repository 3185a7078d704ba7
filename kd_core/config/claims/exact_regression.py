"""A teacher adds nothing to exact labels of a regression, as a limit of the claim on noisy ones."""

from __future__ import annotations

from kd_core.config.claims import Claim, Measured, gain, within

CLAIM = Claim(
    title="In a regression without noise the teacher's numbers change next to nothing.",
    source="Chen et al. 2017, section 3.3, where the teacher's numbers come with those of the labels",
    topic="Labels and data",
    families={"exact labels": {"dataset": "friedman", "dataset_noise": "0"}},
    measure="rmse_true",
    contrast=gain("exact labels"),
    expected=within(0.05),
    seeds=5,
    why="A number has no dark knowledge: of an exact label the teacher has nothing to tell but its own error.",
    measured=Measured(
        values=(0.47, 0.48),
        estimate=-0.01,
        interval=(-0.02, 0.01),
        seeds=5,
        seconds=2.2,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
