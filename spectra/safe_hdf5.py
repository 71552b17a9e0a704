"""HDF5 files of anybody, opened for reading: what is in them is looked at before any is read.

An HDF5 file can name other files (external links, external storage, virtual datasets), hold
references to objects, declare terabytes in a few bytes, or nest groups without end. None of our
files does, and none that is read here may. The library also crashes on some damaged types; of types
only those are let through that our files have: numbers, truth values and strings. What cannot be
seen beforehand is the length of a string that lies in the file's heap: where that is damaged, the
library takes up to 4 GB for some seconds before it says so.
"""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

# groups inside groups, and links in all: our own files have three, and some hundreds
_DEEPEST, _MOST_LINKS = 8, 20_000
# what all datasets may unpack to, whatever the size of the file; and as a multiple of it
_UNPACKED_BYTES, _UNPACKED_RATIO = 256_000_000, 20
# of strings of variable length each is read from the heap by itself, so that many can share one
_MOST_STRINGS = 4096
_LONGEST_STRING_BYTES = 1 << 20
# numbers as every machine has them: a damaged description of one crashes the library's conversion
_NUMBERS = tuple(
    getattr(h5py.h5t, f"{family}{bits}{order}")
    for family, sizes in {
        "IEEE_F": (16, 32, 64),
        "STD_I": (8, 16, 32, 64),
        "STD_U": (8, 16, 32, 64),
    }.items()
    for bits in sizes
    for order in ("LE", "BE")
)
# netCDF's own, of files that ArviZ reads: made of references, which nobody here follows
_DIMENSION_SCALES = ("DIMENSION_LIST", "REFERENCE_LIST")


class Unsafe(ValueError):
    """An HDF5 file holds what no file that is read here may hold; the message says what."""


@contextlib.contextmanager
def opened(path: str | Path) -> Iterator[h5py.File]:
    """The HDF5 file ``path``, open for reading and inspected.

    Raises ``OSError``, ``KeyError`` or ``RuntimeError`` where it cannot be read, and
    :class:`Unsafe` where it should not.
    """
    with h5py.File(path, "r") as file:
        inspect(path, file)
        try:
            yield file
        except (TypeError, UnicodeError, MemoryError) as error:
            # of h5py, where a damaged type or name makes no sense
            raise OSError(f"damaged: {error}") from None


def inspect_file(path: str | Path) -> None:
    """Raise :class:`Unsafe` if ``path`` is an HDF5 file that should not be read.

    What is not there or no HDF5 at all is left to whoever reads it.
    """
    with contextlib.suppress(OSError, KeyError, RuntimeError), opened(path):
        pass


def inspect(path: str | Path, file: h5py.File) -> None:
    """Raise :class:`Unsafe`, naming ``path``, unless everything in an open file is plain."""
    held = Path(path).stat().st_size
    free = max(_UNPACKED_BYTES, _UNPACKED_RATIO * held)
    links, unpacked = 0, 0
    seen: set[Any] = set()
    waiting: list[tuple[str, h5py.Group, int]] = [("", file, 0)]
    try:
        while waiting:
            place, group, depth = waiting.pop()
            _inspect_attributes(place, group)
            for name in group:
                links += 1
                _inspect_name(name)
                below = f"{place}/{name}"
                link = group.get(name, getlink=True)
                if isinstance(link, h5py.ExternalLink):
                    raise Unsafe(f"{below} is a link to another file")
                if isinstance(link, h5py.SoftLink):
                    continue  # of this file, where the walk comes by
                item = group[name]
                if isinstance(item, h5py.Dataset):
                    _inspect_attributes(below, item)
                    unpacked += _inspect_dataset(below, item, held)
                elif isinstance(item, h5py.Group) and item.id not in seen:
                    seen.add(item.id)
                    waiting.append((below, item, depth + 1))
            if depth > _DEEPEST:
                raise Unsafe(f"groups are nested more than {_DEEPEST} deep")
            if links > _MOST_LINKS:
                raise Unsafe(f"there are more than {_MOST_LINKS} links")
            if unpacked > free:
                raise Unsafe(
                    f"its datasets unpack to {unpacked / 1e9:.3g} GB, far more than the file holds"
                )
    except Unsafe as error:
        raise Unsafe(
            f"{path}: {str(error)[:200]}, which is not read here; remove that, or write the file "
            "again with the program that made it"
        ) from None
    except (TypeError, ValueError, AttributeError) as error:
        # how h5py reports types and names it cannot make sense of
        raise OSError(f"damaged: {error}") from None


def _inspect_name(name: object) -> None:
    if not isinstance(name, str):  # h5py gives bytes where it is no UTF-8
        raise TypeError(f"the name {name!r} is no text")


def _inspect_attributes(place: str, item: h5py.Group | h5py.Dataset) -> None:
    for name in item.attrs:
        _inspect_name(name)
        if name in _DIMENSION_SCALES:
            continue
        where = f"attribute {name} of {place or '/'}"
        attribute = item.attrs.get_id(name)
        size = math.prod(attribute.shape or ())
        width = _inspect_type(where, attribute.get_type(), size)
        if size * width > _LONGEST_STRING_BYTES:
            raise Unsafe(f"{where} is longer than {_LONGEST_STRING_BYTES} bytes")


def _inspect_dataset(place: str, found: h5py.Dataset, held: int) -> int:
    """Bytes that a dataset of a file of ``held`` bytes unpacks to."""
    if found.is_virtual:
        raise Unsafe(f"{place} is a virtual dataset, made of others or of other files")
    if found.external:
        raise Unsafe(f"{place} has its data in another file")
    size = math.prod(found.shape or ())
    width = _inspect_type(place, found.id.get_type(), size)
    if found.chunks is None and size * width > held:
        raise Unsafe(f"{place} declares {size * width / 1e9:.3g} GB, more than the file holds")
    return max(size, math.prod(found.chunks or ())) * width


def _inspect_type(place: str, kind: Any, size: int) -> int:
    """Bytes of one element of a type; refuses all but numbers, truth values and strings."""
    if isinstance(kind, h5py.h5t.TypeStringID):
        if kind.is_variable_str() and size > _MOST_STRINGS:
            raise Unsafe(f"{place} has more than {_MOST_STRINGS} strings")
        if kind.get_size() > _LONGEST_STRING_BYTES:
            raise Unsafe(f"{place} has strings longer than {_LONGEST_STRING_BYTES} bytes")
    else:
        number = kind.get_super() if isinstance(kind, h5py.h5t.TypeEnumID) else kind
        if not any(number.equal(known) for known in _NUMBERS):
            raise Unsafe(f"{place} holds neither plain numbers nor text")
    return kind.get_size()
