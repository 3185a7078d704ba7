"""Modules of plain PyTorch that build the networks of runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

import kd_core as kd
from kd_core.base.registry import plugins
from kd_core.config.run import RunConfig, from_flat
from kd_core.export.code import Script, left_out, model_code
from kd_core.nn.inference import predict_logits
from kd_core.tasks import EXAMPLE, NUMBERS
from tests.export.code.conftest import Namespace

Execute = Callable[..., Namespace]
# Those that read text have scripts of their own, or none.
NUMBERS_ALONE = {
    name: cls
    for name, cls in plugins("models", outside=False).items()
    if cls.inputs == NUMBERS and cls.outputs == EXAMPLE  # type: ignore[attr-defined]
}
FAMILIES = [name for name in NUMBERS_ALONE if name != "zoo"]
TORCHVISION = ("resnet18", "mobilenet_v3_small", "shufflenet_v2_x1_0", "convnext_tiny")


def assert_same_network(code: str, network: torch.nn.Module, shape: tuple[int, ...], execute: Execute) -> None:
    network = network.eval()
    rebuilt = execute(code, "torchvision")["build"]()
    rebuilt.load_state_dict(network.state_dict())  # strict: the names are the same
    inputs = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(predict_logits(rebuilt, inputs), predict_logits(network, inputs), rtol=0, atol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_code_of_every_family_computes_what_the_network_does(family: str, execute: Execute) -> None:
    model, shape = plugins("models")[family](), (1, 16, 16)
    if reason := model.refusal(shape, 10):  # type: ignore[attr-defined]
        pytest.skip(f"{model.title} {reason}")
    network = model.build(shape, 10)  # type: ignore[attr-defined]
    config = from_flat({"dataset": "digits"})
    if any(type(module).__module__.startswith("timm.") for module in network.modules()):
        with pytest.raises(ValueError, match="cannot be written as code"):
            model_code(config, "student", network)
        return
    assert_same_network(model_code(config, "student", network), network, shape, execute)


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCHVISION)
def test_networks_of_torchvision_are_written_without_it(name: str, execute: Execute) -> None:
    settings = {"dataset": "digits", "student": "zoo", "student_network": name, "student_image_size": "32"}
    config = from_flat(settings)
    network = config.student.build((1, 8, 8), 10)
    assert_same_network(model_code(config, "student", network), network, (1, 8, 8), execute)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["resnet", "shufflenet_v2", "vgg"])
def test_the_initial_weights_of_a_script_are_those_of_the_run(family: str) -> None:
    assert left_out(from_flat({"dataset": "digits", "student": family})) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCHVISION)
def test_networks_of_torchvision_begin_with_the_weights_of_the_run(name: str) -> None:
    settings = {"dataset": "digits", "student": "zoo", "student_network": name, "student_image_size": "32"}
    written = Script(from_flat(settings))
    assert written.left_out == []
    assert "inplace=True" not in written.text()  # a later layer would overwrite a recorded feature


def test_derived_networks_keep_the_names_of_their_weights(execute: Execute) -> None:
    config = from_flat({"dataset": "digits", "scheme": "ensemble", "teacher_width": "4"})
    namespace = execute(model_code(config, "teacher"))
    names = namespace["build"]().state_dict().keys()
    assert {name.split(".")[1] for name in names} == {"0", "1", "2"}
    corrected = from_flat({"dataset": "digits", "scheme": "missing_class"})
    assert "bias" in execute(model_code(corrected, "corrected student"))["build"]().state_dict()


def test_the_code_of_a_reused_classifier_holds_the_layers_of_the_teacher(execute: Execute) -> None:
    config = from_flat({"dataset": "digits", "method": "reused_classifier", "student": "cnn", "student_width": "4"})
    names = execute(model_code(config, "student"))["build"]().state_dict().keys()
    assert {name.split(".")[0] for name in names} == {"body", "projector", "classifier"}


def test_a_module_of_ones_own_is_copied_with_its_class(execute: Execute) -> None:
    config = kd.RunConfig(dataset="digits", student=Scaled(), epochs=1)
    network = config.student.build((1, 8, 8), 10)
    code = model_code(config, "student", network)
    assert "class Scaled(torch.nn.Module)" in code
    assert_same_network(code, network, (1, 8, 8), execute)


def test_a_network_that_is_a_function_is_refused_in_a_sentence() -> None:
    config: RunConfig = kd.RunConfig(dataset="digits", teacher=lambda inputs: inputs.flatten(1)[:, :10], epochs=1)
    with pytest.raises(ValueError, match="The network of the teacher cannot be written as code"):
        model_code(config, "teacher")


class Scaled(torch.nn.Module):
    """Linear layer on scaled pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = 0.5
        self.layer = torch.nn.Linear(64, 10)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.layer(self.factor * inputs.flatten(1))
