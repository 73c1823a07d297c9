"""Floating-point operations of a pre-training step, counted by hand from a config's numbers.

A matrix product of (m, k) and (k, n) takes 2 m k n. Its two gradients take as much each.
"""
from dataclasses import dataclass


def linear(tokens: int, inputs: int, outputs: int) -> int:
    return 2 * tokens * inputs * outputs


def block(tokens: int, width: int, read: int | None = None) -> int:
    """A transformer block; ``read`` of its tokens are read, the others are keys and values."""
    read = tokens if read is None else read
    keys_and_values = linear(tokens, width, 2 * width)
    queries = linear(read, width, width)
    logits_and_sum = 2 * (2 * read * tokens * width)  # over all heads
    projection = linear(read, width, width)
    mlp = linear(read, width, 4 * width) + linear(read, 4 * width, width)
    return keys_and_values + queries + logits_and_sum + projection + mlp


def predicting_blocks(tokens: int, width: int, depth: int, read: int) -> int:
    """Blocks of generator and decoder; of the last one only some tokens are read."""
    return (depth - 1) * block(tokens, width) + block(tokens, width, read)


@dataclass
class Sizes:
    """One sample: tokens (``classes`` of them class tokens, in encoders and decoder alone)."""
    visible: int
    extra: int
    masked: int
    pixels: int  # of a token, all channels
    width: int
    depth: int
    decoder_width: int
    decoder_depth: int
    teacher_width: int
    teacher_depth: int  # up to the deepest tap
    pairs: int
    classes: int = 0
    projects_class: bool = False
    generator_depth: int = 0


def hand_count(s: Sizes) -> dict[str, int]:
    """Operations of one sample by part, named as ``amd_mm.profiling.flops.count_flops`` does."""
    def encoder(tokens: int, width: int, depth: int) -> tuple[int, int]:
        return linear(tokens, s.pixels, width), depth * block(tokens + s.classes, width)

    embedding, student = encoder(s.visible, s.width, s.depth)
    teacher = sum(encoder(s.visible + s.extra, s.teacher_width, s.teacher_depth))
    projected = s.visible + (s.classes if s.projects_class else 0)
    generator = s.pairs * linear(projected, s.width, s.teacher_width)
    if s.generator_depth:
        generator += s.pairs * predicting_blocks(
            s.visible + s.extra, s.teacher_width, s.generator_depth, s.extra)
    decoder = (
        linear(s.visible + s.classes, s.width, s.decoder_width)
        + predicting_blocks(s.visible + s.classes + s.masked, s.decoder_width, s.decoder_depth,
                            s.masked)
        + linear(s.masked, s.decoder_width, s.pixels))
    # Pixels need no gradient, and the teacher has none.
    backward = embedding + 2 * (student + generator + decoder)
    return dict(mask=0, student=embedding + student, teacher=teacher, generator=generator,
                decoder=decoder, losses=0, backward=backward)


# ViT-L -> ViT-B at 16 x 224 x 224, as in configs/amd for Kinetics-400.
VIDEO_BASE = Sizes(
    visible=160, extra=232, masked=1408, pixels=2 * 16 * 16 * 3, width=768, depth=12,
    decoder_width=384, decoder_depth=4, teacher_width=1024, teacher_depth=24, pairs=2,
    generator_depth=2)

# The same after recipes.shrink: 2 x 4 x 4 tokens.
SHRUNK_VIDEO_BASE = Sizes(
    visible=4, extra=4, masked=28, pixels=2 * 16 * 16 * 3, width=48, depth=4, decoder_width=24,
    decoder_depth=1, teacher_width=64, teacher_depth=8, pairs=2, generator_depth=1)
