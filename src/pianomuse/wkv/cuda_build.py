"""Build the CUDA kernels of wkv7.cu on request, and load them.

PyTorch's extension builder compiles them for the card that is there (a minute once per machine, card and version of
PyTorch) into its own cache folder (TORCH_EXTENSIONS_DIR). They are called through ctypes: no Python module, no header
of PyTorch. On Windows Visual Studio's C++ tools are found and loaded first (`msvc`).
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import torch

from pianomuse.errors import ConfigError
from pianomuse.wkv import msvc

_logger = logging.getLogger(__name__)
_SOURCES = ("wkv7.cu", "wkv7_backward.cuh", "wkv7_forward.cuh", "wkv7_common.cuh")
_FOLDER = Path(__file__).resolve().parent
# one item per word: on Windows an item with a blank in it is quoted, and nvcc refuses it
CUDA_FLAGS = ("-O3", "-Xptxas", "-O3")


def is_built(device: torch.device | None = None) -> bool:
    """Return whether the kernels are there for the device, so that nothing has to be compiled."""
    return library_path(torch.cuda.get_device_capability(device)).exists()


def why_no_build() -> str | None:
    """Return which tool is missing for a build, or None."""
    home = importlib.import_module("torch.utils.cpp_extension").CUDA_HOME
    nvcc = None if home is None else shutil.which("nvcc", path=str(Path(home) / "bin"))
    if nvcc is None:
        return "nvcc is not found; install the CUDA toolkit and set CUDA_HOME, or use backend='triton'"
    if shutil.which("ninja", path=_with_ninja({})["PATH"]) is None:
        return "ninja is not found; pip install ninja"
    toolkit, wanted = _nvcc_version(nvcc), torch.version.cuda
    if toolkit is not None and wanted is not None and toolkit.split(".")[0] != wanted.split(".")[0]:
        return f"nvcc is of CUDA {toolkit} and PyTorch of CUDA {wanted}; install the toolkit of the same major version"
    return None


def library(device: torch.device) -> ctypes.CDLL:
    """Return the kernels for a CUDA device, built if they are not yet.

    Raises:
        ConfigError: they cannot be built here; the message says what is missing.
    """
    return _library(torch.cuda.get_device_capability(device))


@lru_cache
def _library(capability: tuple[int, int]) -> ctypes.CDLL:
    path = library_path(capability)
    if not path.exists():
        build(capability)
    return load(path)


def load(path: Path) -> ctypes.CDLL:
    """Open a built library and declare its functions."""
    kernels = ctypes.CDLL(str(path))
    pointers = ctypes.POINTER(ctypes.c_void_p)
    for function in (kernels.wkv7_forward, kernels.wkv7_backward):
        function.restype = ctypes.c_int
        function.argtypes = [ctypes.c_int] * 2 + [ctypes.c_int64] * 3 + [pointers] * 2 + [ctypes.c_void_p]
    kernels.wkv7_error.restype = ctypes.c_char_p
    kernels.wkv7_error.argtypes = [ctypes.c_int]
    return kernels


def library_path(capability: tuple[int, int]) -> Path:
    """Return where the library for a card lies once it is built; another source or PyTorch has another name."""
    key = hashlib.sha256()
    for source in _SOURCES:
        key.update((_FOLDER / source).read_bytes())
    key.update(repr((CUDA_FLAGS, torch.__version__, torch.version.cuda)).encode())
    name = f"pianomuse-wkv7-sm{capability[0]}{capability[1]}-{key.hexdigest()[:12]}"
    return _root() / (name + (".pyd" if os.name == "nt" else ".so"))


def build(capability: tuple[int, int]) -> Path:
    """Compile the kernels for a compute capability and return the library.

    Raises:
        ConfigError: a tool is missing, or the compiler fails; its whole output lies beside the library.
    """
    reason = why_no_build()
    if reason:
        raise ConfigError(f"the CUDA kernels of wkv7 cannot be built: {reason}")
    path = library_path(capability)
    path.parent.mkdir(parents=True, exist_ok=True)
    _logger.info("building the CUDA kernels of wkv7 into %s; this takes up to a minute, once", path)
    tools = _with_ninja(msvc.environment())
    number = f"{capability[0]}{capability[1]}"
    extension = importlib.import_module("torch.utils.cpp_extension")  # it looks for compilers when imported
    # a folder of its own: a lock that a killed build left in a shared one would make every later build wait forever
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="wkv7-", ignore_cleanup_errors=True) as folder:
        try:
            with _environment(tools):
                extension.load(
                    name="wkv7",
                    sources=[str(_FOLDER / "wkv7.cu")],
                    extra_cuda_cflags=[*CUDA_FLAGS, f"-gencode=arch=compute_{number},code=sm_{number}"],
                    build_directory=folder,
                    is_python_module=False,
                )
        except (RuntimeError, OSError, subprocess.SubprocessError) as failure:
            log = path.with_suffix(".log")
            log.write_text(str(failure), encoding="utf-8")
            raise ConfigError(
                f"the CUDA kernels of wkv7 do not compile: {_first_error(str(failure))}; all of it is in {log}; "
                "use backend='triton' or 'chunked' meanwhile"
            ) from failure
        built = Path(folder) / f"wkv7{extension.LIB_EXT}"
        aside = path.with_name(f"{Path(folder).name}.part")
        shutil.copy2(built, aside)
        aside.replace(path)
    return path


def _root() -> Path:
    given = os.environ.get("TORCH_EXTENSIONS_DIR")
    if given:
        return Path(given)
    return Path(importlib.import_module("torch.utils.cpp_extension").get_default_build_root())


def _with_ninja(variables: dict[str, str]) -> dict[str, str]:
    """Return the variables with pip's ninja on the PATH, also where the Python environment is not activated."""
    path = variables.get("PATH", os.environ.get("PATH", ""))
    return variables | {"PATH": os.pathsep.join([path, str(Path(sys.executable).parent)])}


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables while a compiler runs, and only then."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@lru_cache
def _nvcc_version(nvcc: str) -> str | None:
    answer = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"release (\d+\.\d+)", answer)
    return found.group(1) if found else None


def _first_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = (line for line in lines[1:] if re.search(r"error\b|fatal|cannot find|not found", line, re.IGNORECASE))
    return next(telling, lines[-1] if lines else "no message")
