"""RoIAlign and NMS with the call signatures of mmcv's compiled operators.

torchvision's operators where they load, else plain torch. Legend: N images, C channels,
H x W pixels of a feature map, K regions, P x Q bins of a region, S samples of a bin
along one axis.
"""
import torch
from torch import Tensor


def _torchvision_operators() -> bool:
    from torchvision.extension import _has_ops
    return _has_ops()


def interpolation_weights(start: Tensor, length: Tensor, bins: int, sampling_ratio: int,
                          size: int, most: int | None = None) -> Tensor:
    """Weigh the pixels of one axis in the bins of each region.

    Args:
        start: (K,) first edge of each region in pixels; pixel i lies at coordinate i.
        length: (K,) its length in pixels.
        bins: Number of bins of a region along this axis.
        sampling_ratio: Samples of a bin along this axis; 0: as many as there are pixels.
        size: Number of pixels of the feature map along this axis.
        most: No bin has more samples; None finds it out, which no exported graph can.

    Returns:
        (K, bins, size) weights that average the linearly interpolated samples of a bin.
    """
    bin_length = length / bins
    if sampling_ratio > 0:
        counts = torch.full_like(length, sampling_ratio)
    else:
        counts = torch.ceil(bin_length).clamp(min=0)
    # a region without extent has no sample, and its bins are 0
    if most is None:
        most = int(counts.max()) if len(counts) else 0
    samples = torch.arange(most, device=start.device, dtype=start.dtype)
    bin_indices = torch.arange(bins, device=start.device)
    steps = ((samples + 0.5) * bin_length[:, None] / counts.clamp(min=1)[:, None])[:, None]
    positions = (start[:, None] + bin_indices * bin_length[:, None])[..., None] + steps
    # (K, bins, S): up to one pixel beyond the border the border counts, beyond that 0
    counted = ((positions >= -1) & (positions <= size)
               & (samples < counts[:, None])[:, None]).to(start.dtype)
    distances = positions.clamp(0, size - 1)[..., None] - torch.arange(size, device=start.device)
    weights = (1 - distances.abs()).clamp(min=0) * counted[..., None]
    return weights.sum(dim=2) / counts.clamp(min=1)[:, None, None]


def roi_align(features: Tensor, rois: Tensor, output_size: tuple[int, int],
              spatial_scale: float, sampling_ratio: int, aligned: bool) -> Tensor:
    """Average-pool regions by bilinear sampling, in plain torch (differentiable in features).

    The samples of a region form a grid, so the interpolation is one matrix for the rows
    and one for the columns.

    Args:
        features: (N, C, H, W).
        rois: (K, 5) image index, x1, y1, x2, y2 in input coordinates.
        output_size: (P, Q).
        spatial_scale: Size of the feature map over size of the input.
        sampling_ratio: Samples of a bin along each axis; 0: as many as there are pixels.
        aligned: Whether pixel centres lie at half-integers (Detectron2) and not, as in
            the legacy version, at integers with regions of at least one pixel.

    Returns:
        (K, C, P, Q).
    """
    corners = rois[:, 1:] * spatial_scale - (0.5 if aligned else 0.)
    x1, y1, x2, y2 = corners.unbind(dim=1)
    width, height = x2 - x1, y2 - y1
    if not aligned:
        width, height = width.clamp(min=1), height.clamp(min=1)
    rows = interpolation_weights(y1, height, output_size[0], sampling_ratio, features.shape[2])
    columns = interpolation_weights(x1, width, output_size[1], sampling_ratio, features.shape[3])
    pooled = features.new_zeros(len(rois), features.shape[1], *output_size)
    for image_index, image in enumerate(features):
        chosen = (rois[:, 0] == image_index).nonzero().squeeze(1)
        of_image = torch.einsum('kph,chw,kqw->kcpq', rows[chosen], image, columns[chosen])
        pooled = pooled.index_copy(0, chosen, of_image)
    return pooled


def _pool(features: Tensor, rois: Tensor, output_size: tuple[int, int], spatial_scale: float,
          sampling_ratio: int, pool_mode: int, aligned: bool) -> Tensor:
    if pool_mode != 1:
        raise NotImplementedError(
            "roi_align with pool_mode='max' is a compiled operator of mmcv, and the installed "
            "mmcv has none. Use pool_mode='avg', or install a compiled mmcv.")
    if _torchvision_operators():
        import torchvision
        return torchvision.ops.roi_align(
            features, rois, output_size, spatial_scale, sampling_ratio, aligned)
    return roi_align(features, rois, output_size, spatial_scale, sampling_ratio, aligned)


def roi_align_forward(input: Tensor, rois: Tensor, output: Tensor, argmax_y: Tensor,
                      argmax_x: Tensor, aligned_height: int, aligned_width: int,
                      spatial_scale: float, sampling_ratio: int, pool_mode: int,
                      aligned: bool) -> None:
    """Write the pooled regions into ``output``; see :func:`roi_align`."""
    with torch.no_grad():
        output.copy_(_pool(input, rois, (aligned_height, aligned_width), spatial_scale,
                           sampling_ratio, pool_mode, aligned))


def roi_align_backward(grad_output: Tensor, rois: Tensor, argmax_y: Tensor, argmax_x: Tensor,
                       grad_input: Tensor, aligned_height: int, aligned_width: int,
                       spatial_scale: float, sampling_ratio: int, pool_mode: int,
                       aligned: bool) -> None:
    """Write the gradient of the features into ``grad_input``; see :func:`roi_align`."""
    with torch.enable_grad():
        # linear in the features, so their values do not matter
        features = torch.zeros_like(grad_input, requires_grad=True)
        pooled = _pool(features, rois, (aligned_height, aligned_width), spatial_scale,
                       sampling_ratio, pool_mode, aligned)
    grad_input.copy_(torch.autograd.grad(pooled, features, grad_output)[0])


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Suppress boxes that overlap a better one by more than a threshold.

    Args:
        boxes: (K, 4) x1, y1, x2, y2.
        scores: (K,).
        iou_threshold: Largest intersection over union that is kept.
        offset: 0, or 1 where the second corner is the last pixel inside.

    Returns:
        Indices of the kept boxes, best first.
    """
    if offset == 0 and _torchvision_operators():
        import torchvision
        return torchvision.ops.nms(boxes, scores, iou_threshold)
    order = scores.argsort(descending=True)
    corners1, corners2 = boxes[order].split(2, dim=1)
    areas = (corners2 - corners1 + offset).prod(dim=1)
    kept = torch.ones_like(order, dtype=torch.bool)
    for index in range(len(order)):
        if not kept[index]:
            continue
        overlap = torch.minimum(corners2[index], corners2[index + 1:])
        overlap = overlap - torch.maximum(corners1[index], corners1[index + 1:])
        overlap = (overlap + offset).clamp(min=0).prod(dim=1)
        union = areas[index] + areas[index + 1:] - overlap
        kept[index + 1:] &= ~(overlap / union > iou_threshold)
    return order[kept]
