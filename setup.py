"""Packaging of nasflat_jax; tool settings are in pyproject.toml."""

import pathlib
import re

import setuptools

_ROOT = pathlib.Path(__file__).parent
_VERSION = re.search(
    r"^__version__ = '([^']+)'",
    (_ROOT / 'nasflat_jax' / '__init__.py').read_text(),
    re.MULTILINE,
).group(1)

_CLI = (
    'adapt',
    'data',
    'encode',
    'evaluate',
    'measure',
    'partition',
    'pretrain',
    'proxy',
    'quickstart',
    'search',
    'zerocost',
)

setuptools.setup(
    name='nasflat_jax',
    version=_VERSION,
    description='Few-shot latency predictors for NAS, in JAX',
    long_description=(_ROOT / 'README.md').read_text(),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=setuptools.find_packages(include=['nasflat_jax', 'nasflat_jax.*']),
    package_data={
        'nasflat_jax': ['py.typed'],
        'nasflat_jax.checkpoints': ['*.npz'],
        'nasflat_jax.data': ['*.json'],
        'nasflat_jax.encodings': ['weights/*.npz'],
    },
    python_requires='>=3.11',
    install_requires=[
        'absl-py>=2.1',
        'chex>=0.1.90',
        'flax>=0.11.0',
        'jax>=0.8.0',
        'jraph>=0.0.6.dev0',
        'numpy>=2.0',
        'optax>=0.2.5',
        'scipy>=1.14',
    ],
    extras_require={
        'cuda12': ['jax[cuda12]'],
        'cuda13': ['jax[cuda13]'],
        'plot': ['matplotlib>=3.8'],
        'benchmark': ['torch>=2.4'],
        'test': [
            'matplotlib>=3.8',
            'mypy>=1.11',
            'pytest>=8.0',
            'pytest-xdist>=3.5',
            'ruff>=0.6',
        ],
    },
    entry_points={
        'console_scripts': [
            f'nasflat-{name} = nasflat_jax.cli.{name}:main' for name in _CLI
        ]
    },
    classifiers=[
        'License :: OSI Approved :: Apache Software License',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Programming Language :: Python :: 3.13',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
)
