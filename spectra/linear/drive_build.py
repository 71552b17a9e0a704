"""Build a drive: what radiation and baryons do to collisionless dark matter, from CLASS runs.

Everything here runs once per cosmology, outside jit, needs classy and is never imported by the
solver. Units of CLASS: lengths and conformal time in Mpc, "rho" means 8 pi G rho / 3 in Mpc^-2, H
is the proper Hubble rate in 1/Mpc; x = ln a, d tau = dx / (a H), ds = d tau / a, u = q / m,
y = ln u, v = u / sqrt(u^2 + a^2), Lambda = int v d tau. Conformal Newtonian gauge (Ma &
Bertschinger 1995, astro-ph/9506072, MB below) with potentials phi, psi.

The collisionless Boltzmann equation of a momentum shell (MB eq. 43) is integrated along the
characteristics and phi' by parts. The monopole is Psi_0 = (dln f/dln q) W with

    W = (phi_i - delta_gamma_i / 4) j0(X_i) + theta_gamma_i / (k v_i) j1(X_i)
        + int d tau' k (v' phi' + psi' / v') j1(k (Lambda - Lambda')) - phi ,
    X_i = k (Lambda - Lambda_i)

(adiabatic start, MB eq. 97 and 98). Integrating by parts in y, the energy overdensity per unit of
mass density is sum_y n(y) G with

    G = -sqrt(1 + u^2 / a^2) [ (3 + v^2) W + dW/dy ] ,

so that no derivative of f is ever needed. ``build_tables`` tabulates G for the potentials of
photons, neutrinos and the part of the baryons that is not the answer to the dark matter, and
``tangent_tables`` its derivatives with respect to the cosmology.
"""

import importlib.util
import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.interpolate import CubicSpline, make_interp_spline

from spectra.linear.drive_history import (
    Background,
    baryon_response,
    class_parameters,
    history_of,
    one_k,
    thermodynamics_of,
)
from spectra.linear.drive_pool import run
from spectra.linear.drive_response import path_lengths, response_tensor
from spectra.linear.drive_tables import assemble
from spectra.linear.served_cosmologies import TANGENT_FIELDS, table_fields
from spectra.linear.volterra import cold_overdensity
from spectra.precision import require_x64
from spectra.processes import available_cores

# X = k u s: below, the response is its cold limit plus a term in u^2; beyond, streamed away
X_LOW, X_HIGH = 0.035, 110.0
MOST_WORKERS = 8  # a history of the largest k takes up to 1 GB


@dataclass(frozen=True)
class Settings:
    """Resolution of a drive; the defaults are those of every drive that is not a test's."""

    k_low_h_mpc: float = 0.1
    k_high_h_mpc: float = 300.0
    k_intervals: int = 70
    # from each k on, CLASS runs for every so-manieth node: at large k no acoustic peaks are left
    solved_from: tuple = ((0.0, 1), (2.0, 2))
    y_per_k: int = 3
    ln_a_start: float = -18.2
    time_intervals: int = 120
    crowding: float = 1.5
    gravity_entry_h_mpc: float = 6.5e-6
    gravity_latest_ln_a: float = -14.2
    cell: float = 0.1
    tolerance: float = 1e-8
    ur_fluid_trigger: float = 150.0
    l_max_ur: int = 60
    kept: float = 1e-5
    # of the derivatives: step in ln of a parameter, tolerance and nodes of CLASS, factors kept
    tangent_step: float = 0.04
    tangent_tolerance: float = 1e-6
    tangent_solved_from: tuple = ((0.0, 2), (0.5, 4), (2.0, 8))
    tangent_kept: float = 3e-3

    @property
    def k_h_mpc(self):
        return np.geomspace(self.k_low_h_mpc, self.k_high_h_mpc, self.k_intervals + 1)

    @property
    def solved_k_h_mpc(self):
        """The nodes that CLASS runs for; the tables on the others are interpolated."""
        k, index = self.k_h_mpc, [0]
        while index[-1] < self.k_intervals:
            stride = [stride for low, stride in self.solved_from if k[index[-1]] >= low][-1]
            index.append(min(index[-1] + stride, self.k_intervals))
        return k[index]

    @property
    def of_tangents(self):
        """The coarser settings of the runs that only derivatives are taken from."""
        return replace(self, tolerance=self.tangent_tolerance, solved_from=self.tangent_solved_from)

    @property
    def dy(self):
        return math.log(self.k_high_h_mpc / self.k_low_h_mpc) / self.k_intervals / self.y_per_k

    def time_nodes(self):
        """ln a at the nodes and d ln a / d node, both (n,).

        The nodes crowd around equality: there the kernel of a fast species, of width 1/(k u) in s,
        is narrowest on the scale on which the growth happens.
        """
        fine = np.linspace(self.ln_a_start, 0.0, 4001)
        density = 1.0 + self.crowding * np.exp(-(((fine + 8.5) / 3.0) ** 2))
        # before -15.5 only the gravity of a part in a thousand of the density is at stake
        density *= 0.7 + 0.3 * np.tanh((fine + 15.5) / 0.7)
        density = CubicSpline(fine, density)
        count = density.antiderivative()
        nodes = np.arange(self.time_intervals + 1)
        scale = self.time_intervals / count(0.0)
        ln_a = np.interp(nodes, scale * count(fine), fine)
        for _ in range(5):
            ln_a -= (scale * count(ln_a) - nodes) / (scale * density(ln_a))
        ln_a[0], ln_a[-1] = self.ln_a_start, 0.0
        return ln_a, 1.0 / (scale * density(ln_a))

    def gravity_switch(self, k_h_mpc, ln_a):
        """Share of the dark matter's gravity that is solved for; the rest is LCDM's.

        It comes on as the mode enters the horizon: before, warm and cold agree, and the solver's
        slow-particle kernel does not hold for a hot species.
        """
        entry = min(math.log(self.gravity_entry_h_mpc / k_h_mpc), self.gravity_latest_ln_a)
        return 0.5 * (1.0 + np.tanh((ln_a - entry) / 0.4))


def require_classy(cosmology) -> None:
    """Raise ``ValueError`` with the fix when classy is not installed."""
    if importlib.util.find_spec("classy") is None:
        fields = ", ".join(f"{name} = {value:g}" for name, value in cosmology.items())
        raise ValueError(
            f"no drive is at hand for the cosmology {fields}: making one needs CLASS; "
            "pip install 'sterile-spectra[cosmology]' (a C compiler is needed), or keep the "
            "default cosmology"
        )


def _time_scale(tables, x_time):
    """What an error of the response is to be measured by at each time (nt,)."""
    cold = np.mean(np.abs(tables["response_cold"]), axis=0)
    # early, relativistic shells respond more than cold matter, and all of it gravitates less
    warm = np.sqrt(np.mean(tables["response"] ** 2, axis=(0, 2)))
    return np.maximum(cold, warm) * (1.0 + 1e-5 * np.exp(-x_time))


def compress(response, scale, tolerance):
    """Factors (nk, nw, r) and (r, nt) of the response (nk, nt, nw): its histories are few.

    Singular values below ``tolerance`` of the largest are dropped, times being weighted by
    1/``scale`` (nt,); the factors are what a file in single precision keeps.
    """
    histories_scaled = np.swapaxes(response, 1, 2) / scale
    rows = histories_scaled.reshape(-1, len(scale))
    # QR first, so that the small singular values are not those of a squared matrix
    _, values, modes = np.linalg.svd(np.linalg.qr(rows, mode="r"))
    modes = modes[: int(np.sum(values > tolerance * values[0]))]
    return (histories_scaled @ modes.T).astype(np.float32), modes * scale


def one_wavenumber(setup, task):
    """Tables of one wavenumber: ``task`` is (index of the universe in ``setup``, k [h/Mpc])."""
    universe, k_h_mpc = task
    ln_ku, universes = setup
    cosmology, settings, weights, pressure = universes[universe]
    background = Background(cosmology)
    x_time, _ = settings.time_nodes()
    k = k_h_mpc * cosmology["h"]
    history = history_of(cosmology, settings, k)
    own = settings.gravity_switch(k_h_mpc, x_time)
    moments = one_k(history, k, background, settings, weights, pressure, x_time)
    g, cold, momentum = response_tensor(
        moments, ln_ku - math.log(k), background, x_time, settings.dy
    )
    gauge = 3.0 * background.hubble(np.exp(x_time)) / k**2 * momentum
    run_today = background.cold * moments.cold_today + background.baryon * moments.baryon_today
    return {
        "response": g + gauge[:, None],
        "response_cold": cold + gauge,
        "baryon_external": moments.baryon_external,
        "gravity_switch": own,
        "matter_run": run_today / (background.cold + background.baryon),
    }


def _solve(universes, ln_ku, progress, workers):
    """Tables of several (cosmology, settings) on the same grids: dicts of arrays (nk, ...)."""
    baryons = [
        baryon_response(
            Background(cosmology), thermodynamics_of(cosmology), settings.time_nodes()[0]
        )
        for cosmology, settings in universes
    ]
    setup = (ln_ku, [(*universe, *b) for universe, b in zip(universes, baryons)])
    tasks = [
        (index, k) for index, (_, settings) in enumerate(universes) for k in settings.solved_k_h_mpc
    ]
    tasks.sort(key=lambda task: -task[1])  # the longest first
    done = run(setup, tasks, workers or min(available_cores(), MOST_WORKERS), progress)
    tables = []
    for index, (_, settings) in enumerate(universes):
        own = [result for (which, _), result in zip(tasks, done) if which == index][::-1]
        made = {name: _on_all_nodes([r[name] for r in own], settings) for name in own[0]}
        weights, pressure = baryons[index]
        tables.append(made | {"baryon_weights": weights, "baryon_pressure": pressure})
    return tables


def _on_all_nodes(values, settings):
    """Quintic spline in ln k at fixed k u, along the first axis."""
    solved, nodes = np.log(settings.solved_k_h_mpc), np.log(settings.k_h_mpc)
    return make_interp_spline(solved, np.array(values), k=5)(nodes)


def _ln_ku(cosmology, settings):
    x_time, _ = settings.time_nodes()
    _, _, s = path_lengths(Background(cosmology), x_time[0] - 0.1, np.array([-20.0]))
    first = math.log(X_LOW / (s(0.0) - s(x_time[0])))
    return first + settings.dy * np.arange(math.ceil(math.log(X_HIGH / X_LOW) / settings.dy) + 1)


def build_tables(cosmology, settings, derivatives, progress, workers=None):
    """Tables of a drive, a dict of numpy arrays by the names of a drive's file.

    ``matter_run`` is CLASS's own matter overdensity today (nk,), which ``cold_today`` should equal.
    """
    fields = table_fields(cosmology)
    require_classy(fields)
    ln_ku = _ln_ku(fields, settings)
    moved = []
    if derivatives:
        moved = [
            (
                {**fields, name: fields[name] * math.exp(side * settings.tangent_step)},
                settings.of_tangents,
            )
            for name in TANGENT_FIELDS
            for side in (1.0, -1.0)
        ]
    tables, *moved = _solve([(fields, settings), *moved], ln_ku, progress, workers)
    x_time, x_step = settings.time_nodes()
    scale = _time_scale(tables, x_time)
    if derivatives:
        tables |= _tangents(moved, settings, scale)
    tables["response"], tables["time_modes"] = compress(tables["response"], scale, settings.kept)
    tables |= {
        "k_h_mpc": settings.k_h_mpc,
        "ln_a": x_time,
        "ln_a_step": x_step,
        "ln_ku": ln_ku,
        "dy": settings.dy,
        "cold_today": np.ones(len(settings.k_h_mpc)),
    }
    tables |= thermal_tables(fields, settings if derivatives else None)
    tables["cold_today"] = np.asarray(cold_overdensity(assemble(tables, cosmology)))
    return tables


# the first scale factor is early enough for helium to be ionised twice; the last is today
_THERMAL_LN_A = np.linspace(math.log(5e-5), 0.0, 2000)


def thermal_tables(cosmology: dict, settings: Settings | None) -> dict:
    """kappa' and c_b^2 of a cosmology's fields, with derivatives where ``settings`` are given."""

    def table(fields):
        thermo = thermodynamics_of(fields)
        order = np.argsort(thermo["z"])[::-1]
        ln_a = -np.log1p(thermo["z"][order])
        opacity = np.log(np.maximum(thermo["kappa' [Mpc^-1]"][order], 1e-30))
        return [np.interp(_THERMAL_LN_A, ln_a, v) for v in (opacity, thermo["c_b^2"][order])]

    opacity, sound_squared = table(cosmology)
    made = {
        "ln_opacity": opacity.astype(np.float32),
        "sound_squared": sound_squared.astype(np.float32),
        "thermal_ln_a": _THERMAL_LN_A[0],
        "thermal_step": _THERMAL_LN_A[1] - _THERMAL_LN_A[0],
    }
    if settings is None:
        return made
    step = settings.tangent_step
    up, down = (
        [
            table({**cosmology, name: cosmology[name] * math.exp(side * step)})[0]
            for name in TANGENT_FIELDS
        ]
        for side in (1.0, -1.0)
    )
    slopes = (np.array(up) - np.array(down)) / (2.0 * step)
    return made | {"tangent_ln_opacity": slopes.astype(np.float32)}


def _tangents(moved, settings, scale):
    """d table / d ln(parameter), central differences stacked in the order of ``TANGENT_FIELDS``."""
    out = {
        f"tangent_{name}": np.stack(
            [
                (up[name] - down[name]) / (2.0 * settings.tangent_step)
                for up, down in zip(moved[::2], moved[1::2])
            ]
        )
        for name in (
            "response",
            "response_cold",
            "baryon_external",
            "baryon_weights",
            "baryon_pressure",
        )
    }
    response = out.pop("tangent_response")
    flat = response.reshape(-1, *response.shape[2:])
    factors, modes = compress(flat, scale, settings.tangent_kept)
    out["tangent_response"] = factors.reshape(*response.shape[:2], *factors.shape[1:])
    out["tangent_time_modes"] = modes
    for name in ("baryon_weights", "baryon_pressure"):
        out[f"tangent_{name}"] = out[f"tangent_{name}"].astype(np.float32)
    return out


def build(cosmology, derivatives=False, progress=lambda done, total: None, settings=None):
    """Tables and attributes of the drive of a cosmology, for :func:`spectra.cache.write_tables`.

    Parameters
    ----------
    cosmology : :class:`spectra.Cosmology`, concrete.
    derivatives : also d table / d ln(parameter), for eight more cosmologies of CLASS runs.
    progress : called with (CLASS runs done, runs in all).
    settings : :class:`Settings`; the shipped resolution when left out.

    Raises
    ------
    ValueError
        If JAX is not in 64-bit mode or classy is not installed.
    RuntimeError
        If CLASS fails.
    """
    require_x64()
    settings = Settings() if settings is None else settings
    tables = build_tables(cosmology, settings, derivatives, progress)
    run_today = tables.pop("matter_run")
    import classy

    fields = table_fields(cosmology)
    parameters = class_parameters(fields, settings, settings.k_high_h_mpc * fields["h"])
    attributes = {
        **fields,
        "settings": repr(settings),
        "description": "response of collisionless dark matter to radiation and baryons",
        "provenance": f"spectra.linear.drive_build, classy {classy.__version__}, integrated in the "
        "synchronous gauge, printed in the conformal Newtonian one",
        "class_parameters": repr(parameters),
        # largest relative difference over k of the cold matter overdensity from CLASS's own
        "cold_error": float(np.max(np.abs(tables["cold_today"] / run_today - 1.0))),
    }
    return tables, attributes
