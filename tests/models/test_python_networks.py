"""Modules, functions and logits given from Python as networks."""

# ruff: noqa: ARG005 - the functions of the tables below have one signature

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import kd_core as kd
from kd_core.models import _python as networks
from kd_core.nn.hooks import feature_shapes, record_features

DATA = kd.Data.from_tensors(torch.randn(40, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 4)


class Small(nn.Module):
    def __init__(self, width: int = 4, classes: int = 4) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())
        self.relu = nn.ReLU()
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.more = nn.Conv2d(2 * width, 2 * width, 3, padding=1)
        self.flat = nn.Flatten()
        self.hidden = nn.Linear(32 * width, 6)
        self.head = nn.Linear(6, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        maps = self.relu(self.down(self.stem(inputs)))
        maps = self.relu(self.more(maps))
        return self.head(self.hidden(self.flat(maps)))


def probed(module: Any, data: kd.Data = DATA) -> networks.PythonNetwork:
    model = networks.from_module("student", module)
    model.probe(data.train.inputs)
    assert isinstance(model, networks.PythonNetwork)
    return model


def test_layers_are_the_modules_by_path_with_the_shapes_that_hooks_see() -> None:
    module = Small()
    model = probed(module)
    shapes = feature_shapes(model, DATA.shape, 4)
    paths = model.feature_layers()
    with record_features(module.eval(), paths) as features:
        logits = module(DATA.train.inputs[:3])
    assert shapes == {name: tuple(value.shape[1:]) for name, value in features.items()} | {"logits": (4,)}
    assert logits.shape == (3, 4)
    assert {"stem.0", "stem", "down", "more", "hidden", "embedding"} <= paths.keys()
    assert not {"relu", "head"} & paths.keys()  # computed twice, and the logits themselves
    assert paths["embedding"] == "hidden"


def test_an_embedding_may_be_flattened_by_a_function() -> None:
    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.pool, self.fc = nn.Conv2d(1, 6, 3), nn.AdaptiveAvgPool2d(2), nn.Linear(24, 4)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.fc(torch.flatten(self.pool(self.body(inputs).relu()), 1))

    model = probed(Pooled())
    assert model.feature_layers()["embedding"] == "pool"
    assert feature_shapes(model, DATA.shape, 4)["embedding"] == (24,)
    settings: dict[str, Any] = {"dataset": DATA, "teacher": Pooled(), "student": Pooled(), "epochs": 2}
    result = kd.distill(loss="relational", **settings)
    assert {row.part for row in result.history if row.role == "student"} >= {"distances", "angles"}


def test_stages_are_the_last_layers_of_every_size() -> None:
    model = probed(Small())
    assert model.stages(feature_shapes(model, DATA.shape, 4)) == ["stem", "more"]


def test_the_module_itself_never_changes() -> None:
    module = Small().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    result = kd.distill(dataset=DATA, teacher=module, student=module, epochs=2)
    assert module.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(parameter.requires_grad for parameter in module.parameters())
    after = result.student.state_dict()
    assert any(not torch.equal(after[name], before[name]) for name in before)


def test_a_module_starts_from_its_weights_and_a_function_draws_them_anew() -> None:
    module = Small()
    by_seed = [kd.distill(dataset=DATA, teacher="mlp", teacher_epochs=1, student=module, seed=seed, epochs=1,
                          learning_rate=1e-6) for seed in (0, 1)]  # fmt: skip
    for result in by_seed:  # one step of a millionth
        torch.testing.assert_close(result.student.state_dict()["head.weight"], module.head.weight, atol=1e-4, rtol=0)
    drawn = [kd.distill(dataset=DATA, teacher="mlp", teacher_epochs=1, student=Small, seed=seed, epochs=1)
             for seed in (0, 0, 1)]  # fmt: skip
    heads = [result.student.state_dict()["head.weight"] for result in drawn]
    assert torch.equal(heads[0], heads[1])
    assert not torch.allclose(heads[0], heads[2], atol=0.01)


def test_a_given_teacher_is_not_trained_unless_it_is_asked_for() -> None:
    module = Small()
    frozen = kd.distill(dataset=DATA, teacher=module.requires_grad_(False), student="mlp", epochs=1)
    assert torch.equal(frozen.teacher.state_dict()["head.weight"], module.head.weight)
    tuned = kd.distill(dataset=DATA, teacher=module, teacher_epochs=2, student="mlp", epochs=1)
    assert not torch.equal(tuned.teacher.state_dict()["head.weight"], module.head.weight)
    drawn = kd.RunConfig(dataset=DATA, teacher=Small, student="mlp")
    assert drawn.teacher_recipe.epochs == kd.RunConfig(dataset=DATA).teacher_recipe.epochs > 0


class Returns(nn.Module):
    """Module whose output is what a function makes of its logits."""

    def __init__(self, change: Any) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
        self.change = change

    def forward(self, inputs: Tensor) -> Any:
        return self.change(self, self.body(inputs), inputs)


def trains_in_place(module: Returns, logits: Tensor, _: Tensor) -> Tensor:
    with torch.no_grad():
        module.body[1].weight.add_(0.1)  # type: ignore[operator, union-attr]
    return logits


def trains_in_train_mode(module: Returns, logits: Tensor, inputs: Tensor) -> Tensor:
    return trains_in_place(module, logits, inputs) if module.training else logits


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        (lambda m, y, x: (y, y), "returns a tuple"),
        (lambda m, y, x: {"logits": y}, "returns a dict"),
        (lambda m, y, x: y.detach().numpy(), "numpy"),
        (lambda m, y, x: y[:, :, None], "shape (4, 4, 1)"),
        (lambda m, y, x: y.mean(0, keepdim=True), "shape (1, 4) for 4 examples"),
        (lambda m, y, x: y[:, :3], "N × 3, and there are 4 classes"),
        (lambda m, y, x: torch.cat([y, y], 1), "N × 8, and there are 4 classes"),
        (lambda m, y, x: y.argmax(1, keepdim=True).expand(-1, 4), "int64"),
        (lambda m, y, x: y * torch.nan, "NaN"),
        (lambda m, y, x: y / 0, "infinite"),
        (lambda m, y, x: y.detach(), "gives no gradient"),
        (lambda m, y, x: (y, y) if m.training else y, "in train mode"),
        (lambda m, y, x: y + x.mul_(0).sum(), "changes its inputs in place"),
        (lambda m, y, x: y @ torch.zeros(5, 4), "RuntimeError"),
        (trains_in_place, "changes its body.1.weight"),
        (trains_in_train_mode, "changes its body.1.weight during a forward pass"),
    ],
)
def test_a_module_that_cannot_serve_is_refused_with_the_reason(change: Any, fragment: str) -> None:
    with pytest.raises(ValueError, match="student = ") as error:
        kd.RunConfig(dataset=DATA, student=Returns(change))
    assert fragment in str(error.value)
    assert "\n" not in str(error.value)


def test_a_module_that_cannot_be_copied_is_refused() -> None:
    class Uncopied(Small):
        def __deepcopy__(self, _: object) -> None:
            raise TypeError("it holds a file")

    with pytest.raises(
        ValueError, match=r"teacher: the module Uncopied cannot be copied \(TypeError: it holds a file\)"
    ):
        kd.RunConfig(dataset=DATA, teacher=Uncopied())


def test_a_module_for_other_inputs_is_refused() -> None:
    with pytest.raises(ValueError, match=r"cannot compute inputs of shape \(4, 1, 8, 8\)"):
        kd.RunConfig(dataset=DATA, student=nn.Linear(3, 4))


@pytest.mark.parametrize(
    ("value", "fragment"),
    [
        (3, "student: a int was given"),
        (lambda: 3, "returned a int and no nn.Module"),
        (lambda inputs: inputs, "student: a function was given"),
        (torch.zeros(3, 4), "student: a Tensor was given"),
    ],
)
def test_what_is_no_student_is_refused(value: Any, fragment: str) -> None:
    with pytest.raises(ValueError, match="student") as error:
        kd.RunConfig(dataset=DATA, student=value)
    assert fragment in str(error.value)


def test_a_function_teaches_like_the_module_that_it_calls() -> None:
    module = Small().eval()
    settings: dict[str, Any] = {"dataset": DATA, "student": "mlp", "epochs": 2}
    by_module = kd.distill(teacher=module, **settings)
    for function in (module.forward, lambda inputs: module(inputs).numpy()):
        by_function = kd.distill(teacher=function, **settings)
        for role in ("student", "teacher"):  # the module may compute in another memory layout
            assert by_function.test[role]["loss"] == pytest.approx(by_module.test[role]["loss"], rel=1e-5)


def test_given_logits_teach_like_the_module_that_computed_them() -> None:
    module = Small().eval()
    settings: dict[str, Any] = {"dataset": DATA, "student": "mlp", "epochs": 3, "labelled": 12}
    by_module = kd.distill(teacher=module, **settings)
    with torch.no_grad():
        logits = {name: module(getattr(DATA, name).inputs) for name in ("train", "validation", "test")}
    by_table = kd.distill(teacher=logits["train"].numpy(), **settings)
    losses = [[row.value for row in result.history if row.part == "loss"] for result in (by_module, by_table)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert "teacher" not in by_table.test  # it has no logits there, and none are made up
    whole = kd.distill(teacher=logits, **settings)
    assert whole.test["teacher"]["loss"] == pytest.approx(by_module.test["teacher"]["loss"], rel=1e-5)


@pytest.mark.parametrize(
    ("logits", "fragment"),
    [
        (torch.zeros(7, 4), "(7, 4) for 28 train examples"),
        (torch.zeros(28), "(28,)"),
        (torch.full((28, 4), torch.nan), "NaN"),
        ({"learn": torch.zeros(28, 4)}, '"learn" is no split'),
        (torch.zeros(28, 3), "N × 3, and there are 4 classes"),
    ],
)
def test_logits_that_do_not_fit_the_examples_are_refused(logits: Any, fragment: str) -> None:
    assert len(DATA.train) == 28
    with pytest.raises(ValueError, match="teacher") as error:
        kd.RunConfig(dataset=DATA, teacher=logits)
    assert fragment in str(error.value)


def test_given_logits_and_augmentation_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="augmentation changes these"):
        kd.RunConfig(dataset=DATA, teacher=torch.zeros(28, 4), flip=True)


def test_what_has_no_weights_cannot_be_trained() -> None:
    with pytest.raises(ValueError, match=r"teacher = .* has no parameters, and so cannot be trained"):
        kd.RunConfig(dataset=DATA, teacher=lambda inputs: inputs.flatten(1)[:, :4], teacher_epochs=3)
    with pytest.raises(ValueError, match=r"student = .* has no parameters"):
        kd.RunConfig(dataset=DATA, student=nn.Sequential(nn.Flatten(), nn.AdaptiveAvgPool1d(4)))


def test_schemes_that_share_or_cut_layers_refuse_a_module() -> None:
    for scheme in ("own_teacher", "rocket"):
        with pytest.raises(ValueError, match="cut"):
            kd.RunConfig(dataset=DATA, student=Small(), teacher=Small(), scheme=scheme)
    with pytest.raises(ValueError, match="cut"):
        kd.RunConfig(dataset=DATA, student=Small(), teacher=Small(), loss="reused_classifier")
    with pytest.raises(ValueError, match="no smaller network"):
        kd.RunConfig(dataset=DATA, student="mlp", teacher=Small(), assistants=1)


def test_equal_modules_have_one_key_and_other_weights_another() -> None:
    torch.manual_seed(0)
    first, second = Small(), Small()
    keys = [networks.from_module("student", module).name for module in (first, second)]
    assert keys[0] != keys[1]
    assert keys[0][:-16] == keys[1][:-16]  # of one structure
    second.load_state_dict(first.state_dict())
    assert networks.from_module("student", second).name == keys[0]
    assert networks.from_module("student", Small(5)).name[:-16] != keys[0][:-16]
