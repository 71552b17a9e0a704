"""astropy quantities at the public edge: plain numbers of the unit that is asked for.

astropy is not imported for them: who gives a quantity has it. Inside programs there are none.
"""

from typing import Any

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


def wavenumbers_h_mpc(value: Any, h: Any) -> Any:
    """Wavenumbers in h/Mpc of a quantity in 1/length, with or without astropy's ``littleh``.

    ``value``: a quantity, or what is not one and comes back as it is; ``h``: H0 in 100 km/s/Mpc.
    ``ValueError`` if the quantity is of another dimension.
    """
    if not _is_quantity(value):
        return value
    if "littleh" in str(value.unit):
        from astropy.cosmology.units import littleh  # there, as the quantity is made of it

        return plain(value / littleh, "1 / Mpc")
    return plain(value, "1 / Mpc") / h


def _is_quantity(value: Any) -> bool:
    return hasattr(value, "to_value") and hasattr(value, "unit")
