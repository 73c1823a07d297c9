"""Packaging of ``amd_mm``; configs and tools travel in ``amd_mm/.mim``, as OpenMMLab's do."""
import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
MIM_PARTS = ('configs', 'tools', 'model-index.yml')

LITE = ['mmcv-lite>=2.1.0,<2.2']
QUICKSTART = ['mlxtend', 'scikit-image']
DETECTION = ['mmdet>=3.3,<3.4']
# mmsegmentation imports ftfy, regex and prettytable, and asks for the last alone.
DENSE = DETECTION + ['mmsegmentation>=1.2.2,<2.0', 'ftfy', 'prettytable', 'regex']
INTEROP = ['timm', 'transformers']
REMOTE = ['aiohttp', 'fsspec', 's3fs', 'gcsfs', 'huggingface_hub']
ONNX = ['onnx', 'onnxruntime']
OPENVINO = ['openvino>=2025.1', 'nncf']
LOGGERS = ['tensorboard', 'wandb', 'mlflow']
TESTS = ['aiohttp', 'build', 'coverage', 'fsspec', 'hypothesis', 'moto[server]', 'mypy', 'nbmake',
         'pytest', 'ruff', 's3fs', 'scikit-video', 'setuptools', 'tensorboard']


def read_version() -> str:
    """Returns the version without importing the package, which needs torch."""
    text = (ROOT / 'amd_mm' / 'version.py').read_text(encoding='utf-8')
    match = re.search(r"__version__ = '([^']+)'", text)
    assert match, 'amd_mm/version.py holds no version'
    return match.group(1)


class BuildWithMim(build_py):
    """Puts configs and tools where ``_base_ = ['amd_mm::...']`` and ``mim`` look for them.

    A wheel gets copies. An editable install gets links, so that an edited config counts at once.
    """

    def run(self) -> None:
        """Build, then copy or link."""
        super().run()
        package = ROOT / 'amd_mm' if self.editable_mode else Path(self.build_lib) / 'amd_mm'
        mim = package / '.mim'
        # Left-overs of an earlier build would otherwise stay in the package.
        shutil.rmtree(mim, ignore_errors=True)
        mim.mkdir(parents=True)
        for part in MIM_PARTS:
            source = ROOT / part
            if self.editable_mode:
                (mim / part).symlink_to(Path('..', '..', part))
            elif source.is_dir():
                shutil.copytree(
                    source, mim / part, ignore=shutil.ignore_patterns('__pycache__', '*.pyc'))
            else:
                shutil.copy(source, mim / part)


setup(
    name='amd-mm',
    version=read_version(),
    description='Pre-training of small vision transformers by masked distillation, on MMEngine',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8')
    if (ROOT / 'README.md').exists() else '',
    long_description_content_type='text/markdown',
    author='amd_mm contributors',
    license='Apache-2.0',
    keywords=['masked distillation', 'masked autoencoder', 'vision transformer', 'video',
              'OpenMMLab', 'MMEngine'],
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Developers',
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: Image Recognition',
        'Typing :: Typed',
    ],
    python_requires='>=3.10',
    packages=find_packages(include=['amd_mm', 'amd_mm.*']),
    package_data={'amd_mm': ['py.typed']},
    include_package_data=False,
    cmdclass=dict(build_py=BuildWithMim),
    entry_points=dict(console_scripts=['amd-mm = amd_mm.command:main']),
    # torch: before 2.6, weights_only=True can be made to run code.
    # mmcv is not here because mmcv and mmcv-lite fill the same folder: see the extra `lite`.
    install_requires=[
        'torch>=2.6',
        'torchvision',
        'numpy',
        'mmengine>=0.10.7,<1.0',
        'mmpretrain>=1.2.0,<2.0',
        'mmaction2>=1.2.0,<2.0',
        'av>=17',  # threads of a conversion
        'decord>=0.6',
        'safetensors',
        'filelock>=3.30',  # its leases
    ],
    extras_require=dict(
        lite=LITE,
        quickstart=LITE + QUICKSTART,
        detection=DETECTION,
        dense=DENSE,
        interop=INTEROP,
        export=ONNX,
        onnx=ONNX,
        openvino=OPENVINO,
        remote=REMOTE,
        loggers=LOGGERS,
        tests=LITE + QUICKSTART + DENSE + INTEROP + ONNX + OPENVINO + TESTS,
    ),
)
