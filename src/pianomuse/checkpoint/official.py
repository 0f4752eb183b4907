"""Official RWKV-7 .pth files without PyTorch: read with a restricted unpickler, written byte for byte.

A .pth file is a zip archive: `NAME/data.pkl` describes the tensors, `NAME/data/KEY` holds their numbers. Pickles can
run code, so only the four names that tensors need are understood, and everything else is refused.
Format: torch/serialization.py and torch/_utils.py (`_rebuild_tensor_v2`).
"""

from __future__ import annotations

import io
import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pianomuse.errors import CheckpointError
from pianomuse.midi.write import writing_aside

T = TypeVar("T")

MAX_TENSORS = 20_000
MAX_FILE_BYTES = 64 * 2**30
MAX_PICKLE_BYTES = 16 * 2**20
_STORAGES = {"FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16"}
_ITEM_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}


@dataclass(frozen=True)
class _StorageType:
    dtype: str


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: str
    n_items: int


@dataclass(frozen=True)
class _Lazy:
    """A tensor as the pickle describes it."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def read_pth(path: str | Path) -> dict[str, NDArray[np.float32]]:
    """Read every tensor of a .pth file as float32.

    Args:
        path: zip-format file of a plain (ordered) dictionary of float32, float16 or bfloat16 tensors.

    Raises:
        CheckpointError: no such file, not of this format, or it holds anything but named tensors.
    """
    return _opened(path, _read_archive)


def pth_shapes(path: str | Path) -> dict[str, tuple[int, ...]]:
    """Return name -> shape of every tensor of a .pth file, without reading the numbers.

    Raises:
        CheckpointError: as `read_pth`.
    """
    return _opened(path, lambda archive: {name: lazy.shape for name, lazy in _described(archive)[1].items()})


def _opened(path: str | Path, look: Callable[[zipfile.ZipFile], T]) -> T:
    """Open the archive and look into it; whatever is wrong with it is a CheckpointError."""
    try:
        if Path(path).stat().st_size > MAX_FILE_BYTES:
            raise CheckpointError(f"{path}: larger than {MAX_FILE_BYTES} bytes")
        with zipfile.ZipFile(path) as archive:
            return look(archive)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}; use an RWKV-7 .pth of plain tensors") from error
    except (OSError, zipfile.BadZipFile, pickle.UnpicklingError, KeyError, ValueError, EOFError) as error:
        raise CheckpointError(f"{path}: not a readable .pth file ({error}); download it again") from error
    except (TypeError, AttributeError, IndexError, RecursionError, OverflowError, MemoryError) as error:
        raise CheckpointError(f"{path}: its pickle is malformed ({error}); use an RWKV-7 .pth") from error


def write_pth(path: str | Path, tensors: Mapping[str, NDArray[np.float32]]) -> Path:
    """Write tensors as a .pth that `torch.load(weights_only=True)` and the package `rwkv` read; whole or not at all."""
    path = Path(path)
    with writing_aside(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        root = path.stem or "archive"
        archive.writestr(f"{root}/data.pkl", _pickle_of(tensors))
        archive.writestr(f"{root}/byteorder", "little")
        for number, value in enumerate(tensors.values()):
            _write_aligned(archive, f"{root}/data/{number}", np.ascontiguousarray(value, dtype="<f4").tobytes())
        archive.writestr(f"{root}/version", "3\n")
    return path


def _described(archive: zipfile.ZipFile) -> tuple[str, dict[str, _Lazy]]:
    """Return where in the archive the tensors lie, and what the pickle says of them."""
    names = [info for info in archive.infolist() if info.filename.endswith("/data.pkl")]
    if len(names) != 1 or names[0].file_size > MAX_PICKLE_BYTES:
        raise CheckpointError("no data.pkl of a sensible size in the archive")
    root = names[0].filename.removesuffix("data.pkl")
    order = next((info for info in archive.infolist() if info.filename == root + "byteorder"), None)
    if order is not None and (order.file_size > 16 or archive.read(order) != b"little"):
        raise CheckpointError("big-endian numbers are not supported")
    described = _Unpickler(io.BytesIO(archive.read(names[0]))).load()
    if not isinstance(described, dict) or not 0 < len(described) <= MAX_TENSORS:
        raise CheckpointError("no dictionary of tensors")
    for name, value in described.items():
        if not isinstance(name, str) or not isinstance(value, _Lazy):
            raise CheckpointError(f"entry {str(name)[:60]!r} is no tensor")
    return root, described


def _read_archive(archive: zipfile.ZipFile) -> dict[str, NDArray[np.float32]]:
    root, described = _described(archive)
    bytes_left = sum(info.compress_size for info in archive.infolist())
    tensors = {}
    for name, value in described.items():
        bytes_left -= math.prod(value.shape) * _ITEM_BYTES[value.storage.dtype]
        if bytes_left < 0:  # many views of one storage: a small file that would fill the memory
            raise CheckpointError("the tensors are larger than the file")
        tensors[name] = _array(archive, root, value)
    return tensors


def _write_aligned(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Write a record whose bytes start at a multiple of 64, as PyTorch does, so that they can be memory-mapped."""
    info = zipfile.ZipInfo(name)
    assert archive.fp is not None
    header_bytes = archive.fp.tell() + 30 + len(name.encode()) + 4
    padding = -header_bytes % 64
    info.extra = struct.pack("<HH", 0x4246, padding) + b"Z" * padding
    archive.writestr(info, content)


def _array(archive: zipfile.ZipFile, root: str, lazy: _Lazy) -> NDArray[np.float32]:
    storage, n_items = lazy.storage, math.prod(lazy.shape)
    contiguous = tuple(math.prod(lazy.shape[axis + 1 :]) for axis in range(len(lazy.shape)))
    strides_fit = all(
        own == plain for own, plain, extent in zip(lazy.stride, contiguous, lazy.shape, strict=True) if extent != 1
    )
    if min((lazy.offset, *lazy.shape)) < 0 or lazy.offset + n_items > storage.n_items or not strides_fit:
        raise CheckpointError(f"a tensor of shape {lazy.shape} does not fit its storage")
    info = archive.getinfo(f"{root}data/{storage.key}")
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != storage.n_items * _ITEM_BYTES[storage.dtype]:
        raise CheckpointError(f"storage {storage.key} has another size than described")
    raw = archive.read(info)
    if storage.dtype == "bfloat16":  # the upper half of a float32
        items = (np.frombuffer(raw, dtype="<u2").astype(np.uint32) << 16).view(np.float32)
    else:
        items = np.frombuffer(raw, dtype="<f2" if storage.dtype == "float16" else "<f4").astype(np.float32)
    return items[lazy.offset : lazy.offset + n_items].reshape(lazy.shape).copy()


class _Unpickler(pickle.Unpickler):
    """Understands tensors and dictionaries, and nothing that could run code."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _rebuild_parameter
        if module == "torch" and name in _STORAGES:
            return _StorageType(_STORAGES[name])
        raise CheckpointError(f"the pickle asks for {module}.{name}, which no tensor needs")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage_type, key, _device, n_items = pid
        if kind != "storage" or not isinstance(storage_type, _StorageType) or not isinstance(n_items, int):
            raise CheckpointError("the pickle refers to something that is no storage of float numbers")
        return _Storage(str(key), storage_type.dtype, n_items)


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_ignored: Any) -> _Lazy:
    if not isinstance(storage, _Storage) or not all(isinstance(x, int) for x in (offset, *shape, *stride)):
        raise CheckpointError("the pickle describes a tensor in an unknown way")
    return _Lazy(storage, offset, tuple(shape), tuple(stride))


def _rebuild_parameter(data: Any, *_ignored: Any) -> Any:
    return data


def _pickle_of(tensors: Mapping[str, NDArray[np.float32]]) -> bytes:
    """Return the pickle (protocol 2) of an OrderedDict of float32 tensors, opcode by opcode."""
    out = [b"\x80\x02", b"ccollections\nOrderedDict\n", b")R", b"("]
    for number, (name, value) in enumerate(tensors.items()):
        strides = tuple(math.prod(value.shape[axis + 1 :]) for axis in range(value.ndim))
        out += [
            _text(name),
            b"ctorch._utils\n_rebuild_tensor_v2\n(",
            b"(" + _text("storage") + b"ctorch\nFloatStorage\n" + _text(str(number)) + _text("cpu"),
            _integer(value.size) + b"tQ",
            _integer(0) + b"(" + b"".join(map(_integer, value.shape)) + b"t",
            b"(" + b"".join(map(_integer, strides)) + b"t",
            b"\x89ccollections\nOrderedDict\n)RtR",
        ]
    out.append(b"u.")
    return b"".join(out)


def _text(value: str) -> bytes:
    encoded = value.encode("utf-8")
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def _integer(value: int) -> bytes:
    if value >= 2**31:
        raise CheckpointError(f"a tensor of {value} numbers is too large for a .pth file")
    return b"J" + struct.pack("<i", value)
