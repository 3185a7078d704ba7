"""Published experiments are valid, have the settings of their sources, and train."""

import itertools
import re

import pytest
import torch

from kd_core.__main__ import main
from kd_core.base.registry import make
from kd_core.config import presets
from kd_core.config.presets import PublishedNumber
from kd_core.config.run import RunConfig, from_flat
from kd_core.methods import LossInputs, total_loss
from kd_core.schemes import plan_of
from kd_core.store.store import family_of
from kd_core.training.loop import PhaseCache, Trainer
from kd_core.training.optim import rate_factor
from tools.docs import presets_page

pytestmark = pytest.mark.slow

EVERY = [
    (preset, variant.name) for preset in presets.all_presets() for variant in (preset.variants or (preset.variant(),))
]
NAMES = [f"{preset.name} {variant}".strip() for preset, variant in EVERY]
every = pytest.mark.parametrize(("preset", "variant"), EVERY, ids=NAMES)
CACHE: PhaseCache = {}  # variants of one experiment have the same teacher
with_data = pytest.mark.usefixtures("tiny")  # data sets that are fetched are here, and small


def config_of(name: str, variant: str = "") -> RunConfig:
    return from_flat(presets.config(presets.find(name), variant))


def rates(recipe, epochs: int) -> list[float]:
    """The learning rate of each epoch."""
    return [recipe.learning_rate * rate_factor(recipe, epoch, epochs) for epoch in range(epochs)]


@with_data
@every
def test_no_setting_is_refused_and_none_is_changed_on_the_way(preset, variant: str) -> None:
    flat = presets.config(preset, variant)
    chosen = from_flat(flat).flat()
    assert {name: chosen[name] for name in flat} == flat
    from_flat(presets.config(preset, variant, small=True))


@with_data
@every
def test_the_family_in_the_store_is_known_without_the_data(preset, variant: str) -> None:
    flat = presets.config(preset, variant)
    assert presets.family(flat) == family_of(from_flat(flat))
    assert presets.family(flat | {"seed": "7"}) == presets.family(flat)
    assert presets.family(flat | {"epochs": "3"}) != presets.family(flat)


# The quickest experiment of each source and scheme, and every method of one pair.
TRIALS = [
    ("mnist_soft_targets", ""),
    ("mnist_missing_digit", ""),
    ("flowers", "augmented"),
    ("reversed_resnet18_mobilenetv2", ""),
    ("defective_resnet18_shufflenetv2", ""),
    ("self_taught_resnet18", ""),
    ("virtual_resnet18", ""),
    ("vgg13_mobilenetv2", "crd"),
    *(("resnet56_resnet20", variant.name) for variant in presets.find("resnet56_resnet20").variants),
]


@with_data
@pytest.mark.parametrize(("name", "variant"), TRIALS)
def test_an_experiment_trains_from_end_to_end_and_every_claim_finds_its_number(name: str, variant: str) -> None:
    preset = presets.find(name)
    *_, finished = Trainer(from_flat(presets.config(preset, variant, small=True)), cache=CACHE)
    assert finished.outcome == "completed"
    for number in presets.published(preset, variant):
        assert bool(number.found([finished.test])) == bool(number.role), number


@with_data
@every
def test_every_claim_names_a_network_of_its_experiment(preset, variant: str) -> None:
    phases = plan_of(from_flat(presets.config(preset, variant)))
    roles = {network.role for phase in phases for network in phase.networks}
    for number in presets.published(preset, variant):
        assert number.role in roles | {""}, number
        assert number.measure in presets.UNITS


def test_names_are_unique_and_every_experiment_says_what_differs() -> None:
    names = [preset.name for preset in presets.all_presets()]
    assert len(set(names)) == len(names)
    for preset in presets.all_presets():
        assert all(sentence.endswith(".") for sentence in (preset.idea, *preset.notes, preset.source.about))
        assert len({variant.name for variant in preset.variants}) == len(preset.variants)


@with_data
def test_the_benchmark_lowers_the_rate_at_epochs_150_180_and_210() -> None:
    config = config_of("wrn40_2_wrn16_2")
    for recipe in (config.recipe, config.teacher_recipe):
        assert [recipe.epochs, recipe.batch_size, recipe.weight_decay] == [240, 64, 5e-4]
        steps = [(epoch, rate) for epoch, rate in enumerate(rates(recipe, 240))]
        changes = [after[0] for before, after in itertools.pairwise(steps) if before[1] != after[1]]
        assert changes == [150, 180, 210]
        assert steps[0][1] == 0.05
        assert steps[-1][1] == pytest.approx(0.05 / 1000)


@with_data
@pytest.mark.parametrize(("name", "rate"), [("vgg13_vgg8", 0.05), ("vgg13_mobilenetv2", 0.01)])
def test_mobile_students_learn_at_a_lower_rate_than_their_teachers(name: str, rate: float) -> None:
    config = config_of(name)
    assert config.recipe.learning_rate == rate
    assert config.teacher_recipe.learning_rate == 0.05


@with_data
def test_the_teacher_free_recipe_lowers_the_rate_at_epochs_60_120_and_160() -> None:
    recipe = config_of("self_taught_mobilenetv2").recipe
    by_epoch = rates(recipe, 200)
    assert [by_epoch[epoch] for epoch in (0, 59, 60, 119, 120, 159, 160)] == pytest.approx(
        [0.1, 0.1, 0.02, 0.02, 0.004, 0.004, 0.0008]
    )


@with_data
def test_a_defective_teacher_keeps_its_first_rate_for_the_epochs_it_has() -> None:
    first, _ = plan_of(config_of("defective_resnet50_mobilenetv2"))
    assert first.recipe.epochs == 50
    assert set(rates(first.recipe, 50)) == {0.1}
    assert not first.until


@with_data
def test_reversed_the_small_network_is_the_teacher() -> None:
    first, second = plan_of(config_of("reversed_resnet18_mobilenetv2"))
    assert [learner.model.label() for learner in first.learners] == ["MobileNetV2 1"]
    assert {learner.model.label() for learner in second.learners} == {"ResNet-18"}


# (1 - a) CE + a m T² KL / K with K = 100: Yuan et al. 2020, by hand.
@with_data
@pytest.mark.parametrize(
    ("name", "a", "temperature", "m"),
    [
        ("reversed_resnet18_mobilenetv2", 0.6, 20, 1),
        ("defective_resnet18_mobilenetv2", 0.95, 20, 1),
        ("defective_resnet50_resnet18", 0.6, 20, 1),
        ("self_taught_shufflenetv2", 0.95, 20, 1),
        ("self_taught_resnet18", 0.95, 6, 50),
    ],
)
def test_the_loss_is_the_one_of_the_source(name: str, a: float, temperature: float, m: float) -> None:
    chance = torch.Generator().manual_seed(0)
    student, teacher = (3 * torch.randn(8, 100, generator=chance, dtype=torch.float64) for _ in range(2))
    labels = torch.randint(0, 100, (8,), generator=chance)
    p, q = (torch.exp(x / temperature) for x in (teacher, student))
    p, q = p / p.sum(1, keepdim=True), q / q.sum(1, keepdim=True)
    entropy = -(student - student.logsumexp(1, keepdim=True))[range(8), labels].mean()
    expected = (1 - a) * entropy + a * m * temperature**2 * (p * (p / q).log()).mean()
    method = config_of(name).method
    assert total_loss(method.parts(LossInputs(student, labels, teacher))).item() == pytest.approx(
        expected.item(), rel=1e-5
    )


@pytest.mark.parametrize(
    ("body", "shape", "classes", "parameters"),
    [
        ({"name": "cnn", "width": 28, "depth": 2, "normalisation": "none"}, (3, 112, 112), 102, 141_810),
        ({"name": "cnn", "width": 28, "depth": 2, "normalisation": "none"}, (3, 112, 112), 5, 54_801),
        # 3·3·3·64 + 64, 3·3·64·128 + 128, 128·512 + 512, 512·5 + 5: the source's student
        (None, None, None, 144_261),
    ],
)
def test_the_parameters_in_the_notes_are_those_of_the_code(body, shape, classes, parameters: int) -> None:
    if body is None:
        counted = (27 * 64 + 64) + (576 * 128 + 128) + (128 * 512 + 512) + (512 * 5 + 5)
    else:
        counted = sum(weights.numel() for weights in make("models", body).build(shape, classes).parameters())
    assert counted == parameters
    assert f"{parameters:,}" in " ".join(presets.find("flowers").notes)


def test_a_number_of_several_seeds_has_its_spread() -> None:
    tests = [{"student": {"accuracy": accuracy, "examples": 10_000.0}} for accuracy in (0.74, 0.75, 0.76)]
    assert PublishedNumber("", "").found(tests) == "75.00 ± 1.00 %"
    assert PublishedNumber("", "").found(tests[:1]) == "74.00 %"
    assert PublishedNumber("", "", measure="errors").found(tests) == "2500 ± 100 errors"
    assert PublishedNumber("", "", "teacher").found(tests) == ""
    assert PublishedNumber("", "").found([]) == ""


def test_nothing_is_noted_as_measured_without_its_command_and_date() -> None:
    for name, entry in presets.load_measurements().items():
        assert name in NAMES
        preset, variant = EVERY[NAMES.index(name)]
        assert set(entry["values"]) <= {number.what for number in presets.published(preset, variant)}
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", entry["date"])
        assert entry["command"].startswith("python -m kd_core preset ")


def test_the_terminal_lists_every_experiment(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preset"]) == 0
    output = capsys.readouterr().out
    assert all(preset.name in output for preset in presets.all_presets())


def test_the_terminal_prints_settings_and_numbers_without_the_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preset", "resnet32x4_resnet8x4", "--variant", "crd"]) == 0
    output = capsys.readouterr().out
    assert "75.51 %" in output
    assert "72.50 %" in output
    assert "method=contrastive" in output
    assert "CIFAR-100" in output


@with_data
def test_the_terminal_trains_a_trial(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preset", "mnist_soft_targets", "--small", "--train", "--ephemeral", "seed=3"]) == 0
    assert "One seed" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["nothing"], ["flowers", "--variant", "odd"], ["mnist_soft_targets", "--variant", "kd"]]
)
def test_an_unknown_name_is_answered_with_a_sentence(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preset", *arguments]) == 2
    assert re.search(r'(preset|variant) = ".+": choose one of .+\.', capsys.readouterr().err)


def test_the_page_of_presets_has_every_published_number() -> None:
    page = presets_page()
    for preset, variant in EVERY:
        assert f"## {preset.name}" in page
        assert all(number.value in page for number in presets.published(preset, variant))
