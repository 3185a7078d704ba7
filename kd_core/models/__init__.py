"""Families of networks, one file each. Any of them can be teacher or student."""

from __future__ import annotations

import re
from typing import Any, Self

from torch import nn

from kd_core.base.namespaces import class_names, plugin_class
from kd_core.base.registry import Plugin


def with_article(name: str) -> str:
    """As it is spoken: "an MLP 64", "a CNN", "an exit"."""
    spelled = re.match(r"[A-Z]{2,}", name)
    return f"{'an' if name[:1] in ('AEFHILMNORSX' if spelled else 'AEIOUaeio') else 'a'} {name}"


class Frozen(nn.Sequential):
    """Layers that stay as they are: no gradient, and eval mode whatever the network around them is in."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__(*layers)
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> Self:  # noqa: ARG002
        return super().train(False)


class Model(Plugin):
    """Base of all families: the options of a network, and how to build it."""

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        """A network from inputs (B, *shape) to logits (B, classes), initialised from torch's global generator."""
        raise NotImplementedError

    def feature_layers(self) -> dict[str, str]:
        """Places inside the network by name, from the input to the end, and the paths of the modules that give them.

        Feature maps (B, C, H, W) after each stage, and last the "embedding" (B, D) if a linear layer turns it into
        logits. A family without taps can be taught by answers alone.
        """
        return {}

    def split(self, network: nn.Module, layer: str) -> tuple[nn.Sequential, nn.Sequential]:
        """The layers of a network of this family up to a tap, and those after it."""
        assert isinstance(network, nn.Sequential), "a family of another kind says itself where it is split"
        end = [name for name, _ in network.named_children()].index(self.feature_layers()[layer]) + 1
        return network[:end], network[end:]

    def unsupported_reason(self, shape: tuple[int, ...]) -> str:  # noqa: ARG002
        """Why this family cannot take such inputs, as the end of a sentence; empty if it can."""
        return ""

    def without_pretrained(self) -> Self:
        """The same network without weights from elsewhere: nothing must be fetched to build it."""
        return self

    def scaled(self, factor: float) -> Self:
        """The same family with its widths times ``factor`` (at most 1), as far as it can."""
        raise NotImplementedError

    def label(self) -> str:
        """The network in a word or two, with the options that matter: "MLP 64"."""
        raise NotImplementedError


def __getattr__(name: str) -> Any:
    return plugin_class("models", name)


def __dir__() -> list[str]:
    return [*globals(), *class_names("models")]
