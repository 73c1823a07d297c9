"""Hadamard matrices, statistics by hand, and statistics that outlive a run."""
import pytest
import torch
from golden import amd_video
from losses import RAW_L2
from mmpretrain.structures import DataSample
from runs import command

from amd_mm.models.necks import TeacherStandardization
from amd_mm.models.necks.teacher_standardization import hadamard

# Widths of small networks and of ViT-Ti, S, B, L, SO400M, H and g.
WIDTHS = (1, 2, 4, 8, 12, 20, 24, 28, 36, 192, 384, 768, 1024, 1152, 1280, 1408)
METHODS = ('channels', 'phi_s')


@pytest.mark.parametrize('order', WIDTHS)
def test_hadamard_matrices(order):
    matrix = hadamard(order)
    assert matrix.shape == (order, order) and torch.equal(matrix.abs(), torch.ones(order, order))
    assert torch.equal(matrix @ matrix.T, order * torch.eye(order, dtype=torch.float64))


@pytest.mark.parametrize('order', [3, 6, 10, 92])
def test_orders_without_one_are_refused(order):
    with pytest.raises(ValueError, match=f"order {order} is known here.*method='channels'"):
        TeacherStandardization(order, 'phi_s', 1)
    TeacherStandardization(order, 'channels', 1)


def features(batch: int, seed: int, dims: int = 12) -> torch.Tensor:
    """Of large and different variance, some channels together."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(dims, dims, generator=torch.Generator().manual_seed(7))
    x = torch.randn(batch, 50, dims, generator=generator) @ mixing
    return 30 + x * torch.logspace(-1, 2, dims)


@pytest.mark.parametrize('method', METHODS)
def test_mean_0_and_variance_1_of_every_channel(method):
    part = TeacherStandardization(12, method, 1000)
    batches = [features(batch, seed) for seed, batch in enumerate((40, 8, 100))]
    for batch in batches:
        part.observe(batch)
    everything = torch.cat(batches)
    out = part(everything).flatten(0, 1).double()
    torch.testing.assert_close(out.mean(0), torch.zeros(12).double(), rtol=0, atol=2e-4)
    torch.testing.assert_close(
        out.var(0, unbiased=False), torch.ones(12).double(), rtol=1e-3, atol=0)
    x = everything.flatten(0, 1).double()
    covariance = torch.cov(x.T, correction=0)
    torch.testing.assert_close(part.mean.double(), x.mean(0), rtol=1e-5, atol=1e-4)
    if method == 'channels':
        torch.testing.assert_close(
            part.matrix.double(), covariance.diagonal().rsqrt(), rtol=1e-4, atol=0)
        return
    # A rotation and one scale: distances are the old ones over the root of the mean variance.
    scale = covariance.trace() / 12
    torch.testing.assert_close(
        part.matrix.double() @ part.matrix.double().T * scale, torch.eye(12).double(),
        rtol=1e-4, atol=1e-4)
    # Hadamard matrix times the principal directions: undone, the directions are uncorrelated.
    back = out @ hadamard(12) / 12**.5
    found = torch.cov(back.T, correction=0)
    torch.testing.assert_close(
        found.diagonal().sort().values, torch.linalg.eigvalsh(covariance) / scale,
        rtol=1e-2, atol=1e-4)
    assert (found - found.diagonal().diag()).abs().max() < 1e-3 * found.diagonal().max()


@pytest.mark.parametrize('method', METHODS)
def test_gathers_until_it_has_seen_enough_and_goes_on_where_it_was_saved(method):
    part, other = (TeacherStandardization(12, method, 20) for _ in range(2))
    part.observe(features(12, 1))
    assert not part.is_settled
    other.observe(features(30, 5))
    assert other.is_settled
    other.load_state_dict(part.state_dict())
    assert not other.is_settled
    for one in (part, other):
        one.observe(features(12, 2))
        assert one.is_settled and one.num_samples == 24 and one.num_tokens == 24 * 50
    for name, value in part.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def test_what_is_not_finite_changes_nothing():
    part = TeacherStandardization(12, 'phi_s', 20)
    part.observe(features(5, 1))
    before = {name: value.clone() for name, value in part.state_dict().items()}
    bad = features(5, 2)
    bad[0, 0, 0] = torch.nan
    part.observe(bad)
    assert all(torch.equal(value, before[name]) for name, value in part.state_dict().items())


def test_channels_that_never_change_stay_small():
    part = TeacherStandardization(4, 'channels', 20)
    still = torch.randn(3, 40, 4)
    still[..., 0] = 5.
    part.observe(still)
    assert part(still)[..., 0].abs().max() < 1e-3 and part(still)[..., 1:].std() > .9


SHARE = """
import sys
import torch
from mmengine.dist import get_rank, init_dist
from amd_mm.models.necks import TeacherStandardization

init_dist('pytorch', backend='gloo')
batches = torch.load(sys.argv[1])
for method in ('channels', 'phi_s'):
    part = TeacherStandardization(12, method, 20)
    for batch in batches:
        part.observe(batch[3 * get_rank():][:3])
    torch.save(part.state_dict(), f'{sys.argv[1]}.{method}.{get_rank()}')
"""


@pytest.mark.slow
def test_two_processes_gather_what_one_would(tmp_path):
    script, data = tmp_path / 'share.py', tmp_path / 'features'
    script.write_text(SHARE)
    batches = [features(6, seed) for seed in (1, 2)]
    torch.save(batches, data)
    command('python', '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2', script,
            data)
    for method in METHODS:
        alone = TeacherStandardization(12, method, 20)
        for batch in batches:
            alone.observe(batch)
        first, second = (torch.load(f'{data}.{method}.{rank}') for rank in (0, 1))
        for name, value in alone.state_dict().items():
            assert torch.equal(first[name], second[name]), name
            torch.testing.assert_close(first[name], value, rtol=1e-4, atol=1e-4)


@pytest.mark.filterwarnings('ignore:The teacher has random weights')
@pytest.mark.parametrize('method', METHODS)
def test_a_student_learns_standardised_features(method):
    standardize = dict(type='amd_mm.TeacherStandardization', method=method, samples=3)
    torch.manual_seed(0)
    model = amd_video(dict(direct=RAW_L2, standardize=standardize)).train()
    clips = torch.randn(2, 1, 3, 8, 32, 32)
    samples = [DataSample(metainfo=dict(sample_key=key)) for key in (5, 6)]
    assert not model.neck.takes_raw_features
    model.eval().loss(clips, samples)
    assert all(part.num_samples == 0 for part in model.neck.standardizations)
    losses = model.train().loss(clips, samples)
    images = model.fold_views(clips)
    mask = model.draw_mask(images, model._sample_keys(images, samples))
    raw = model.teacher(images, mask.teacher_visible)
    for part, seen in zip(model.neck.standardizations, raw, strict=True):
        assert part.num_samples == 2
        out = part(seen).flatten(0, 1)
        torch.testing.assert_close(out.mean(0), torch.zeros(32), rtol=0, atol=1e-4)
        torch.testing.assert_close(
            out.var(0, unbiased=False), torch.ones(32), rtol=1e-2, atol=0)
    _, features = model.backbone.encode(images, mask.visible, model.taps)
    projected = [p(f) for p, f in zip(model.neck.projections, features, strict=True)]
    expected = sum(
        (p - part(mask.split_teacher(seen).visible)).pow(2).mean() for p, part, seen in zip(
            projected, model.neck.standardizations, raw, strict=True)) / 2
    assert losses['loss_dir'].item() == pytest.approx(expected.item(), rel=1e-5)
    model.loss(clips, samples)  # the fourth sample: enough
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    assert not model.neck.is_observing
    model.loss(2 * clips, samples)
    assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())
