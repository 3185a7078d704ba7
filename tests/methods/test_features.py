"""Losses of features and of relations between examples, against their references."""

import itertools
from collections.abc import Mapping
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kd_core.base.registry import find_plugin, plugins
from kd_core.methods.attention import attention
from kd_core.methods.channel_correlation import channel_correlation
from kd_core.methods.channel_wise import channel_wise
from kd_core.methods.class_attention import ClassAttention, class_attention, class_maps
from kd_core.methods.contrastive import MemoryBank, contrastive
from kd_core.methods.correlation import correlation
from kd_core.methods.cross_image import cross_image
from kd_core.methods.curriculum_temperature import LearnedTemperature, curriculum_temperature
from kd_core.methods.divergence import divergence
from kd_core.methods.flow import flow
from kd_core.methods.hints import hints
from kd_core.methods.intra_class import intra_class, labels_of_places, rows_and_columns
from kd_core.methods.localisation import localisation
from kd_core.methods.masked_generation import MaskedGeneration, masked_generation, place_mask
from kd_core.methods.one_for_all import exit_branch
from kd_core.methods.pearson_features import pearson_features
from kd_core.methods.pixel_similarity import pixel_similarity
from kd_core.methods.probability_transfer import probability_transfer
from kd_core.methods.relational import relational, relational_angle, relational_distance
from kd_core.methods.reused_classifier import projector, reused_classifier
from kd_core.methods.review import review
from kd_core.methods.score_weighted_features import score_weighted_features
from kd_core.methods.selectivity import selectivity
from kd_core.methods.similarity import similarity
from kd_core.methods.simple_recipe import simple_recipe
from kd_core.methods.variational_information import Estimate, variational_information
from kd_core.models import Model
from kd_core.nn.adapters import Regressor, match_sizes
from kd_core.nn.hooks import last_linear, record_features
from kd_core.nn.pairs import Pair
from kd_core.tasks import NUMBERS
from tools.testing.golden import Golden, Loss

Inputs = Mapping[str, Tensor]


def embeddings(inputs: Inputs) -> dict[str, Tensor]:
    return {"student_embedding": inputs["student_emb"], "teacher_embedding": inputs["teacher_emb"]}


def maps(inputs: Inputs, student: str, teacher: str) -> dict[str, Tensor]:
    return {"student_features": inputs[student], "teacher_features": inputs[teacher]}


def of_maps(loss: Loss, *pairs: tuple[str, str]) -> Loss:
    return lambda inputs: sum(loss(**maps(inputs, *pair)) for pair in pairs)


def of_information(inputs: Inputs, teacher: str) -> Tensor:
    weights = Golden("vid_weights").tensors(inputs["fm_s0"].dtype)
    estimate = Estimate(4, 6).to(inputs["fm_s0"].dtype)
    estimate.scale.data = weights.pop("log_scale")
    for name, weight in weights.items():
        estimate.means[int(name.split("_")[1])].weight.data = weight
    student, target = match_sizes(inputs["fm_s0"], inputs[teacher])
    return variational_information(estimate.means(student), target, estimate.variance)


def of_regressor(inputs: Inputs, number: int, teacher: str) -> Tensor:
    weights = Golden("fitnet_convreg_weights").tensors(inputs["fm_s0"].dtype, f"reg{number}_")
    regressor = Regressor(inputs["fm_s0"].shape[1:], inputs[teacher].shape[1:]).to(inputs["fm_s0"].dtype)
    convolution, normalisation, _ = regressor.layers
    convolution.load_state_dict({name: weights[f"conv_{name}"] for name in ("weight", "bias")})
    normalisation.load_state_dict({name: weights[f"bn_{name}"] for name in normalisation.state_dict()})
    return hints(regressor(inputs["fm_s0"]), inputs[teacher])


def of_correlation(inputs: Inputs) -> Tensor:
    student, teacher = inputs["student_emb"], inputs["teacher_emb"]
    return correlation(student, teacher[:, : student.shape[1]])


def cams(inputs: Inputs) -> tuple[Tensor, Tensor]:
    return inputs["student_cam"], inputs["teacher_cam"]


def of_recipe(exponent: float, *, soft_targets: bool) -> Loss:
    def loss(inputs: Inputs) -> Tensor:
        student = nn.functional.linear(inputs["student_feat"], inputs["proj_w"], inputs["proj_b"])
        value = simple_recipe(student, inputs["teacher_feat"], exponent)
        if not soft_targets:
            return value
        return value + divergence(inputs["student_logits"], inputs["teacher_logits"], "forward")

    return loss


def of_sides(temperature: float, mean: str, *, weighted: bool = False) -> Loss:
    return lambda inputs: localisation(
        inputs["student_bins"], inputs["teacher_bins"], temperature, inputs["weight"] if weighted else None, mean=mean
    )


REFERENCES: dict[tuple[str, str], Loss] = {
    ("at", "p2_list"): of_maps(attention, ("fm_s0", "fm_t0"), ("fm_s1", "fm_t1")),
    ("at", "p2_one"): of_maps(attention, ("fm_s0", "fm_t0")),
    ("at", "p2_spatial_mismatch"): of_maps(attention, ("fm_s0", "fm_t_small")),
    ("fitnet_mse", "hint"): of_maps(hints, ("fsp_s0", "fsp_t0")),
    ("fitnet_mse", "hint_1"): of_maps(hints, ("fsp_s1", "fsp_t1")),
    ("fitnet_convreg", "1x1"): lambda inputs: of_regressor(inputs, 0, "fm_t0"),
    ("fitnet_convreg", "3x3s2"): lambda inputs: of_regressor(inputs, 1, "fm_t_small"),
    ("vid", "same_hw"): lambda inputs: of_information(inputs, "fm_t0"),
    ("vid", "pool"): lambda inputs: of_information(inputs, "fm_t_small"),
    ("nst", "repdistiller"): of_maps(selectivity, ("fm_s0", "fm_t0")),
    ("reviewkd_hcl", "mdistiller"): of_maps(review, ("fsp_s0", "fsp_t0"), ("fsp_s1", "fsp_t1")),
    ("ickd", "cifar_CB"): of_maps(channel_correlation, ("student_map", "teacher_map")),
    ("cwd", "tau1"): of_maps(channel_wise, ("student_map", "teacher_map")),
    ("cwd", "tau4"): of_maps(partial(channel_wise, temperature=4), ("student_map", "teacher_map")),
    ("skd", "pairwise"): of_maps(pixel_similarity, ("student_map", "teacher_map")),
    ("cirkd", "tau0.1"): of_maps(cross_image, ("student_map", "teacher_map")),
    ("cirkd", "tau1"): of_maps(partial(cross_image, temperature=1), ("student_map", "teacher_map")),
    ("ifvd", "ifv"): lambda inputs: intra_class(inputs["student_map"], inputs["teacher_map"], inputs["labels"]),
    ("cat_kd", "r2_norm"): lambda inputs: class_attention(*cams(inputs)),
    ("cat_kd", "r2_raw"): lambda inputs: class_attention(*cams(inputs), normalised=False),
    ("cat_kd", "r4_norm"): lambda inputs: class_attention(*cams(inputs), resolution=4),
    ("ld_box", "mean_T10"): of_sides(10, "element"),
    ("ld_box", "mean_T1"): of_sides(1, "element"),
    ("ld_box", "sum_T10"): of_sides(10, "batch"),
    ("ld_box", "sum_T1"): of_sides(1, "batch"),
    ("ld_box", "mean_T10_weighted"): of_sides(10, "element", weighted=True),
    ("pkd", "mse"): lambda inputs: pearson_features(inputs["student_map"], inputs["teacher_map"]),
    ("pkd", "pearson"): lambda inputs: pearson_features(inputs["student_map"], inputs["teacher_map"], "pearson"),
    ("srd", "official_e4"): of_recipe(4, soft_targets=True),
    ("srd", "official_e4_feat"): of_recipe(4, soft_targets=False),
    ("srd", "torchdistill_e1"): of_recipe(1, soft_targets=True),
    ("sp", "repdistiller"): of_maps(similarity, ("fm_s0", "fm_t0")),
    ("sp", "repdistiller_fm1"): of_maps(similarity, ("fm_s1", "fm_t1")),
    ("fsp", "repdistiller"): lambda inputs: flow(
        student_pair=(inputs["fsp_s0"], inputs["fsp_s1"]), teacher_pair=(inputs["fsp_t0"], inputs["fsp_t1"])
    ),
    ("rkd_distance", "lenscloth"): lambda inputs: relational_distance(**embeddings(inputs)),
    ("rkd_angle", "lenscloth"): lambda inputs: relational_angle(**embeddings(inputs)),
    ("rkd_da", "d25_a50"): lambda inputs: relational(**embeddings(inputs)),
    ("rkd_da", "d1_a2"): lambda inputs: relational(**embeddings(inputs), distance=1, angle=2),
    ("pkt", "repdistiller"): lambda inputs: probability_transfer(**embeddings(inputs)),
    ("cc", "repdistiller"): of_correlation,
    ("ctkd", "T4"): lambda inputs: curriculum_temperature(
        inputs["student_logits"], inputs["teacher_logits"], torch.tensor(4.0, dtype=inputs["student_logits"].dtype)
    ),
}
CASES = [(*key, draw) for key in REFERENCES for draw in Golden(key[0]).draws(key[1])]


@pytest.mark.parametrize(("file", "variant", "draw"), CASES)
def test_value_and_gradient_equal_the_reference(file: str, variant: str, draw: str) -> None:
    Golden(file).check(draw, variant, REFERENCES[file, variant])


@pytest.mark.parametrize("key", REFERENCES, ids=" ".join)
def test_every_reference_was_compared_on_some_draw(key: tuple[str, str]) -> None:
    assert Golden(key[0]).draws(key[1])


@pytest.mark.parametrize("strength", ["-1", "-0.5"])
def test_the_temperature_climbs_with_the_reversed_gradient_of_the_reference(strength: str) -> None:
    golden = Golden("ctkd_grad_T")
    learned = LearnedTemperature(1.0, 20.0).double()
    inputs = golden.inputs("normal", torch.float64)
    loss = curriculum_temperature(
        inputs["student_logits"], inputs["teacher_logits"], learned(), strength=-float(strength)
    )
    loss.backward()
    for name, value in (("temp", learned()), ("loss", loss), ("grad_param", learned.theta.grad)):
        expected = golden.values[f"normal__lam{strength}__{name}"].item()
        assert value.item() == pytest.approx(expected, rel=1e-6), name  # the reference computed in float32


def test_the_projector_and_the_reused_classifier_equal_the_reference() -> None:
    golden = Golden("simkd")
    inputs = golden.inputs("normal", torch.float64)
    student = inputs["fm_s0"].requires_grad_()
    joined = projector((4, 8, 8), (6, 8, 8), 2).double()
    weights = golden.tensors(torch.float64, "proj_transfer_")
    joined.load_state_dict({name: weights[name.replace(".", "_", 1)] for name in joined.state_dict()})
    projected = joined(student)
    loss = reused_classifier(student_features=projected, teacher_features=inputs["fm_t0"])
    loss.backward()
    head = golden.tensors(torch.float64, "cls_")
    logits = projected.mean((2, 3)) @ head["weight"].T + head["bias"]
    np.testing.assert_allclose(loss.item(), golden.values["normal__loss"], rtol=1e-9)
    np.testing.assert_allclose(student.grad, golden.values["normal__grad__fm_s0"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(logits.detach(), golden.values["normal__pred_logits"], rtol=1e-9)


def test_two_steps_of_contrast_and_the_memory_after_them_equal_the_reference() -> None:
    golden = Golden("crd")
    inputs = golden.inputs("normal", torch.float64)
    student, teacher = inputs["student_emb"].requires_grad_(), inputs["teacher_emb"]
    memory = MemoryBank(16, 32, 8, torch.arange(64), negatives=16).double()
    for side, of in (("s", memory.student), ("t", memory.teacher)):
        of.load_state_dict(golden.tensors(torch.float64, f"w_embed_{side}_linear_"))
    memory.student_memory = golden.tensors(torch.float64)["w_contrast_memory_v1"]
    memory.teacher_memory = golden.tensors(torch.float64)["w_contrast_memory_v2"]
    rows, candidates = (torch.from_numpy(golden.values[name]) for name in ("idx", "contrast_idx"))
    for step in (1, 2):
        s, t = (nn.functional.normalize(embedding) for embedding in (memory.student(student), memory.teacher(teacher)))
        loss = contrastive(
            memory.scores(s, memory.teacher_memory, 0, candidates, 0.07),
            memory.scores(t, memory.student_memory, 1, candidates, 0.07),
            64,
        )
        memory.remember(rows, s, t, 0.5)
        np.testing.assert_allclose(loss.item(), golden.values[f"normal__loss_step{step}"].item(), rtol=1e-9)
        if step == 1:
            loss.backward()
            expected = golden.values["normal__grad__student_emb"]
            np.testing.assert_allclose(student.grad, expected, rtol=1e-9, atol=1e-12)
    for name, ours in (("mem1_after", memory.student_memory), ("mem2_after", memory.teacher_memory)):
        np.testing.assert_allclose(ours, golden.values[f"normal__{name}"], rtol=1e-9)


def test_the_others_of_a_contrast_are_of_other_classes_and_all_of_them_are_drawn() -> None:
    labels = torch.tensor([2, 0, 1, 0, 2, 1, 1])
    memory = MemoryBank(2, 2, 2, labels, negatives=400)
    rows = torch.arange(7)
    candidates = memory.candidates(rows, torch.Generator().manual_seed(0))
    assert torch.equal(candidates[:, 0], rows)
    for row, others in zip(rows, candidates[:, 1:], strict=True):
        assert set(others.tolist()) == set((labels != labels[row]).nonzero().flatten().tolist())


def test_in_a_contrast_an_example_without_a_label_is_like_itself_alone() -> None:
    labels = torch.tensor([0, -1, 0, -1, -1])
    candidates = MemoryBank(2, 2, 2, labels, negatives=400).candidates(
        torch.arange(5), torch.Generator().manual_seed(0)
    )
    assert set(candidates[1, 1:].tolist()) == {0, 2, 3, 4}
    assert set(candidates[0, 1:].tolist()) == {1, 3, 4}


def test_with_a_single_class_every_example_is_another_one() -> None:
    memory = MemoryBank(2, 2, 2, torch.zeros(5, dtype=torch.long), negatives=200)
    candidates = memory.candidates(torch.tensor([3]), torch.Generator().manual_seed(0))
    assert set(candidates[0, 1:].tolist()) == set(range(5))


def test_the_simple_recipe_does_not_depend_on_scale_and_shift_of_a_dimension() -> None:
    student, teacher = torch.randn(2, 8, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    student = 1000 * student  # so that the constant in the root does not matter
    moved = student * torch.tensor([1.0, 2, 3, 4, 5]) + torch.arange(5)
    torch.testing.assert_close(simple_recipe(moved, teacher), simple_recipe(student, teacher))


@pytest.mark.parametrize("batch", [1, 8])
def test_equal_embeddings_have_a_finite_logarithm_and_no_gradient(batch: int) -> None:
    embedding = torch.randn(batch, 5, requires_grad=True)
    loss = simple_recipe(embedding, embedding.detach())
    loss.backward()
    assert loss.isfinite()
    assert embedding.grad.abs().max() == 0


def test_correlations_of_channels_need_no_common_size_and_no_common_scale() -> None:
    generator = torch.Generator().manual_seed(1)
    student, teacher = torch.randn(2, 3, 4, 5, 5, dtype=torch.float64, generator=generator)
    loss = channel_correlation(student, teacher)
    assert loss > 0
    torch.testing.assert_close(channel_correlation(7 * student, teacher), loss)
    repeated = teacher.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(channel_correlation(student, repeated), loss)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(channel_correlation(student[:, order], teacher[:, order]), loss)


@pytest.mark.parametrize("shape", [(6,), (6, 8, 8), (6, 7, 3), (6, 2, 2), (6, 1, 1)])
@pytest.mark.parametrize("halvings", [0, 1, 3])
def test_an_exit_leads_from_any_features_of_one_example_to_logits(shape: tuple[int, ...], halvings: int) -> None:
    logits = exit_branch(shape, halvings, 12, 10)(torch.randn(1, *shape))
    assert logits.shape == (1, 10)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32)])
@pytest.mark.parametrize("name", plugins("models", outside=False))
def test_the_mean_of_the_class_maps_is_the_logit_or_the_network_is_refused(name: str, shape: tuple[int, ...]) -> None:
    model = find_plugin("models", name)()
    assert isinstance(model, Model)
    if not model.is_at_hand or model.inputs != NUMBERS or model.unsupported_reason(shape):
        return
    pair, method = Pair(model, model, shape, 10), ClassAttention()
    if method.unsupported_reason(pair):
        assert name not in {"cnn", "resnet"}
        return
    (match,) = method.matches(pair)
    network = model.build(shape, 10).eval()
    with record_features(network, {"maps": model.feature_layers()[match.student]}) as features, torch.no_grad():
        logits = network(torch.randn(3, *shape))
    classifier = last_linear(network)
    means = class_maps(features["maps"], classifier.weight).mean((2, 3)) + classifier.bias
    torch.testing.assert_close(means, logits, rtol=1e-4, atol=1e-5)


def test_a_wide_resnet_normalises_its_last_maps_and_has_no_class_maps() -> None:
    model = find_plugin("models", "wide_resnet")()
    assert "does not end in this way" in ClassAttention().unsupported_reason(Pair(model, model, (1, 8, 8), 10))


def test_labels_of_pixels_are_those_of_the_places_of_a_smaller_map_and_a_class_of_an_image_that_of_all() -> None:
    masks = torch.arange(2 * 4 * 6).view(2, 4, 6)
    places = labels_of_places(masks.flatten(), torch.zeros(2, 5, 2, 3))
    assert torch.equal(places, masks[:, ::2, ::2])
    assert torch.equal(
        labels_of_places(torch.tensor([3, 7]), torch.zeros(2, 5, 1, 2)), torch.tensor([[[3, 3]], [[7, 7]]])
    )
    assert rows_and_columns(32 * 48, 5, 7) == (32, 48)  # of a map that was halved with rounding
    assert rows_and_columns(17 * 30, 9, 15) == (17, 30)


def test_features_weigh_as_much_as_the_teacher_is_sure_of_an_object_there() -> None:
    random = np.random.default_rng(0)
    student, teacher, scores = (random.random(shape) for shape in ((2, 3, 4, 5), (2, 3, 4, 5), (2, 4, 5)))
    total = sum(
        scores[n, y, x] * ((student[n, :, y, x] - teacher[n, :, y, x]) ** 2).mean()
        for n, y, x in itertools.product(range(2), range(4), range(5))
    )
    value = score_weighted_features(*map(torch.from_numpy, (student, teacher, scores)))
    assert value.item() == pytest.approx(total / scores.sum(), rel=1e-12)


def test_a_generator_restores_the_teachers_map_from_the_places_that_are_not_hidden() -> None:
    model = find_plugin("models", "cnn")()
    method = MaskedGeneration(masked=0.65)
    pair = Pair(model, model, (1, 8, 8), 10)
    adapters = method.adapters(pair, torch.zeros(1)).double()
    shape = (3, *pair.teacher_shapes[method.matches(pair)[0].teacher])
    features = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mask = place_mask(features, 0.65, 7, "mask", 0)
    assert 0.2 < mask.mean() < 0.5
    generator = adapters["generator 0"]
    hidden = (features * mask).numpy()
    for layer, is_last in ((generator[0], False), (generator[2], True)):
        weights, padded = layer.weight.detach().numpy(), np.pad(hidden, ((0, 0), (0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
        hidden = np.einsum("bchwij,ocij->bohw", windows, weights) + layer.bias.detach().numpy()[:, None, None]
        hidden = hidden if is_last else np.maximum(hidden, 0)
    value = masked_generation(generator(features * mask), features)
    assert value.item() == pytest.approx(((hidden - features.numpy()) ** 2).mean(), rel=1e-9)
