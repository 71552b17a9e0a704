"""Compiled programs: traced once, kept on disk as StableHLO, compiled with options per program.

:func:`program` stands where ``jax.jit`` would. Called on concrete values it looks for its program
in memory, then in the cache directory, and traces only when it finds neither; what is kept is the
portable form that ``jax.export`` writes, with a checksum, and the structure of the result as JSON:
nothing executable, nothing pickled. JAX's own compilation cache keeps the machine code beside it.
Under a trace (a user's own jit, vmap, grad) the function is a part of the user's program.

How long the compiler thinks is chosen by :func:`effort`: less for one evaluation, more for a
million (measured in BENCHMARKS.md, "Compiling").
"""

import contextlib
import contextvars
import functools
import hashlib
import json
import os
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.export  # noqa: F401 - a module of its own
import numpy as np
from threadpoolctl import ThreadpoolController

from spectra.directories import cache_root, is_trusted, make_private
from spectra.files import write_atomically
from spectra.tracing import is_traced
from spectra.tree_structure import NotPlain, structure_from, structure_of

# passes of XLA over its instructions that take a quarter of the compile time at level 0 and change
# neither run time nor values here. Names that XLA does not know it ignores
IDLE_PASSES = (
    "simplify-while-loops",
    "while-loop-invariant-code-motion",
    "while-loop-constant-sinking",
    "reshape-mover",
    "tree_reduction_rewriter",
    "gemv-rewriter",
    "dynamic-dimension-simplifier",
)
# XLA's options on CPUs, from the least effort to the most. The newer fusion emitters double the
# compile time and gain nothing here
EFFORTS: dict[str, dict[str, Any]] = {
    "once": {
        "xla_cpu_use_fusion_emitters": False,
        "xla_backend_optimization_level": 0,
        "xla_disable_hlo_passes": ",".join(IDLE_PASSES),
    },
    "some": {"xla_cpu_use_fusion_emitters": False, "xla_backend_optimization_level": 1},
    "many": {"xla_cpu_use_fusion_emitters": False},
}
_chosen = contextvars.ContextVar("effort")
_usual = ["some"]
_device = contextvars.ContextVar("device")
_DEFAULT_DEVICE = "jax_default_device"
_MAGIC = b"sterile-spectra program 1\n"
_PACKAGES = ("spectra", "sterile")


@contextlib.contextmanager
def effort(name: str) -> Iterator[None]:
    """How hard the compiler tries in this block: "once", "some" or "many"."""
    token = _chosen.set(_known(name))
    try:
        yield
    finally:
        _chosen.reset(token)


@contextlib.contextmanager
def effort_at_least(name: str) -> Iterator[None]:
    """The compiler tries as hard as ``name`` in this block, or as hard as it would anyway.

    For what runs so long that even one run repays it.
    """
    efforts = list(EFFORTS)
    own = _chosen.get(_usual[0])
    with effort(max(own, _known(name), key=efforts.index)):
        yield


def set_usual_effort(name: str) -> None:
    """How hard the compiler tries outside of :func:`effort`; "some" unless this says otherwise."""
    _usual[0] = _known(name)


def _known(name: str) -> str:
    if name not in EFFORTS:
        raise ValueError(f"effort = {name!r} is not one of {', '.join(EFFORTS)}")
    return name


def device_named(device: Any) -> Any:
    """The ``jax.Device`` of a name that JAX knows, such as "cpu" or "gpu", the first of its kind.

    None is the processor, or what ``jax_default_device`` says: an accelerator takes longer for one
    model than a core. Raises ``ValueError`` where there is none of that name.
    """
    chosen = device or getattr(jax.config, _DEFAULT_DEVICE) or "cpu"
    if isinstance(chosen, jax.Device):
        return chosen
    try:
        return jax.devices(chosen)[0]
    except RuntimeError:
        known = sorted({each.platform for each in jax.devices()} | {"cpu"})
        raise ValueError(
            f"device = {device!r} is not here; JAX has {', '.join(known)}. For an NVIDIA card "
            "install JAX with its extra: jax[cuda13]"
        ) from None


@contextlib.contextmanager
def running_on(device: Any) -> Iterator[None]:
    """Programs of this block are compiled for a device and run there."""
    token = _device.set(device)
    try:
        with jax.default_device(device):
            yield
    finally:
        _device.reset(token)


class Program:
    """A function of positional arguments with its compiled programs; made by :func:`program`."""

    def __init__(self, function: Callable):
        functools.update_wrapper(self, function)
        self._function = function
        self._traced = eqx.filter_jit(function)
        self._made: dict[Any, _Made] = {}
        self._making = threading.Lock()

    def __call__(self, *arguments: Any) -> Any:
        leaves, tree = jax.tree.flatten(arguments)
        if is_traced(leaves) or _by_hand():
            return self._traced(*arguments)
        made = self._find(leaves, tree)
        device = programs_device()
        arrays = [_near(leaf, device) for leaf in leaves if _is_array(leaf)]
        with one_matrix_thread():
            results = jax.block_until_ready(made.compiled.result()(arrays))
        return jax.tree.unflatten(made.tree, results)

    def ahead(self, *arguments: Any) -> Any:
        """Begin to compile for arguments whose arrays are known or ``jax.ShapeDtypeStruct``.

        Returns the result with ``jax.ShapeDtypeStruct`` for its arrays. The compiler works in the
        background; a call waits for it.
        """
        made = self._find(*jax.tree.flatten(arguments))
        return jax.tree.unflatten(made.tree, made.shapes)

    def _find(self, leaves: list, tree: Any) -> "_Made":
        static = tuple(None if _is_array(leaf) else leaf for leaf in leaves)
        shapes = tuple((leaf.shape, leaf.dtype) for leaf in leaves if _is_array(leaf))
        key = (tree, static, shapes, _chosen.get(_usual[0]), programs_device())
        if key not in self._made:
            with self._making:
                if key not in self._made:
                    self._made[key] = _make(self._function, leaves, tree)
        return self._made[key]


def program(function: Callable) -> Program:
    """``function`` of positional arguments, compiled; a decorator.

    Arrays are traced, everything else is static and has to be hashable. The result may hold arrays
    and modules; every leaf of it is an array.
    """
    return Program(function)


class _Made(NamedTuple):
    """One compiled program: arrays → leaves of the result, its structure and their shapes."""

    compiled: Future
    tree: Any
    shapes: list


def _near(leaf: Any, device: Any) -> Any:
    """An array that may be given to a program of the device: not one that is bound to another."""
    bound = isinstance(leaf, jax.Array) and leaf.committed and leaf.devices() != {device}
    return np.asarray(leaf) if bound else leaf


def programs_device() -> Any:
    """The device of programs, see :func:`running_on`."""
    chosen = _device.get(None)
    return device_named(None) if chosen is None else chosen


def _platform_of(device: Any) -> str:
    """What ``jax.export`` calls the platform of a device."""
    if device.platform != "gpu":
        return device.platform
    return "rocm" if "rocm" in device.client.platform_version.lower() else "cuda"


def _by_hand() -> bool:
    """Whether the user debugs: then JAX's own path shows what goes on."""
    return any(getattr(jax.config, flag) for flag in ("jax_debug_nans", "jax_disable_jit"))


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | np.generic | jax.ShapeDtypeStruct)


# the compiler gives other threads the interpreter; six programs at a time are all there are
_compilers = ThreadPoolExecutor(min(os.cpu_count() or 2, 6), thread_name_prefix="compiler")


def _make(function: Callable, leaves: list, tree: Any) -> _Made:
    """The program for arguments of this structure, being compiled."""
    holes = [_is_array(leaf) for leaf in leaves]
    shapes = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves if _is_array(leaf)]
    result_tree: list[Any] = [None]

    def flat(arrays: list) -> list:
        given = iter(arrays)
        filled = [next(given) if hole else leaf for hole, leaf in zip(holes, leaves)]
        results, result_tree[0] = jax.tree.flatten(function(*jax.tree.unflatten(tree, filled)))
        return results

    device = programs_device()
    platform = _platform_of(device)
    options = EFFORTS[_chosen.get(_usual[0])] if platform == "cpu" else None

    def compiling(traced: Any) -> Future:
        # lowered here, as lowering holds the interpreter, compiled there
        with jax.default_device(device):
            lowered = traced.lower()
        return _compilers.submit(_compiled, lowered, options)

    try:
        path = _path(function, leaves, tree, platform)
    except NotPlain:
        traced = jax.jit(flat).trace(shapes)
        results = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in traced.jaxpr.out_avals]
        return _Made(compiling(traced), result_tree[0], results)
    kept = _read(path)
    if kept is not None:
        try:
            result_tree[0] = jax.tree.structure(structure_from(json.loads(kept[0]), _PACKAGES))
        except ValueError:
            kept = None
    if kept is None:
        exported = jax.export.export(jax.jit(flat), platforms=[platform])(shapes)
        result = jax.tree.unflatten(result_tree[0], range(result_tree[0].num_leaves))
        with contextlib.suppress(NotPlain):
            _write(path, json.dumps(structure_of(result)), exported.serialize())
    else:
        exported = jax.export.deserialize(bytearray(kept[1]))
    results = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in exported.out_avals]
    return _Made(compiling(jax.jit(exported.call).trace(shapes)), result_tree[0], results)


def _compiled(lowered: Any, options: dict[str, Any] | None) -> Any:
    """A compiled program; options that this version of XLA does not have are left out."""
    try:
        return lowered.compile(compiler_options=options)
    except jax.errors.JaxRuntimeError as error:
        known = {name: value for name, value in (options or {}).items() if name not in str(error)}
        if "No such compile option" not in str(error) or known == options:
            raise
        return _compiled(lowered, known)


def _path(function: Callable, leaves: list, tree: Any, platform: str) -> Path:
    """Where the program lies: a name made of all that it depends on."""
    words = [f"{leaf.dtype}{leaf.shape}" if _is_array(leaf) else leaf for leaf in leaves]
    if function.__module__.split(".")[0] not in _PACKAGES:
        raise NotPlain(function.__module__)
    key = [
        f"{function.__module__}.{function.__qualname__}",
        structure_of(jax.tree.unflatten(tree, words), _PACKAGES),
        platform,
        jax.__version__,
        source_checksum(),
    ]
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]
    return cache_root() / "programs" / f"{name}.bin"


@functools.cache
def source_checksum() -> str:
    """SHA-256 over the package's own source: a changed line is another program."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        root = Path(str(resources.files(package)))
        for path in sorted(root.rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _read(path: Path) -> tuple[str, bytes] | None:
    """Structure and program of a file of :func:`_write`; None unless it is whole."""
    if not is_trusted(path.parent):
        return None
    try:
        content = path.read_bytes()
    except OSError:
        return None
    checksum, _, packed = content.removeprefix(_MAGIC).partition(b"\n")
    if not (content.startswith(_MAGIC) and _checksum(path, packed) == checksum):
        return None
    structure, _, data = zlib.decompress(packed).partition(b"\n")
    return structure.decode(), data


def _checksum(path: Path, packed: bytes) -> bytes:
    """Of content and name: a program under another's name is not that one."""
    return hashlib.sha256(path.name.encode() + packed).hexdigest().encode()


def _write(path: Path, structure: str, data: bytes | bytearray) -> None:
    packed = zlib.compress(structure.encode() + b"\n" + data, 6)
    content = _MAGIC + _checksum(path, packed) + b"\n" + packed
    if not is_trusted(path.parent):
        return
    try:
        make_private(path.parent)
        write_atomically(path, lambda temporary: temporary.write_bytes(content))
    except (OSError, ValueError) as error:
        _say_once(f"compiled programs are not kept ({error}); the next run takes longer")


@functools.cache
def _say_once(sentence: str) -> None:
    warnings.warn(sentence, stacklevel=2)


_users = [0]
_limit = threading.Lock()
_limiter: list[Any] = []


@contextlib.contextmanager
def one_matrix_thread() -> Iterator[None]:
    """LAPACK on one thread in this block, as before after it.

    The solvers' matrices are small: LAPACK's threads wait for each other, and computations side by
    side would take three times as long. Blocks that overlap share one limit.
    """
    with _limit:
        _users[0] += 1
        if _users[0] == 1:
            _limiter.append(_libraries().limit(limits=1, user_api="blas"))
    try:
        yield
    finally:
        with _limit:
            _users[0] -= 1
            if _users[0] == 0:
                _limiter.pop().restore_original_limits()


@functools.cache
def _libraries() -> ThreadpoolController:
    import scipy.linalg  # noqa: F401 - the library that JAX calls has to be loaded to be told

    return ThreadpoolController()
