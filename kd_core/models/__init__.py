"""Families of networks, one file each. Any of them can be teacher or student."""

from __future__ import annotations

from torch import nn

from kd_core.catalogue import Member


class Model(Member):
    """Base of all families: the options of a network, and how to build it."""

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        """A network from inputs (B, *shape) to logits (B, classes), initialised from torch's global generator."""
        raise NotImplementedError

    def refusal(self, shape: tuple[int, ...]) -> str:  # noqa: ARG002
        """Why this family cannot take such inputs, as the end of a sentence; empty if it can."""
        return ""

    def label(self) -> str:
        """The network in a word or two, with the options that matter: "MLP 64"."""
        raise NotImplementedError
