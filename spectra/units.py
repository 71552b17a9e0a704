"""astropy quantities at the public edge: plain numbers of the unit that is asked for.

astropy is not imported for them: who gives a quantity has it. Inside programs there are none.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")
# what a name ends with, longer ones first → unit, and the power of h in it
_ENDINGS = {
    "_h_mpc": ("1 / Mpc", 1),
    "_msun_h": ("Msun", -1),
    "_mpc_h": ("Mpc", -1),
    "_per_gev": ("1 / GeV", 0),
    "_per_s": ("1 / s", 0),
    "_km_s": ("km / s", 0),
    "_kelvin": ("K", 0),
    "_kev": ("keV", 0),
    "_gev": ("GeV", 0),
    "_msun": ("Msun", 0),
    "_mpc": ("Mpc", 0),
    "_pc": ("pc", 0),
}
_H0 = "100 km / (s Mpc)"  # unit of h


def plain(value: Any, unit: str = "") -> Any:
    """The number, or array, of an astropy quantity in ``unit``; anything else as it is.

    Parameters
    ----------
    value : a quantity, or what is not one.
    unit : as astropy writes it; "" has none. "h" is that of h: a Hubble constant.

    Raises
    ------
    ValueError
        If the quantity is of another dimension.
    """
    if not _is_quantity(value):
        return value
    try:
        return value.to_value(_H0 if unit == "h" else unit)
    except ValueError:
        wanted = f"[{unit}]" if unit else "a number without a unit"
        raise ValueError(f"{value} has the unit [{value.unit}]; give {wanted}") from None


def plain_numbers(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """``function`` for astropy quantities, too: in the unit that the argument's name ends with.

    A decorator of public entries. "mass_kev" is in keV, "k_h_mpc" in h/Mpc (of a quantity with
    astropy's ``littleh``), a name without a unit is a number without one; sequences are looked
    through, and dictionaries by their keys. Another dimension is a ``ValueError``.
    """
    return _plainly(function, {})


def with_units(**units: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """:func:`plain_numbers` where names do not say their unit: ``units``, name → unit."""
    return lambda function: _plainly(function, units)


def _plainly(function: Callable[_P, _R], units: Mapping[str, str]) -> Callable[_P, _R]:
    signature = inspect.signature(function)

    @functools.wraps(function)
    def plainly(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        given = signature.bind(*args, **kwargs)
        for name, value in given.arguments.items():
            given.arguments[name] = _argument(value, name, units)
        return function(*given.args, **given.kwargs)

    return plainly


def _argument(value: Any, name: str, units: Mapping[str, str]) -> Any:
    if _is_quantity(value):
        endings = (unit for ending, unit in _ENDINGS.items() if name.endswith(ending))
        unit, power = (units[name], 0) if name in units else next(endings, ("", 0))
        try:
            return _without_h(value, power, unit) if power else plain(value, unit)
        except ValueError as error:
            raise ValueError(f"{name} = {error}") from None
    if type(value) in (list, tuple) and any(_is_quantity(each) for each in value):
        return type(value)(_argument(each, name, units) for each in value)
    if isinstance(value, Mapping) and any(_is_quantity(each) for each in value.values()):
        return {key: _argument(each, str(key), units) for key, each in value.items()}
    return value


def _without_h(value: Any, power: int, unit: str) -> Any:
    """The number of a quantity in ``unit`` times h to a power, which has to be in its own unit."""
    wanted = f"{unit} with littleh^{power} of astropy.cosmology.units"
    if "littleh" not in str(value.unit):
        raise ValueError(f"{value} has the unit [{value.unit}]; give [{wanted}], or the number")
    from astropy.cosmology.units import littleh  # there, as the quantity is made of it

    try:
        return (value / littleh**power).to_value(unit)
    except ValueError:
        raise ValueError(f"{value} has the unit [{value.unit}]; give [{wanted}]") from None


def wavenumbers_h_mpc(value: Any, h: Any) -> Any:
    """Wavenumbers in h/Mpc of a quantity in 1/length, with or without astropy's ``littleh``.

    ``value``: a quantity, or what is not one and comes back as it is; ``h``: H0 in 100 km/s/Mpc.
    ``ValueError`` if the quantity is of another dimension.
    """
    if not _is_quantity(value):
        return value
    if "littleh" in str(value.unit):
        return _without_h(value, 1, "1 / Mpc")
    return plain(value, "1 / Mpc") / h


def _is_quantity(value: Any) -> bool:
    return hasattr(value, "to_value") and hasattr(value, "unit")
