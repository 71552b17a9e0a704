"""The registry: every way to make sterile neutrinos, by its ``kind``.

The package's own are here; what solves one is imported when it is first asked for. Others are
added by :func:`register`, from a module that is imported by hand or named in the environment
variable ``STERILE_MECHANISMS`` (several separated by commas): then the command line and the workers
of a scan know them too.
"""

import functools
import importlib
import os
from collections.abc import Iterator, Mapping
from types import ModuleType

from sterile import combined, mixing, parents, scalar, thermal
from sterile.combined import Composite
from sterile.contract import Mechanism
from sterile.models import Model
from sterile.names import hint

PLUGIN_VARIABLE = "STERILE_MECHANISMS"
# kind -> room and the name there; the rooms load what is asked of them
_OWN: dict[str, tuple[ModuleType, str]] = {
    "scalar-decay": (scalar, "SCALAR_DECAY"),
    "dodelson-widrow": (mixing, "DODELSON_WIDROW"),
    "shi-fuller": (mixing, "SHI_FULLER"),
    "scalar-decay+mixing": (mixing, "SCALAR_DECAY_MIXING"),
    "diluted-freeze-out": (thermal, "DILUTED_FREEZE_OUT"),
    "late-thermalisation": (combined, "LATE_THERMALISATION"),
    "thermal-relic": (thermal, "THERMAL_RELIC"),
    "parent-decay": (parents, "PARENT_DECAY"),
    "spectrum-file": (thermal, "SPECTRUM_FILE"),
    "sum": (combined, "SUM"),
}
_registered: dict[str, Mechanism] = {}


class _Kinds(Mapping[str, Mechanism]):
    """Every mechanism that is known, the package's own first."""

    def __getitem__(self, kind: str) -> Mechanism:
        if kind not in _registered and kind in _OWN:
            room, name = _OWN[kind]
            register(getattr(room, name))
        return _registered[kind]

    def __iter__(self) -> Iterator[str]:
        return iter({**_OWN, **_registered})

    def __len__(self) -> int:
        return len({**_OWN, **_registered})


_known = _Kinds()


def register(entry: Mechanism) -> Mechanism:
    """Add a mechanism, ``entry``, to the registry; returns it. The same module may do so again.

    Raises ``ValueError`` if its kind is taken by a model of another module.
    """
    # asked of the mapping, an entry of the package's own would ask for itself
    foreign = entry.model.__module__.split(".")[0] != __package__
    before = (_known if foreign else _registered).get(entry.kind)
    if before is not None and before.model.__module__ != entry.model.__module__:
        raise ValueError(
            f'mechanism kind = "{entry.kind}" is taken by {before.model.__module__}; give the '
            "model another kind"
        )
    _registered[entry.kind] = entry
    return entry


@functools.cache
def _load_plugins(names: str) -> None:
    for name in filter(None, (part.strip() for part in names.split(","))):
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ValueError(
                f"{PLUGIN_VARIABLE} = {names!r} names a module that cannot be imported ({error}); "
                "put it on PYTHONPATH or unset the variable"
            ) from None


def load_plugins() -> None:
    """Import what ``STERILE_MECHANISMS`` names, once: it may register export formats, too.

    Raises ``ValueError`` if it names a module that cannot be imported.
    """
    _load_plugins(os.environ.get(PLUGIN_VARIABLE, ""))


def kinds() -> Mapping[str, Mechanism]:
    """Every mechanism that is known, kind → entry.

    Raises ``ValueError`` if ``STERILE_MECHANISMS`` names a module that cannot be imported.
    """
    load_plugins()
    return _known


def mechanism(kind: str) -> Mechanism:
    """The entry of a kind; ``ValueError`` naming the nearest one if there is none."""
    known = kinds()
    if kind not in known:
        raise ValueError(f"kind = {kind!r} is unknown; {hint(kind, known)}")
    return known[kind]


def modules_of(entry: Mechanism) -> tuple[str, ...]:
    """Modules that another process has to import to know a mechanism; none for the package's own.

    Raises ``ValueError`` for one that only the running script knows.
    """
    if entry.combine is None and issubclass(entry.model, Composite):
        parts = [modules_of(entry_of(part)) for _, part in entry.model.layout.parts]
        return tuple(dict.fromkeys(name for names in parts for name in names))
    module = entry.model.__module__
    if module.split(".")[0] == __package__:
        return ()
    if module == "__main__":
        raise ValueError(
            f'kind = "{entry.kind}" is defined in the script that is running, which the workers of '
            "a scan cannot import; put it into a module of its own"
        )
    return (module,)


def mechanism_of(model: Model) -> Mechanism:
    """The entry of a model; ``ValueError`` if its class has not been registered."""
    return entry_of(type(model))


def entry_of(model: type) -> Mechanism:
    """The entry of a class of models, as :func:`mechanism_of`."""
    kind = getattr(model, "kind", None)
    if kind is None:
        raise ValueError(
            f"model = {model.__name__} is not a sterile.Model with a kind; give one of "
            f"{', '.join(entry.model.__name__ for entry in kinds().values())}"
        )
    entry = mechanism(kind)
    if entry.combine is None or model is entry.model:
        return entry
    return _combined(model)


@functools.cache
def _combined(model: type[Model]) -> Mechanism:
    combine = _known[model.kind].combine
    assert combine is not None
    return combine(model, entry_of)
