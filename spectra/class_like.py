"""An object that is called as classy's ``Class`` is, and knows the P(k) of any dark matter.

Names, units and shapes are those of classy 3.4.1 (python/classy.pyx): k in 1/Mpc, P in Mpc^3, H/c
in 1/Mpc, distances in Mpc; numbers of the background may be read as ``cosmo.h`` or called as
``cosmo.h()``. P is linear, of total matter.
"""

from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import ArrayLike

from spectra.cosmology import (
    Cosmology,
    hubble_mpc,
    omega_lambda,
    omega_matter,
    omega_photon,
    omega_radiation,
)
from spectra.linear import K_RANGE_H_MPC, Drive, species_transfer, transfer
from spectra.spectrum import Spectrum
from spectra.status import Status
from spectra.structure import HIGHEST_Z, PowerTable, cold_power, power_table
from spectra.units import plain, plain_numbers, with_units

_RATIO_LN_STEP = 0.0286  # of the wavenumbers that the ratios are solved for
_Z_NODES = 24  # uniform in ln(1 + z) from 0 to 200: T varies by per cents over all of it
_GAUSS = np.polynomial.legendre.leggauss(64)  # 1e-10 of a distance up to z = 200, in ln(1 + z)


class CallableFloat(float):
    """A number that may also be called, as in classy: ``cosmo.h`` and ``cosmo.h()``."""

    def __call__(self) -> float:
        return float(self)


class ClassLike:
    """The background and the linear P(k, z) of a cosmology with this dark matter, as classy has it.

    It is made of a spectrum and does not run CLASS: there are no CMB spectra and no thermodynamics,
    and what is not here raises ``AttributeError``. P(k, z) = P_CDM(k, z) T^2(k, z) with T of total
    matter at that redshift, between 1e-4 h/Mpc and below and 300 h/Mpc; z up to 200.

    Parameters
    ----------
    dm : spectrum, or several species, as for :func:`spectra.transfer`.
    cosmology : the default one when left out.
    composition : as for :func:`spectra.transfer`.
    drive, power : as for :func:`spectra.transfer` and :func:`spectra.cold_power`; those of the
        cosmology when left out.
    """

    def __init__(
        self,
        dm: Spectrum | Sequence[Spectrum],
        cosmology: Cosmology | None = None,
        composition: str = "rescale",
        drive: Drive | None = None,
        power: PowerTable | None = None,
    ):
        self.dm, self.composition, self.drive = dm, composition, drive
        self.cosmology = Cosmology() if cosmology is None else cosmology
        self._power = power_table(self.cosmology) if power is None else power

    def compute(self, level: Sequence[str] = ()) -> None:
        """Nothing: results are made when they are asked for. ``level`` is not looked at."""

    def struct_cleanup(self) -> None:
        """Nothing, as ``compute`` did."""

    empty = struct_cleanup

    h = property(lambda self: self._number(self.cosmology.h), doc="h, H0 in 100 km/s/Mpc.")
    H0 = property(
        lambda self: CallableFloat(self.Hubble(0.0)),
        doc="H0/c [1/Mpc], as classy's is in spite of its docstring; derived 'H0': km/s/Mpc.",
    )
    n_s = property(lambda self: self._number(self.cosmology.n_s), doc="Slope of the primordial P.")
    T_cmb = property(
        lambda self: self._number(self.cosmology.t_cmb_kelvin), doc="Photon temperature [K]."
    )
    Neff = property(lambda self: self._number(self.cosmology.n_eff), doc="N_eff.")
    omega_b = property(
        lambda self: self._number(self.cosmology.omega_b), doc="Omega h^2 of baryons."
    )
    Omega_b = property(
        lambda self: CallableFloat(self.omega_b / self.h**2), doc="Omega of baryons today."
    )
    Omega_m = property(
        lambda self: self._number(omega_matter(self.cosmology)), doc="Omega of all matter today."
    )
    Omega_r = property(
        lambda self: self._number(omega_radiation(self.cosmology)), doc="Omega of radiation today."
    )
    Omega_g = property(
        lambda self: self._number(omega_photon(self.cosmology)), doc="Omega of photons today."
    )
    Omega_Lambda = property(
        lambda self: self._number(omega_lambda(self.cosmology)), doc="Omega of Lambda today."
    )
    Omega_k = property(lambda self: CallableFloat(0.0), doc="Curvature: none.")

    def Omega0_m(self) -> float:
        """Omega of all matter today."""
        return float(self.Omega_m)

    @staticmethod
    def _number(value) -> CallableFloat:
        return CallableFloat(value)

    @plain_numbers
    def Hubble(self, z: ArrayLike):
        """H(z)/c [1/Mpc]; ``z`` of any shape."""
        return _as_given(z, np.asarray(hubble_mpc(1.0 / (1.0 + np.asarray(z)), self.cosmology)))

    @plain_numbers
    def comoving_distance(self, z: ArrayLike):
        """Comoving distance [Mpc]; ``z`` of any shape."""
        x, weights = _GAUSS
        end = np.log1p(np.asarray(z, dtype=float))[..., None]
        nodes = 0.5 * end * (x + 1.0)
        rate = np.asarray(hubble_mpc(np.exp(-nodes), self.cosmology))
        return _as_given(z, np.sum(0.5 * end * weights * np.exp(nodes) / rate, axis=-1))

    @plain_numbers
    def angular_distance(self, z: ArrayLike):
        """Angular diameter distance [Mpc]; ``z`` of any shape."""
        return self.comoving_distance(z) / (1.0 + np.asarray(z))

    @plain_numbers
    def luminosity_distance(self, z: ArrayLike):
        """Luminosity distance [Mpc]; ``z`` of any shape."""
        return self.comoving_distance(z) * (1.0 + np.asarray(z))

    @with_units(k="1 / Mpc")
    def pk_lin(self, k: ArrayLike, z: float):
        """Linear P(k, z) of total matter [Mpc^3]; ``k`` [1/Mpc] of any shape, ``z`` one redshift.

        Raises
        ------
        ValueError
            If k is not positive or above 300 h/Mpc, or z outside 0..200.
        """
        k_h_mpc = np.asarray(k, dtype=float) / self.h
        bad = ~((k_h_mpc > 0.0) & (k_h_mpc <= K_RANGE_H_MPC[1] * (1.0 + 1e-9)))
        if bad.any():
            raise ValueError(
                f"k = {float(k_h_mpc[bad].flat[0] * self.h):g} 1/Mpc is outside (0, "
                f"{K_RANGE_H_MPC[1] * self.h:.6g}], 300 h/Mpc; P(k) is solved for there only"
            )
        if not 0.0 <= z <= HIGHEST_Z:
            raise ValueError(f"z = {z:g} is outside [0, {HIGHEST_Z:g}]; give a redshift in there")
        cold = np.asarray(cold_power(k_h_mpc, self._power, self.cosmology, z))
        return _as_given(k, cold * self._ratio(float(z))(k_h_mpc) ** 2 / self.h**3)

    pk = pk_lin  # without a non-linear method classy's is the linear one

    @with_units(k="1 / Mpc")
    def get_pk_lin(self, k, z, k_size: int, z_size: int, mu_size: int) -> np.ndarray:
        """P [Mpc^3] on ``k`` (k_size, z_size, mu_size) [1/Mpc] at ``z`` (z_size,), shape of k."""
        k = np.asarray(k, dtype=float)
        if k.shape != (k_size, z_size, mu_size) or np.shape(z) != (z_size,):
            raise ValueError(
                f"k has shape {k.shape} and z {np.shape(z)}; give (k_size, z_size, mu_size) = "
                f"{(k_size, z_size, mu_size)} and ({z_size},)"
            )
        return np.stack([self.pk_lin(k[:, i], float(one)) for i, one in enumerate(z)], axis=1)

    get_pk = get_pk_lin

    @with_units(k="1 / Mpc")
    def get_pk_array(self, k, z, k_size: int, z_size: int, nonlinear: bool) -> np.ndarray:
        """P [Mpc^3] at ``k`` (k_size,) [1/Mpc] and ``z`` (z_size,), flat: [index_z*k_size+index_k].

        ``nonlinear`` has to be False.
        """
        _refuse_nonlinear(nonlinear)
        k, z = np.asarray(k)[:k_size], np.asarray(z)[:z_size]
        return np.concatenate([self.pk_lin(k, float(one)) for one in z])

    def get_pk_and_k_and_z(
        self, nonlinear: bool = False, only_clustering_species: bool = False, h_units: bool = False
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """P (nk, nz) [Mpc^3], k (nk,) [1/Mpc] and z (nz,), falling to 0.

        ``nonlinear`` has to be False; ``only_clustering_species`` makes no difference, as neutrinos
        are massless; ``h_units``: k in h/Mpc (as in classy, P stays in Mpc^3).
        """
        _refuse_nonlinear(nonlinear)
        k = np.geomspace(1e-4, K_RANGE_H_MPC[1], 600) * self.h
        z = _redshifts()[::-1]
        power = np.stack([self.pk_lin(k, float(one)) for one in z], axis=1)
        return power, k / self.h if h_units else k, z

    def sigma(self, R: ArrayLike, z: float, h_units: bool = False):
        """Rms linear contrast in spheres of radius ``R`` [Mpc, or Mpc/h], at one redshift ``z``."""
        given, z = plain(R, "" if h_units else "Mpc"), plain(z)
        k = np.geomspace(1e-4, K_RANGE_H_MPC[1], 4000) * self.h
        radius = np.asarray(given, dtype=float) / (self.h if h_units else 1.0)
        x = radius[..., None] * k
        # the closed form cancels below x = 0.01
        window = np.where(x < 1e-2, 1.0 - x**2 / 10.0, 3.0 * (np.sin(x) - x * np.cos(x)) / x**3)
        delta2 = k**3 * self.pk_lin(k, z) / (2.0 * np.pi**2)
        return _as_given(given, np.sqrt(np.trapezoid(delta2 * window**2, np.log(k), axis=-1)))

    @property
    def sigma8(self) -> CallableFloat:
        """Rms linear contrast in spheres of 8 Mpc/h today."""
        return CallableFloat(self.sigma(8.0, 0.0, h_units=True))

    @property
    def S8(self) -> CallableFloat:
        """sigma8 (Omega_m/0.3)^(1/2)."""
        return CallableFloat(self.sigma8 * np.sqrt(self.Omega_m / 0.3))

    def get_current_derived_parameters(self, names: list[str]) -> dict[str, float]:
        """Of ``names``, those that this object has: name → number.

        Raises
        ------
        ValueError
            If it has not.
        """
        known = {
            **{name: float(getattr(self, name)) for name in ("h", "Neff", "n_s", "Omega_m")},
            "H0": 100.0 * float(self.h),
            "Omega_Lambda": float(self.Omega_Lambda),
            "Omega0_lambda": float(self.Omega_Lambda),
            "omega_m": float(self.Omega_m * self.h**2),
            "YHe": float(self.cosmology.y_he),
            "A_s": float(self.cosmology.a_s),
            "ln10^{10}A_s": float(np.log(1e10 * self.cosmology.a_s)),
        }
        missing = [name for name in names if name not in known and name != "sigma8"]
        if missing:
            raise ValueError(
                f"derived parameter {missing[0]!r} is not known without CLASS; known are "
                f"{', '.join([*known, 'sigma8'])}"
            )
        return {name: self.sigma8() if name == "sigma8" else known[name] for name in names}

    @cached_property
    def _slow(self):
        """The ratios by the equations of slow dark matter, at the nodes of k and ln(1 + z)."""
        arguments = (self.dm, self.cosmology, _redshifts(), self.drive, _wavenumbers())
        return species_transfer(*arguments, composition=self.composition)

    @cached_property
    def _ratios(self):
        """T of total matter at the nodes of k, (nk,): a spline in ln(1 + z)."""
        from scipy.interpolate import CubicSpline  # slow to import, needed only here

        return CubicSpline(np.log1p(_redshifts()), np.asarray(self._slow.t_matter))

    @cached_property
    def _fast_today(self) -> np.ndarray:
        """T of total matter today at the nodes, (nk,), whatever the dark matter's speed."""
        arguments = (self.dm, self.cosmology, self.drive, _wavenumbers())
        return np.asarray(transfer(*arguments, composition=self.composition).t)

    def _matter_ratio(self, z: float) -> np.ndarray:
        if int(self._slow.status) != Status.HIERARCHIES_NEEDED:
            return self._ratios(np.log1p(z))
        if z > 0.0:
            raise ValueError(
                "this dark matter is too fast for P(k) at z > 0: only today's is solved for with "
                "the equations of fast dark matter; ask for z = 0"
            )
        return self._fast_today

    def _ratio(self, z: float):
        """k [h/Mpc] → T(k, z); below the solver's range 1 - T falls as k^2."""
        from scipy.interpolate import CubicSpline  # slow to import, needed only here

        nodes = _wavenumbers()
        t = self._matter_ratio(z)
        spline = CubicSpline(np.log(nodes), t)

        def ratio(k_h_mpc: np.ndarray) -> np.ndarray:
            head = 1.0 - (1.0 - t[0]) * (k_h_mpc / nodes[0]) ** 2
            inside = spline(np.log(np.clip(k_h_mpc, nodes[0], nodes[-1])))
            return np.where(k_h_mpc < nodes[0], head, inside)

        return ratio


def _refuse_nonlinear(nonlinear: bool) -> None:
    if nonlinear:
        raise ValueError("nonlinear = True is not available: P(k) is linear; give nonlinear=False")


def _as_given(given: ArrayLike, values: np.ndarray):
    """A float where a number was given, else the array, as classy returns them."""
    return float(values) if np.ndim(given) == 0 else values


@lru_cache(maxsize=1)
def _redshifts() -> np.ndarray:
    return np.expm1(np.linspace(0.0, np.log1p(HIGHEST_Z), _Z_NODES))


@lru_cache(maxsize=1)
def _wavenumbers() -> np.ndarray:
    count = int(np.ceil(np.log(K_RANGE_H_MPC[1] / K_RANGE_H_MPC[0]) / _RATIO_LN_STEP)) + 1
    return np.geomspace(*K_RANGE_H_MPC, count)
