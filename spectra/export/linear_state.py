"""What initial conditions start from: P(k) and every species, at one redshift."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spectra.cosmology import Cosmology, hubble_mpc
from spectra.spectrum import Spectrum
from spectra.status import Status
from spectra.structure import HIGHEST_Z, PIVOT_MPC, cold_power, cold_species, power_table
from spectra.units import plain_numbers

# of P_CDM: below the solver T is 1 but for k^2, above it there is power only of what is colder
K_RANGE_H_MPC = (1e-4, 2000.0)
# readers interpolate linearly in log-log: 0.01 keeps the acoustic oscillations to 1e-4
_LN_STEP = 0.01
_RATIO_LN_STEP = 0.0286  # of the wavenumbers that the ratios are solved for
# T^2 at the solver's largest k below which the table goes on, T as the power law of its last
# e-fold; nothing is left there but numbers for those who ask
_CUT = 1e-2
# |T| below which there is no power to speak of; logarithms need some
FLOOR = 1e-5
_LARGEST_LOSS_AT_LOW_END = 0.02
# in T^2, where dark matter is fast
_LARGEST_ERROR_OF_SLOW = 5e-3
# amplitude above which a sign that differs between species matters
_NOTICEABLE = 0.03


@dataclass(frozen=True)
class LinearState:
    """The linear universe of one dark matter at one redshift, on one grid of wavenumbers.

    Attributes
    ----------
    cosmology, z : of this state.
    k_h_mpc : (n,) wavenumbers [h/Mpc], uniform in ln k from 1e-4; to 2000 where the solver sees
        the end of the power, else to the solver's largest.
    cold_power : (n,) P_CDM(k, z) of total matter [(Mpc/h)^3].
    t_matter, t_dark_matter, t_baryon, t_velocity_dark_matter, t_velocity_baryon : (n,) signed
        ratios to cold dark matter of :class:`spectra.SpeciesTransfer`.
    """

    cosmology: Cosmology
    z: float
    k_h_mpc: np.ndarray
    cold_power: np.ndarray
    t_matter: np.ndarray
    t_dark_matter: np.ndarray
    t_baryon: np.ndarray
    t_velocity_dark_matter: np.ndarray
    t_velocity_baryon: np.ndarray

    @cached_property
    def power(self) -> np.ndarray:
        """P(k, z) of total matter [(Mpc/h)^3], shape (n,), positive."""
        return self.cold_power * np.maximum(np.abs(self.t_matter), FLOOR) ** 2

    @cached_property
    def cold(self) -> dict[str, np.ndarray]:
        """CAMB's columns for cold dark matter on this grid, each (n,).

        The total is that of ``cold_power``; CAMB's run gives the others relative to it.
        """
        from scipy.interpolate import CubicSpline  # slow to import, needed only here

        table = cold_species(self.cosmology, self.z)
        ln_k, nodes = np.log(self.k_h_mpc), np.log(table["k_h_mpc"])
        inside = np.clip(ln_k, nodes[0], nodes[-1])  # beyond CAMB's table the species go together
        total = total_column(self.k_h_mpc, self.cold_power, self.cosmology)
        columns = {"k_h_mpc": self.k_h_mpc}
        for name, values in table.items():
            if name in ("photon", "massless_neutrino", "massive_neutrino"):
                columns[name] = np.interp(ln_k, nodes, values, right=0.0)
            elif name != "k_h_mpc":
                columns[name] = total * CubicSpline(nodes, values / table["total"])(inside)
        return columns

    @cached_property
    def columns(self) -> dict[str, np.ndarray]:
        """CAMB's columns for this dark matter, signed: each species times its own ratio."""
        cold = self.cold
        # the velocity difference is in units without k/(aH)
        per_k = self.hubble / (self.k_h_mpc * float(self.cosmology.h))
        dark, baryon = self.t_velocity_dark_matter, self.t_velocity_baryon
        total = cold["total"] * self.t_matter
        return {
            **cold,
            "cdm": cold["cdm"] * self.t_dark_matter,
            "baryon": cold["baryon"] * self.t_baryon,
            "total": total,
            "no_neutrino": total,
            "total_with_dark_energy": cold["total_with_dark_energy"] + total - cold["total"],
            "weyl": cold["weyl"] * self.t_matter,
            "velocity_cdm": cold["velocity_cdm"] * dark,
            "velocity_baryon": cold["velocity_baryon"] * baryon,
            "velocity_baryon_cdm": cold["velocity_baryon_cdm"] * baryon
            + (dark - baryon) * cold["velocity_cdm"] * per_k,
        }

    @property
    def hubble(self) -> float:
        """Conformal Hubble rate aH/c [1/Mpc]."""
        a = 1.0 / (1.0 + self.z)
        return float(a * hubble_mpc(a, self.cosmology))

    @property
    def opposite_at(self) -> float | None:
        """Smallest k [h/Mpc] where dark matter and baryons have opposite signs and still power."""
        signs = np.sign([self.t_dark_matter, self.t_baryon])
        size = np.minimum(np.abs(self.t_dark_matter), np.abs(self.t_baryon))
        differ = (signs[0] != signs[1]) & (size > _NOTICEABLE)
        return float(self.k_h_mpc[differ][0]) if differ.any() else None

    def positive_columns(self, format: str) -> dict[str, np.ndarray]:
        """:attr:`columns` as magnitudes, for targets that take their logarithm.

        Raises ``ValueError`` where that would lose physics: the species, or their velocities, have
        different signs at a wavenumber where there is still power.
        """
        if self.opposite_at is not None:
            raise ValueError(
                f"format {format} holds magnitudes only, but dark matter and baryons have opposite "
                f"signs at k = {self.opposite_at:.3g} h/Mpc; use gevolution, or a format of "
                "total matter (gadget4, mp-gadget)"
            )
        cold, columns = self.cold, {}
        for name, values in self.columns.items():
            keep = name in ("k_h_mpc", "photon", "massless_neutrino", "weyl", "velocity_baryon_cdm")
            columns[name] = values if keep else np.maximum(np.abs(values), FLOOR * cold[name])
        return columns


@plain_numbers
def linear_state(spectrum: Spectrum, cosmology: Cosmology, z: float) -> LinearState:
    """P(k) and the species' ratios at one redshift for a species that is all the dark matter.

    The ratios are solved for on the solver's whole range of k and interpolated with cubic splines;
    below, 1 - T falls as k^2; above, see :class:`LinearState`.

    Parameters
    ----------
    spectrum : of all the dark matter.
    cosmology : of the table of P_CDM and of the ratios.
    z : redshift, 0 to 200.

    Raises
    ------
    ValueError
        If z is outside 0..200, the ratios are not finite, the spectrum is so hot that power is
        missing at the solver's smallest k already, or so fast that the equations of slow dark
        matter are off by half a per cent.
    """
    check_redshift(z)
    from scipy.interpolate import CubicSpline  # slow to import, needed only here

    from spectra.linear import K_RANGE_H_MPC as SOLVED
    from spectra.linear import species_transfer, transfer

    count = int(np.ceil(np.log(SOLVED[1] / SOLVED[0]) / _RATIO_LN_STEP)) + 1
    nodes = np.geomspace(*SOLVED, count)
    species = species_transfer(spectrum, cosmology, z=np.array([z, 0.0]), k_h_mpc=nodes)
    if species.status == Status.HIERARCHIES_NEEDED:
        # at its own wavenumbers: a program that every solve of hot dark matter has
        solved_for = transfer(spectrum, cosmology)
        slow = np.interp(np.log(solved_for.k_h_mpc), np.log(nodes), species.t_matter[1])
        off = float(np.max(np.abs(slow**2 - solved_for.t2)))
        if off > _LARGEST_ERROR_OF_SLOW:
            raise ValueError(
                f"this spectrum is too fast to be exported as P(k): the equations of slow dark "
                f"matter, which species apart are solved with, have T^2 wrong by {off:.2g}; export "
                "f(q) instead, for example --format class"
            )
    names = [name for name in LinearState.__dataclass_fields__ if name.startswith("t_")]
    solved = {name: np.asarray(getattr(species, name))[0] for name in names}
    for name, values in solved.items():
        if not np.all(np.isfinite(values)):
            raise ValueError(f"{name} at z = {z:g} is not finite; nothing was written")
        if abs(1.0 - values[0]) > _LARGEST_LOSS_AT_LOW_END:
            raise ValueError(
                f"{name} at z = {z:g} is {values[0]:.3g} at {nodes[0]:g} h/Mpc, where the table of "
                "ratios begins; this spectrum is too hot to be exported as P(k)"
            )
    ended = max(values[-1] ** 2 for values in solved.values()) < _CUT
    first, last = K_RANGE_H_MPC[0], K_RANGE_H_MPC[1] if ended else SOLVED[1]
    k = np.geomspace(first, last, int(np.ceil(np.log(last / first) / _LN_STEP)) + 1)
    below, above = k < nodes[0], k > nodes[-1]
    inside = np.log(np.clip(k, nodes[0], nodes[-1]))
    tail = nodes > nodes[-1] / np.e

    def ratio(values: np.ndarray) -> np.ndarray:
        slope = np.polyfit(np.log(nodes[tail]), np.log(np.abs(values[tail]) + FLOOR), 1)[0]
        spline = CubicSpline(np.log(nodes), values)(inside)
        head = 1.0 - (1.0 - values[0]) * (k / nodes[0]) ** 2
        end = values[-1] * (k / nodes[-1]) ** min(slope, 0.0)
        return np.where(below, head, np.where(above, end, spline))

    power = cold_power(k, power_table(cosmology), cosmology, z)
    return LinearState(
        cosmology,
        float(z),
        k,
        np.asarray(power),
        **{name: ratio(values) for name, values in solved.items()},
    )


def check_redshift(z: float) -> None:
    """Raise ``ValueError`` unless 0 <= z <= 200."""
    if not 0.0 <= float(z) <= HIGHEST_Z:
        raise ValueError(f"z = {z:g} is outside [0, {HIGHEST_Z:g}]; give a redshift in that range")


def primordial(k_h_mpc: np.ndarray, cosmology: Cosmology) -> np.ndarray:
    k_mpc = k_h_mpc * float(cosmology.h)
    return float(cosmology.a_s) * (k_mpc / PIVOT_MPC) ** (float(cosmology.n_s) - 1.0)


def total_column(k_h_mpc, power, cosmology: Cosmology) -> np.ndarray:
    """T = delta/k^2 [Mpc^2] of total matter from P(k) [(Mpc/h)^3]; inverse of :func:`power_of`."""
    h = float(cosmology.h)
    return np.sqrt(power / (2.0 * np.pi**2 * h**4 * k_h_mpc * primordial(k_h_mpc, cosmology)))


def power_of(k_h_mpc, total, cosmology: Cosmology) -> np.ndarray:
    """P(k) = 2 pi^2 h^4 k A_s(k) T^2 [(Mpc/h)^3] of CAMB's column T = delta/k^2 [Mpc^2]."""
    h = float(cosmology.h)
    return 2.0 * np.pi**2 * h**4 * k_h_mpc * primordial(k_h_mpc, cosmology) * total**2


def normalised_power(k_h_mpc, t, cosmology: Cosmology, z: float = 0.0) -> np.ndarray:
    """P(k, z) = k^n T^2 [(Mpc/h)^3], as cold dark matter's at the table's smallest k from 1e-4 on.

    For targets that take T with an amplitude of its own, and normalise P(k) themselves.
    """
    first = int(np.searchsorted(k_h_mpc, K_RANGE_H_MPC[0] * (1.0 - 1e-6)))
    first = min(first, k_h_mpc.size - 1)
    shape = k_h_mpc ** float(cosmology.n_s) * t**2
    anchor = float(cold_power(k_h_mpc[first], power_table(cosmology), cosmology, z))
    return anchor * shape / shape[first]


def cosmology_today(
    cosmology: Cosmology, names: tuple[str, ...] = ("H0", "Om0", "Ob0", "Tcmb0")
) -> dict[str, float]:
    """Parameters of a flat universe as astropy calls them, those of ``names``."""
    h = float(cosmology.h)
    known = {
        "H0": 100.0 * h,
        "Om0": float(cosmology.omega_b + cosmology.omega_dm) / h**2,
        "Ob0": float(cosmology.omega_b) / h**2,
        "Tcmb0": float(cosmology.t_cmb_kelvin),
    }
    return {name: known[name] for name in names}


def sigma8_of(k_h_mpc: np.ndarray, power: np.ndarray) -> float:
    """Rms linear overdensity in spheres of 8 Mpc/h (top hat) of a tabulated P(k)."""
    x = 8.0 * k_h_mpc
    # the closed form cancels below x = 0.01
    window = np.where(x < 1e-2, 1.0 - x**2 / 10.0, 3.0 * (np.sin(x) - x * np.cos(x)) / x**3)
    delta2 = k_h_mpc**3 * power / (2.0 * np.pi**2)
    return float(np.sqrt(np.trapezoid(delta2 * window**2, np.log(k_h_mpc))))


def density_lines(cosmology: Cosmology) -> str:
    """Lines of a flat universe's densities and H0, as monofonIC and MUSIC name them."""
    h, omega_m = float(cosmology.h), float(cosmology.omega_b + cosmology.omega_dm)
    return f"""\
Omega_m       = {omega_m / h**2:.10g}
Omega_b       = {float(cosmology.omega_b) / h**2:.10g}
Omega_L       = {1.0 - omega_m / h**2:.10g}
H0            = {100.0 * h:.10g}"""
