"""The sCT network: its lean pass, its options, what it refuses, what it learns."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch

from napari_scfm.errors import ModelError
from napari_scfm.models.sct import lean
from napari_scfm.models.sct.config import SCTConfig, padded
from napari_scfm.models.sct.convolutions import DoublingConvolution
from napari_scfm.models.sct.network import SCTNetwork
from napari_scfm.models.sct.surroundings import Surroundings

PANEL = SCTConfig(
    num_downsamples=3,
    attention_heads=2,
    token_embed_dim=32,
    embed_dim=64,
    ffn_embed_dim=48,
    num_layers=2,
    positions=40,
)


def made(config: SCTConfig = PANEL, **changed: object) -> SCTNetwork:
    torch.manual_seed(3)
    network = SCTNetwork(replace(config, **changed))
    for value in network.parameters():
        value.data += 0.1 * torch.randn_like(value)
    return network.eval()


def read(network: SCTNetwork, cells: int = 5, batch: int = 2) -> tuple:
    draw = torch.Generator().manual_seed(4)
    size = (batch, cells * network.config.positions)
    tokens = torch.randint(0, 7, size, generator=draw)
    if not network.config.reads_coordinates:
        return tokens, None
    return tokens, torch.rand(batch, cells, 2, generator=draw)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"norm": "plain"},
        {"use_skip_connection": False},
        {"coordinate_encoding": "released"},
        {"surroundings": (0.5,), "norm": "plain"},
        {"surroundings": (1.0, 50.0), "coordinate_encoding": "paper"},
        {"coordinate_encoding": "paper", "num_hidden_layers_head": 2},
        {"num_downsamples": 1, "positions": 2, "num_hidden_layers_head": 0},
    ],
    ids=str,
)
@pytest.mark.parametrize("room", [1, 2**12, 2**22])
def test_the_lean_pass_gives_the_numbers_of_the_modules(changed, room, monkeypatch):
    monkeypatch.setitem(lean.ELEMENTS, "cpu", room)
    network = made(**changed)
    given = read(network)
    plain = network(*given)
    assert plain.logits.requires_grad
    network.requires_grad_(False)
    ours = network(*given)
    for name in ("logits", "conv_out", "transformer_out", "deconv_out"):
        want, found = getattr(plain, name).detach(), getattr(ours, name)
        torch.testing.assert_close(found, want, atol=2e-5, rtol=1e-5)
    hidden = network.hidden(*given)
    torch.testing.assert_close(hidden[-1], ours.transformer_out)
    assert len(hidden) == 3
    where = torch.tensor([0, 1, 3])
    some = network.logits_at(given[0], where, given[1])
    torch.testing.assert_close(some, ours.logits[:, where])


def test_positions_may_differ_between_sequences():
    network = made().requires_grad_(False)
    tokens, _ = read(network)
    where = torch.tensor([[0, 7], [199, 3]])
    whole = network(tokens).logits
    want = torch.stack([whole[b, where[b]] for b in range(2)])
    torch.testing.assert_close(network.logits_at(tokens, where), want)


def test_bfloat16_stays_near_float32():
    network = made().requires_grad_(False)
    tokens, _ = read(network)
    exact = network(tokens)
    network.precision = "bfloat16"
    near = network(tokens)
    assert near.logits.dtype == near.transformer_out.dtype == torch.float32
    spread = exact.logits.std()
    assert 0 < (near.logits - exact.logits).abs().mean() < 0.05 * spread
    same = torch.cosine_similarity(
        network.cell_vectors(near.transformer_out),
        network.cell_vectors(exact.transformer_out),
        dim=-1,
    )
    assert same.min() > 0.999


def test_attention_between_cells_sums_token_weights():
    network = made().requires_grad_(False)
    tokens, _ = read(network)
    found = network.cell_attention(tokens, layers=(0, -1))
    assert found.shape == (2, 2, 5, 5)
    torch.testing.assert_close(found.sum(-1), torch.ones(2, 2, 5))
    out = network(tokens, attention=((1, 0), (1, 1)))
    for head in (0, 1):
        weights = out.attention[1, head].view(2, 5, 5, 5, 5)
        want = weights.sum(dim=4).mean(dim=2)
        one = network.cell_attention(tokens, layers=(1,), head=head)[:, 0]
        torch.testing.assert_close(one, want)


def test_cells_read_each_other_and_their_order_matters():
    network = made().requires_grad_(False)
    tokens, _ = read(network, batch=1)
    whole = network.cell_vectors(network.encode(tokens))
    turned = tokens.view(1, 5, -1).flip(1).flatten(1)
    other = network.cell_vectors(network.encode(turned)).flip(1)
    assert (whole - other).abs().max() > 1e-3
    alone = network.cell_vectors(network.encode(tokens[:, :40]))
    assert (whole[:, 0] - alone[:, 0]).abs().max() > 1e-3


def test_every_weight_is_learned():
    network = made(coordinate_encoding="released").train()
    tokens, places = read(network)
    logits = network.logits_at(tokens, torch.arange(200), places)
    want = torch.randint(0, 7, (2, 200))
    torch.nn.functional.cross_entropy(logits.flatten(0, 1), want.flatten()).backward()
    idle = [n for n, p in network.named_parameters() if p.grad is None]
    assert not idle
    flat = [n for n, p in network.named_parameters() if not p.grad.abs().max() > 0]
    # a bias that all keys share moves no softmax
    assert all(name.endswith("attention.key.bias") for name in flat)


@pytest.mark.parametrize(("wide_in", "wide_out"), [(1024, 928), (928, 800)])
def test_doubling_is_right_on_several_threads(wide_in, wide_out):
    """conv_transpose1d with padding 1 is wrong here at these widths."""
    torch.manual_seed(0)
    layer = DoublingConvolution(wide_in, wide_out).requires_grad_(False)
    x = torch.randn(1, 78, wide_in)
    stuffed = torch.zeros(156 + 5 - 1, wide_in, dtype=torch.float64)
    stuffed[3 : 3 + 156 : 2] = x[0].double()
    want = sum(
        stuffed[tap : tap + 156] @ layer.weight[..., tap].double().T for tap in range(5)
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        worst = max(
            float((layer(x)[0].double() - want - layer.bias).abs().max())
            for _ in range(12)
        )
    finally:
        torch.set_num_threads(threads)
    assert worst < 1e-4


def test_coordinates_as_the_program_and_as_the_paper():
    released = made(coordinate_encoding="released").places
    scales = [10 ** (u / 9) for u in range(1, 11)]
    assert released.scales == pytest.approx(scales)
    paper = made(coordinate_encoding="paper").places
    assert paper.scales == pytest.approx([10 ** (s / 9) for s in range(10)])
    x, y = 3.0, 5.0
    waves = [
        f(v / t) for v, f, t in ((x, math.cos, scales[4]), (y, math.sin, scales[4]))
    ]
    unit = torch.zeros(32, 20)
    unit[0, 8] = unit[1, 9] = 1
    released.linear.weight.data, released.linear.bias.data = unit, torch.zeros(32)
    found = released(torch.tensor([[[x, y]]]))[0, 0, :2]
    assert found.tolist() == pytest.approx(waves, abs=1e-6)
    assert paper.linear.weight.shape == (32, 40)


def test_hidden_positions_are_told_what_visible_cells_around_express():
    told = Surroundings((1.0, 50.0), levels=4, width=3, mask=5)
    tokens = torch.tensor([[[5, 0, 6], [2, 5, 6], [4, 1, 6], [5, 3, 6]]])
    places = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [9.0, 9.0]]])
    found = told.shares(tokens, places).view(4, 3, 2, 4)
    near, far = math.exp(-0.5), math.exp(-2)
    # the first gene of the first cell: 2 and 4 are visible, nearer and farther
    share = far / (near + far)
    expected = torch.tensor([1.0, 1.0, share, share])
    torch.testing.assert_close(found[0, 0, 0], expected)
    assert found[0, 0, 1, 2].item() == pytest.approx(0.5, abs=0.01)
    # what is visible, and pads, are told nothing
    assert not found[1:3, 0].any()
    assert not found[:, 2].any()
    alike = told.shares(tokens, None).view(4, 3, 2, 4)
    torch.testing.assert_close(alike[1, 1], torch.tensor([[2, 1, 1, 0.0]] * 2) / 3)
    nobody = told.shares(torch.full((1, 4, 3), 5), places)
    assert not nobody.any()


def test_what_cannot_be_read_is_refused():
    network = made().requires_grad_(False)
    with pytest.raises(ModelError, match="no coordinate encoder"):
        network(torch.zeros(1, 40).long(), torch.zeros(1, 1, 2))
    with pytest.raises(ModelError, match=r"tokens have shape \(1, 41\)"):
        network(torch.zeros(1, 41).long())
    with pytest.raises(ModelError, match=r"outside 0\.\.6"):
        network(torch.full((1, 40), 7))
    placed = made(coordinate_encoding="paper")
    with pytest.raises(ModelError, match="coordinates are missing"):
        placed(torch.zeros(1, 40).long())
    with pytest.raises(ModelError, match=r"coordinates have shape \(1, 2, 2\)"):
        placed(torch.zeros(1, 40).long(), torch.zeros(1, 2, 2))
    with pytest.raises(ModelError, match="gene positions of this sCT network"):
        SCTNetwork(replace(PANEL, positions=0))


def test_channels_grow_evenly_in_steps_of_32():
    released = replace(
        PANEL, num_downsamples=8, token_embed_dim=64, embed_dim=1024, positions=19_968
    )
    assert released.channels == (64, 192, 320, 448, 544, 672, 800, 928, 1024)
    assert released.cell_tokens == 78
    assert padded(19_965, 8) == 19_968
    assert padded(960, 5) == 960


def test_a_wrong_configuration_says_all_that_is_wrong():
    with pytest.raises(ModelError) as caught:
        replace(
            PANEL,
            embed_dim=50,
            key_size=3,
            norm="batch",
            positions=41,
            surroundings=(1.0, -1.0),
        )
    assert len(caught.value.problems) == 5
    told = replace(PANEL, surroundings=(1.0, 50.0))
    values = json.loads(json.dumps(told.to_dict()))
    assert SCTConfig.from_dict(values, "here") == told
    del values["embed_dim"]
    values["num_layers"] = "four"
    with pytest.raises(ModelError, match="'embed_dim' is missing, 'num_layers' is"):
        SCTConfig.from_dict(values, "here")
