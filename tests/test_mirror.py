"""Tests mirror the package: amd_mm/a/b.py is tested by tests/a/test_b.py."""
from pathlib import Path

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / 'amd_mm'
# Modules whose tests are elsewhere, and where.
ELSEWHERE = {
    'version.py': 'test_setup.py',
    'arguments.py': 'test_command_line.py',
    'checkpoints/layouts.py': 'interop/test_transformers_weights.py',
    'checkpoints/values.py': 'checkpoints/test_loading.py',
    'command/parsers.py': 'command/test_main.py',
    'command/places.py': 'command/test_main.py',
    'command/run.py': 'command/test_pretrain.py',
    'command/teaching.py': 'command/test_pretrain.py',
    'compat/fix.py': 'compat/test_init.py',
    'datasets/ava_dataset.py': 'datasets/test_ava_check.py',
    'datasets/evaluated.py': 'engine/test_evaluation.py',
    'datasets/list_lines.py': 'datasets/test_lists.py',
    'datasets/watched.py': 'datasets/test_lost_workers.py',
    'engine/bad_list.py': 'engine/hooks/test_bad_sample_hook.py',
    'engine/strategies.py': 'integration/test_large_teachers.py',
    'models/teachers/base.py': 'models/teachers/test_frozen_teacher.py',
    'models/teachers/image_teacher.py': 'models/teachers/test_timm_teacher.py',
    'models/teachers/transformers_network.py': 'models/teachers/test_transformers_teacher.py',
    **{f'deploy/{name}.py': 'deploy/test_export.py' for name in (
        'metadata', 'runtimes', 'sources', 'subject', 'writers')},
    'deploy/timing.py': 'tools/test_benchmark_inference.py',
    'deploy/ava.py': 'deploy/test_networks.py',
    'inference/fine_tuned.py': 'inference/test_classifier.py',
    'export/model_card.py': 'export/test_files.py',
    'export/onnx_file.py': 'export/test_files.py',
    'export/transformers_folder.py': 'interop/test_transformers_weights.py',
}


def test_every_module_has_its_tests():
    modules = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob('*.py')
               if '.mim' not in path.parts and not path.name.startswith('__')}
    assert set(ELSEWHERE) <= modules
    for module in sorted(modules):
        path = Path(module)
        mirrored = path.with_name(f'test_{path.name}')
        assert (TESTS / ELSEWHERE.get(module, mirrored)).is_file(), f'{module} has no {mirrored}'
        assert module not in ELSEWHERE or not (TESTS / mirrored).is_file(), module
