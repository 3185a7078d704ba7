"""Families of networks, one file each; any of them can be teacher or student."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from torch import Tensor, nn

from kd_core.base.namespaces import class_names, plugin_class
from kd_core.base.registry import Plugin
from kd_core.datasets import Data
from kd_core.tasks import EXAMPLE, NUMBERS, Task


def with_article(name: str) -> str:
    """Return a name with its indefinite article as it is spoken, as in "an MLP 64" or "a CNN"."""
    is_spelled = re.match(r"[A-Z]{2,}", name)
    return f"{'an' if name[:1] in ('AEFHILMNORSX' if is_spelled else 'AEIOUaeio') else 'a'} {name}"


class Frozen(nn.Sequential):
    """Layers without gradient that stay in eval mode, whatever the mode of the network around them."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__(*layers)
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> Self:  # noqa: ARG002
        return super().train(False)


class Model(Plugin):
    """Base class of families of networks."""

    inputs: ClassVar[str] = NUMBERS  # what an input consists of, see kd_core.tasks
    outputs: ClassVar[str] = EXAMPLE  # what has a row of logits
    is_at_hand: ClassVar[bool] = True  # whether this process can build it
    can_train: ClassVar[bool] = True  # whether this process can train it
    takes_new_inputs: ClassVar[bool] = True  # or only the examples of the data set, as they are
    is_imported: ClassVar[bool] = False  # computed by a file from elsewhere, which may expect other inputs
    can_be_stacked: ClassVar[bool] = True  # whether several networks can be trained as one, see kd_core.training

    @abstractmethod
    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        """Build a network from inputs (B, *shape) to logits (B, classes), from torch's global generator."""

    def initial_weights_code(self, shape: tuple[int, ...], classes: int) -> str:  # noqa: ARG002
        """Return lines of code that build ``source``, a network with the initial weights in the order of this one's.

        For a family that does not draw its weights in the order of its layers, or reads them from a file. Its names are
        those of the module that defines it. Empty: the weights are drawn layer by layer.
        """
        return ""

    def expected_input(self, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]] | None:  # noqa: ARG002
        """Return mean and standard deviation by channel of the pixels in [0, 1] that it was trained with.

        None for a network that is trained here, on inputs standardised as in the data set.
        """
        return None

    def foreign_names(self, shape: tuple[int, ...], classes: int) -> Sequence[Mapping[str, str]]:  # noqa: ARG002
        """Return the names that other libraries give the tensors, by their names here; one mapping per library."""
        return ()

    def timm_name(self) -> str:
        """Return timm's name of the same network, if its tensors have other names and shapes there; else empty."""
        return ""

    def feature_layers(self) -> dict[str, str]:
        """Return named layers from the input to the output, and the path of the module that computes each.

        Feature maps (B, C, H, W) after each stage, and last the "embedding" (B, D) if a linear layer turns it into
        logits. Without any, a network can be taught by logits alone.
        """
        return {}

    def attention_layers(self) -> dict[str, str]:
        """Return the path of the module that computes the attention maps of a named layer, for each that has some.

        Its output is (B, heads, L, L), and the rows sum to 1.
        """
        return {}

    def token_layers(self) -> tuple[str, str]:
        """Return the child of a sequential network that adds a class token, and the last before it is taken out.

        Both return tokens (B, L, D), and the last two children are the choice of the class token and the last layer.
        Empty where another token cannot be added.
        """
        return "", ""

    def cuttable_layers(self) -> list[str]:
        """Return the named layers after which :meth:`split` can cut a network, so that one part follows the other."""
        return list(self.feature_layers())

    def split(self, network: nn.Module, layer: str) -> tuple[nn.Sequential, nn.Sequential]:
        """Return the layers of a network of this family up to a named layer, and those after it."""
        assert isinstance(network, nn.Sequential), "families of other modules override split()"
        end = [name for name, _ in network.named_children()].index(self.feature_layers()[layer]) + 1
        return network[:end], network[end:]

    def unsupported_reason(self, shape: tuple[int, ...]) -> str:  # noqa: ARG002
        """Return why this family cannot take such inputs, as the end of a sentence; empty if it can."""
        return ""

    def task_refusal(self, task: Task) -> str:
        """Return why this family cannot serve a task, as the end of a sentence; empty if it can."""
        if self.inputs != task.inputs:
            return f"takes {self.inputs}, and these data are {task.inputs}"
        if self.outputs != task.outputs:
            return f"has an output per {self.outputs}, and {task.title.lower()} needs one per {task.outputs}"
        return ""

    def data_refusal(self, data: Data) -> str:
        """Return why this family cannot take some data, as the end of a sentence; empty if it can."""
        return self.task_refusal(data.task) or self.unsupported_reason(data.shape)

    def refusal(
        self,
        shape: tuple[int, ...],
        classes: int,  # noqa: ARG002
        *,
        is_trained: bool = False,  # noqa: ARG002
        is_split: bool = False,  # noqa: ARG002
    ) -> str:
        """Return why this network cannot serve, as the end of a sentence; empty if it can.

        Args:
            shape: of one input.
            classes: number of logits.
            is_trained: whether its weights are to be changed.
            is_split: whether other networks share its first layers, or take over its last ones.
        """
        return self.unsupported_reason(shape)

    def probe(self, inputs: Tensor) -> None:
        """Learn what can be known from some inputs (B, ...) only. A network of a family knows its own shapes."""

    def layer_shapes(self, shape: tuple[int, ...]) -> Mapping[str, tuple[int, ...]]:  # noqa: ARG002
        """Return the shapes of all named layers and of the logits; empty where the meta device can compute them."""
        return {}

    def stages(self, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
        """Return the layers with maps (C, H, W) of more than one pixel that losses match by default.

        ``shapes`` are those of all named layers.
        """
        return [layer for layer, shape in shapes.items() if len(shape) == 3 and shape[1] * shape[2] > 1]

    def without_pretrained(self) -> Self:
        """Return the same network without pretrained weights, which needs no download."""
        return self

    def scaled(self, factor: float) -> Self:  # noqa: ARG002
        """Return the same family with its widths times ``factor`` (at most 1), as far as the family allows."""
        return self

    def label(self) -> str:
        """Return a short name with the options that matter, such as "MLP 64"."""
        return self.title


def __getattr__(name: str) -> Any:
    return plugin_class("models", name)


def __dir__() -> list[str]:
    return [*globals(), *class_names("models")]
