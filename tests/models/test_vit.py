"""Vision transformers, against torch's own attention, and what is made of them."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from kd_core.export.network import graphs
from kd_core.methods.distillation_token import DistillationToken
from kd_core.models._pruning import CHANNELS, WEIGHTS, can_prune, layers, prune
from kd_core.models.cnn import Cnn
from kd_core.models.vit import Attention, Block, Vit
from kd_core.nn.hooks import attention_shapes, feature_shapes, record_features
from kd_core.nn.pairs import Pair

GREY = (1, 8, 8)


def images(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_attention_is_that_of_torch_with_the_same_weights() -> None:
    torch.manual_seed(0)
    layer, tokens = Attention(12, 3), images(5, 7, 12)
    reference = nn.MultiheadAttention(12, 3, batch_first=True)
    reference.load_state_dict(
        {
            "in_proj_weight": layer.query_key_value.weight, "in_proj_bias": layer.query_key_value.bias,
            "out_proj.weight": layer.mixed.weight, "out_proj.bias": layer.mixed.bias,
        }
    )  # fmt: skip
    with record_features(layer, {"maps": "softmax"}) as recorded:
        output = layer(tokens)
    expected, maps = reference(tokens, tokens, tokens, average_attn_weights=False)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(recorded["maps"], maps)


def test_the_number_of_parameters_is_that_of_the_formula() -> None:
    width, depth, patches, classes = 24, 3, 16, 10
    block = 12 * width**2 + 13 * width  # four projections, two layers of four times the width, two normalisations
    outside = (4 + 1) * width + width + (1 + patches) * width + 2 * width + (width + 1) * classes
    network = Vit(width=width, depth=depth).build(GREY, classes)
    assert sum(p.numel() for p in network.parameters()) == depth * block + outside


@pytest.mark.parametrize(
    ("shape", "places"), [((1, 8, 8), (4, 4)), ((3, 28, 28), (7, 7)), ((3, 32, 32), (8, 8)), ((3, 64, 64), (8, 8)),
                          ((1, 37, 41), (8, 9)), ((1, 1, 1), (1, 1))],
)  # fmt: skip
def test_small_images_of_any_size_have_about_eight_patches_each_way(
    shape: tuple[int, ...], places: tuple[int, int]
) -> None:
    assert feature_shapes(Vit(), shape, 10)["stage 1"] == (32, *places)
    network = Vit().build(shape, 10)
    assert network(images(2, *shape)).isfinite().all()


def test_too_many_patches_are_refused_with_the_way_out() -> None:
    assert "choose a larger patch size" in Vit(patch=1).unsupported_reason((3, 64, 64))
    assert Vit(patch=2).unsupported_reason((3, 64, 64)) == ""
    with pytest.raises(ValueError, match="width = 30: choose a multiple of the 4 heads"):
        Vit(width=30)


def test_a_place_of_the_maps_is_the_token_of_the_patch_at_that_place() -> None:
    torch.manual_seed(0)
    network, inputs = Vit(depth=1).build(GREY, 10).eval(), images(3, *GREY)
    with record_features(network, {"maps": "stage1.1.maps", "tokens": "stage1"}) as recorded:
        network(inputs)
    for row, column in ((0, 0), (1, 2), (3, 3)):
        assert torch.equal(recorded["maps"][:, :, row, column], recorded["tokens"][:, 1 + 4 * row + column])
    patch = inputs[:, :, 2:4, 4:6]  # what the patch in row 1 and column 2 sees
    with record_features(network, {"patches": "patches"}) as recorded:
        network(inputs)
    layer = network.patches
    projected = torch.einsum("bchw,dchw->bd", patch, layer.projection.weight) + layer.projection.bias
    torch.testing.assert_close(recorded["patches"][:, 7], projected + layer.positions[0, 7])


def test_many_blocks_are_four_stages() -> None:
    model = Vit(depth=10, width=8)
    assert list(model.feature_layers()) == ["stage 1", "stage 2", "stage 3", "stage 4", "embedding"]
    blocks = [module for module in model.build(GREY, 10).modules() if isinstance(module, Block)]
    assert len(blocks) == 10


def test_attention_maps_of_a_stage_are_distributions_over_all_tokens() -> None:
    model = Vit(depth=6, width=8)
    network = model.build(GREY, 10)
    with record_features(network, model.attention_layers()) as recorded, torch.no_grad():
        network(images(2, *GREY))
    shapes = attention_shapes(model, GREY, 10)
    assert list(shapes) == list(recorded) == ["stage 1", "stage 2", "stage 3", "stage 4"]
    for layer, maps in recorded.items():
        assert maps.shape[1:] == shapes[layer] == (4, 17, 17)
        torch.testing.assert_close(maps.sum(-1), torch.ones(2, 4, 17))
    assert attention_shapes(Cnn(8, 2), GREY, 10) == {}


def test_it_is_exported_with_the_same_logits_in_any_batch() -> None:
    torch.manual_seed(0)
    network, inputs = Vit().build((3, 10, 10), 5).eval(), images(6, 3, 10, 10)
    program = torch.export.export(network, (inputs[:2],), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.testing.assert_close(program.module()(inputs), network(inputs))


def test_the_order_of_patches_matters_only_through_their_positions() -> None:
    torch.manual_seed(0)
    network, inputs = Vit().build(GREY, 10).eval(), images(3, *GREY)
    turned = inputs.roll(4, 3)  # by two patches
    assert not torch.allclose(network(turned), network(inputs), atol=1e-4)
    with torch.no_grad():
        network.patches.positions.zero_()
    torch.testing.assert_close(network(turned), network(inputs), rtol=1e-4, atol=1e-5)
    assert F.cross_entropy(network(inputs), torch.arange(3)).isfinite()


@pytest.mark.slow
def test_single_weights_are_pruned_and_whole_channels_are_refused() -> None:
    network = Vit(width=16).build(GREY, 10).eval()
    pruned = prune(network, 0.5, WEIGHTS, images(2, *GREY))
    zeros = sum(int((layer.weight == 0).sum()) for layer in layers(pruned))
    assert zeros == pytest.approx(0.5 * sum(layer.weight.numel() for layer in layers(pruned)), abs=1)
    if can_prune(CHANNELS):
        with (
            pytest.warns(UserWarning, match="Unwrapped parameters"),
            pytest.raises(ValueError, match="remove single weights"),
        ):
            prune(network, 0.5, CHANNELS, images(2, *GREY))


@pytest.mark.slow
def test_a_student_with_a_distillation_token_answers_the_same_in_onnx_and_pt2() -> None:
    pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    pair, inputs = Pair(Vit(width=16, depth=1), Cnn(8, 2), GREY, 10), images(5, *GREY)
    for network in (pair.student.build(GREY, 10).eval(), DistillationToken().build(pair).eval()):
        program = graphs.export_program(network, GREY)
        expected = network(inputs).detach()
        torch.testing.assert_close(graphs.answers_of_pt2(graphs.to_pt2(program), inputs), expected)
        onnx = graphs.answers_of_onnx(graphs.to_onnx(program, {}), inputs)
        torch.testing.assert_close(onnx, expected, rtol=1e-4, atol=1e-4)
