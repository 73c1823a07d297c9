"""Rules of arguments, and every constructor of ours against values that it cannot mean."""
import importlib
import math

import numpy as np
import pytest
from good_values import arguments, needed

from amd_mm import registry
from amd_mm.values import (
    CONFIG,
    FLAG,
    either,
    list_of,
    number,
    one_of,
    optional,
    takes,
    whole,
)

for _package in ('models', 'datasets', 'datasets.transforms', 'engine'):
    importlib.import_module(f'amd_mm.{_package}')  # registers its parts
PARTS = sorted({part for name in registry.__all__
                for part in getattr(registry, name).module_dict.values()},
               key=lambda part: part.__name__)
BAD = (math.nan, math.inf, -1, .5, 'abc', None, [], True)
# What a value of these means, where it means something.
ALLOWED = {
    .5: {'area', 'attn_drop_rate', 'decoder_ratio', 'drop_path_rate', 'drop_rate', 'hue',
         'init_values', 'loss_weight', 'magnitude', 'magnitude_std', 'max_share', 'max_wait',
         'memory_gib', 'minutes', 'mlp_ratio', 'prob', 'qk_scale', 'saturation', 'seconds',
         'student_ratio', 'teacher_ratio', 'temperature', 'time_limit', 'value', 'wait_limit'},
    -1: {'frozen_stages', 'out_indices'},
    'abc': {'ann_file', 'architecture', 'checkpoint', 'data_prefix', 'data_root', 'delimiter',
            'io_backend', 'label_file', 'proposal_file'},
    None: {'backend_args', 'checkpoint', 'data_preprocessor', 'delimiter', 'direct',
           'dynamic_intervals', 'generation', 'generator_heads', 'init_cfg', 'minutes', 'normalize',
           'qk_scale', 'seconds', 'seed', 'student_ratio', 'student_visible', 'teacher_ratio',
           'teacher_visible', 'time_limit', 'window_size', 'global_blocks'},
    # An empty data set is refused for its length, an empty init_cfg initialises nothing.
    (): {'pipeline', 'init_cfg', 'dynamic_intervals', 'evaluator', 'EpochSampler.dataset'},
    True: {'align_cls_token', 'background', 'exact', 'final_norm', 'fixed_positions', 'fp16',
           'frozen', 'keep_ratio', 'missing_proposals', 'multi_thread', 'need_labels',
           'projection_bias', 'qkv_bias', 'reduce_zero_label', 'return_feat_map', 'shard',
           'shuffle', 'test_mode', 'train_mask_tokens', 'unnamed_labels', 'use_learnable_pos_emb',
           'use_mean_pooling', 'with_cp', 'with_label'},
}
# Of AMD, which may do without reconstruction, and has no taps and neck beside a list of teachers.
ALLOWED[None] |= {f'AMD.{name}' for name in ('decoder', 'head', 'taps', 'neck')}
# Of AMD, which may do without reconstruction.
ALLOWED[None] |= {'AMD.decoder', 'AMD.head'}
# Of AlignmentNeck: all pairs; of RelationNeck: the teacher's.
ALLOWED[None] |= {'direct_pairs', 'generation_pairs', 'RelationNeck.num_heads', 'standardize'}
# Of NonFiniteLossHook: the loss may jump.
ALLOWED[None] |= {'max_jump'}
# Of a teacher whose pixels nobody learns.
ALLOWED[None] |= {'FrozenTeacher.decoder'}
# Of a teacher that is trained on pixels as the student's.
ALLOWED[None] |= {f'{teacher}.{name}'
                  for teacher in ('FrozenTeacher', 'TimmTeacher', 'TransformersTeacher')
                  for name in ('mean', 'std', 'input_mean', 'input_std', 'student_grid')}
# Of teachers of other libraries, whose other values are texts.
ALLOWED[None] |= {'match', 'frames', 'TransformersTeacher.architecture'}
# Of ReportHook: a folder, or none.
ALLOWED['abc'] |= {'ReportHook.knn'}
ALLOWED[None] |= {'ReportHook.knn'}
ALLOWED[True] |= {'ReportHook.export'}
ALLOWED[True] |= {'TimmTeacher.normalize', 'TransformersTeacher.normalize'}


def is_allowed(part: type, name: str, value: object) -> bool:
    names = ALLOWED.get(() if value == [] else value, ())
    return name in names or f'{part.__name__}.{name}' in names


@pytest.mark.parametrize('part, name, value', [
    pytest.param(part, name, value, id=f'{part.__name__}-{name}-{value}')
    for part in PARTS for name in arguments(part) for value in BAD
    if not is_allowed(part, name, value)])
@pytest.mark.filterwarnings('error')
def test_what_an_argument_cannot_mean_is_refused(part, name, value):
    with pytest.raises(ValueError) as caught:
        part(**{**needed(part), name: value})
    assert f'{name} of {part.__name__} must be ' in str(caught.value)
    assert f', got {value!r}' in str(caught.value)


def test_every_registered_constructor_is_walked_over():
    ours = {part.__name__ for part in PARTS if arguments(part)}
    assert len(ours) >= 27
    assert {'AMD', 'EpochTrainLoop', 'PixelLoss', 'KeyedDataset', 'ResizeClip'} <= ours


class Part:

    @takes(depth=whole(1), rate=number(0, below=1), handed_on=FLAG)
    def __init__(self, depth, rate=.5, *, other=None, **kwargs):
        self.values = depth, rate, other, kwargs


def test_good_values_pass_untouched():
    assert Part(2, other='x', handed_on=True).values == (2, .5, 'x', dict(handed_on=True))
    assert Part(np.int64(3), np.float32(0)).values[:2] == (3, 0)


@pytest.mark.parametrize('positional, named, words', [
    ((0, ), {}, 'depth of Part must be a whole number, at least 1, got 0$'),
    ((2., ), {}, r'depth of Part must be .* got 2\.0$'),
    ((1, 1), {}, r'rate of Part must be a finite number in \[0, 1\), got 1; left out it is 0\.5$'),
    ((1, ), dict(handed_on='no'), "handed_on of Part must be True or False, got 'no'$"),
    ((1, 'x' * 300), {}, "got 'x{199}\\.\\.\\.; left out"),
])
def test_the_message_has_part_argument_rule_value_and_default(positional, named, words):
    with pytest.raises(ValueError, match=words):
        Part(*positional, **named)


def test_python_refuses_other_calls_as_always():
    with pytest.raises(TypeError, match=r"__init__\(\) missing 1 required .* 'depth'"):
        Part(rate=3)


@pytest.mark.parametrize('rule, says, good, bad', [
    (whole(), 'a whole number', [-3, 0], [.5, math.nan, True, '1', None]),
    (whole(1, 3), 'a whole number in [1, 3]', [1, 3], [0, 4]),
    (number(above=0), 'a finite number, above 0', [.1, 7], [0, math.inf, math.nan, True, 'a']),
    (number(above=0, high=1), 'a finite number in (0, 1]', [1], [0, 1.1]),
    (number(high=2), 'a finite number, at most 2', [2, -5.5], [2.1, -math.inf]),
    (number(below=2), 'a finite number, below 2', [1.9], [2]),
    (one_of('l1', 1, None), "one of 'l1', 1, None", ['l1', 1, None], [True, 1., 'L1']),
    (optional(FLAG), 'True or False, or None', [True, False, None], [0, 'no', np.bool_(True)]),
    (list_of(whole(1), 2), 'a list (2 values) of which each is a whole number, at least 1',
     [(1, 2), [3, 4]], [[1], (1, 2, 3), (0, 1), 'ab', {1, 2}]),
    (list_of(whole()), 'a list (at least 1) of which each is a whole number', [range(2)], [[], 2]),
    (either(FLAG, CONFIG), 'True or False, or one config, a dict with a type', [dict(type='a')],
     [{}, dict(type=None), [dict(type='a')]]),
])
def test_rules(rule, says, good, bad):
    assert rule.says == says
    assert all(map(rule.holds, good)) and not any(map(rule.holds, bad))
