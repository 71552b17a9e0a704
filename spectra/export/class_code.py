"""CLASS: a phase-space file and a complete input that reads it."""

from pathlib import Path

import numpy as np

from spectra.cosmology import Cosmology
from spectra.export.caveats import comment_lines
from spectra.export.findings import Findings, Simulation
from spectra.export.gadget4 import read_pairs
from spectra.export.writing import companion, mark_of, note_text, table_text, write_exports
from spectra.psd import moment_taken_for_f, rising_end
from spectra.spectrum import Spectrum

_PSD, _INI = "psd.dat", "class.ini"
_NOTE = """\
class.ini is complete: run CLASS in this directory. m_ncdm, T_ncdm and omega_ncdm are given
together, so that CLASS rescales f. Set no other non-cold species for the dark matter, leave the
fluid approximation off, and do not multiply P(k) by a fitting formula for warm dark matter.
"""
# CLASS interpolates f in q, by cubic splines (v3.4.1) or lines: error below step^2/8 q^2 f''
_LN_STEP = 0.005
_LOWEST_Q_OVER_MEAN = 1e-5  # below its first node CLASS takes f constant
_TAIL_FRACTION = 1e-14  # of the peak of q^3 f; cut there, while f is still positive
_FLOOR = 1e-30  # of the largest f; stands for zeros, of which CLASS takes a logarithmic slope
_QUADRATURE_TOLERANCE = 1e-4
_LAGUERRE_NODES = (28, 36)
_LAGUERRE_Q_MEANS = (3.15, 2.0, 5.0, 8.0)  # <q> to try when the file's own does not suit
_TRAPEZOID_NODES = (100, 200, 400)
# shares of the particles beyond the ends of a table; 6e-4 in CLASS's own example
_MADE_UP, _MENTIONED = 5e-3, 1e-5
_OMEGA_CDM = 1e-10  # the synchronous gauge needs some cold dark matter


def write(
    folder: Path,
    *,
    spectrum: Spectrum,
    transfer,
    cosmology: Cosmology,
    force: bool,
    caveats=(),
    **_,
):
    """Write ``folder/psd.dat``, ``folder/class.ini`` and a note; see :func:`spectra.export.write`.

    The species is all of the dark matter, omega_ncdm = omega_dm, whatever f's
    normalisation ("rescale"). Where CLASS's Gauss-Laguerre nodes would miss the spectrum, q is
    divided and T_ncdm multiplied by the same number: the momenta stay the same.
    """
    psd, ini = folder / _PSD, folder / _INI
    if folder.exists() and not folder.is_dir():
        raise ValueError(
            f"{folder} is a file, but the class format writes a directory; give another path"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{folder}: could not be made ({error.strerror})") from None
    q, f = psd_table(np.asarray(spectrum.q), np.asarray(spectrum.f))
    scale, quadrature = choose_quadrature(q, f)
    text = class_ini(
        mass_ev=1e3 * float(spectrum.mass_kev),
        temperature_ratio=float(spectrum.temperature_ratio) * scale,
        cosmology=cosmology,
        k_max_h_mpc=_largest_k(transfer),
        quadrature=quadrature,
    )
    # no header: CLASS reads a comment line as data
    table, note = table_text(q / scale, f), note_text(_NOTE, caveats)
    contents = {
        psd: table,
        ini: f"{comment_lines(caveats)}{mark_of('class', 0.0, table, note)}\n{text}",
        companion(psd, "note"): note,
    }
    return write_exports(contents, force)


def table_of(path: Path) -> Path:
    """The psd file that ``path`` means: in a directory of :func:`write`, or itself."""
    return path / _PSD if path.is_dir() else path


def parameters_of(table: Path) -> Path:
    """The input that is written beside the psd file ``table``."""
    return table.with_name(_INI)


def check(path: Path, run: Simulation | None, cosmology: Cosmology) -> Findings:
    """CLASS's reader of ``psd.dat`` in the directory ``path``, or of any such file: pairs of
    numbers, no header, no zeros at the end, most of the particles between its ends."""
    findings = Findings()
    folder = path if path.is_dir() else path.parent
    pairs = read_pairs(table_of(path), findings, "a header or comment")
    ended = pairs[np.isfinite(pairs).all(axis=1)]
    if len(ended) < len(pairs):
        findings.problems.append("an entry is not a number")
    q, f = ended.T
    if np.any(np.diff(q) <= 0.0):
        findings.problems.append(
            f"row {int(np.argmax(np.diff(q) <= 0.0)) + 2}: q does not increase"
        )
    if q.size < 4:
        findings.problems.append(f"{q.size} usable row(s); CLASS needs a table")
    elif np.all(np.diff(q) > 0.0):
        _check_distribution(findings, q, f)
    if not (folder / _INI).exists():
        findings.notes.append(f"no {_INI} beside it: give m_ncdm, T_ncdm and omega_ncdm together")
    return findings


def _check_distribution(findings: Findings, q: np.ndarray, f: np.ndarray) -> None:
    """What CLASS makes of f beyond the ends of the table: constant, and an exponential."""
    if np.any(f < 0.0):
        findings.problems.append(f"row {int(np.argmax(f < 0.0)) + 1}: f is negative")
    if f[-1] <= 0.0:
        findings.problems.append(
            "f ends with zeros, of which CLASS takes a logarithmic slope: it hangs"
        )
        return
    for doubt in (rising_end(q, f), moment_taken_for_f(q[q > 0.0], f[q > 0.0])):
        if doubt is not None:
            findings.problems.append(doubt)
    inside = np.trapezoid(q**2 * f, q)
    decay = (f[-2] - f[-1]) / (f[-1] * (q[-1] - q[-2]))
    if not (inside > 0.0 and decay > 0.0):
        if f[-1] == f[-2]:
            findings.problems.append("f does not fall at its last row: CLASS goes on for ever")
        return
    # CLASS goes on as f exp(-decay (q - q_last)): its integral of q^2
    x = decay * q[-1]
    beyond = f[-1] * (x**2 + 2.0 * x + 2.0) / decay**3 / inside
    below = q[0] ** 3 * f[0] / 3.0 / inside
    for share, what, says in (
        (below, f"the table begins at q = {q[0]:g}", "CLASS takes f constant below, for"),
        (beyond, f"the table ends at q = {q[-1]:g}", "CLASS makes up an exponential tail, of"),
    ):
        if share > _MADE_UP:
            findings.problems.append(f"{what}; {says} {share:.1g} of the particles")
        elif share > _MENTIONED:
            findings.notes.append(f"{what}; {says} {share:.1g} of the particles")


def psd_table(q: np.ndarray, f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distribution on the grid CLASS needs: dense, from tiny q, positive to its end.

    ``q``, ``f``: shape (n,). Returns the same distribution on a finer grid, both of shape
    (m,), as monotone cubics of ln f in ln q, its first power law continued to small q.
    """
    from scipy.interpolate import PchipInterpolator  # slow to import, needed only here

    weight = q**3 * f
    significant = np.flatnonzero(weight > _TAIL_FRACTION * weight.max())
    q, f = q[: significant[-1] + 1], f[: significant[-1] + 1]
    f = np.maximum(f, _FLOOR * f.max())
    ln_q, ln_f = np.log(q), np.log(f)
    curve = PchipInterpolator(ln_q, ln_f, extrapolate=False)
    mean = (q * weight[: q.size]).sum() / weight[: q.size].sum()
    lowest = min(ln_q[0], np.log(_LOWEST_Q_OVER_MEAN * mean))
    count = int(np.ceil((ln_q[-1] - ln_q[0]) / _LN_STEP))
    # the table's own nodes stay: lines and edges are where its author put them
    inside = np.union1d(np.linspace(ln_q[0], ln_q[-1], count + 1), ln_q)
    inside = inside[np.concatenate([[True], np.diff(inside) > 1e-9])]
    below = np.linspace(lowest, ln_q[0], int(np.ceil((ln_q[0] - lowest) / 0.05)) + 1)[:-1]
    slope = max((ln_f[1] - ln_f[0]) / (ln_q[1] - ln_q[0]), -2.5)
    head = np.maximum(ln_f[0] + slope * (below - ln_q[0]), np.log(_FLOOR) + ln_f.max())
    grid = np.concatenate([below, inside])
    values = np.concatenate([head, curve(np.clip(inside, ln_q[0], ln_q[-1]))])
    return np.exp(grid), np.exp(values)


def choose_quadrature(q: np.ndarray, f: np.ndarray) -> tuple[float, str]:
    """How CLASS should integrate over momentum: a factor to divide q by, and the input lines.

    CLASS's automatic choice assumes <q> of a few and fails for lines and for spectra of
    several scales, so the nodes are fixed here: the fewest Gauss-Laguerre nodes, or else
    equally spaced ones, that give the moments and the free-streaming integrals
    (sines of q) of ``f`` to 1e-4. ``q``, ``f``: the dense table, shape (m,).
    """
    mean = np.trapezoid(q**4 * f, np.log(q)) / np.trapezoid(q**3 * f, np.log(q))

    def tests(momenta):
        x = momenta / mean
        rows = [x, x**2, *(np.sinc(x * phase / np.pi) for phase in (1.0, 2.0, 4.0))]
        return np.array([np.ones_like(x), *rows])

    def error(nodes, weights):
        values = weights * nodes**2 * np.interp(nodes, q, f, right=0.0)
        result = tests(nodes) @ values
        return np.max(np.abs(result - exact) / normalisation)

    exact = np.trapezoid(tests(q) * q**3 * f, np.log(q), axis=1)
    normalisation = np.maximum(np.abs(exact), exact[0])
    for nodes in _LAGUERRE_NODES:
        x, w = np.polynomial.laguerre.laggauss(nodes)
        for scale in (1.0, *(mean / target for target in _LAGUERRE_Q_MEANS)):
            if error(scale * x, scale * w * np.exp(x)) < _QUADRATURE_TOLERANCE:
                return float(scale), f"ncdm_quadrature_strategy = 1\nncdm_N_momentum_bins = {nodes}"
    for nodes in _TRAPEZOID_NODES:
        x = np.linspace(0.0, q[-1], nodes + 1)[1:]
        if error(x, np.full(nodes, x[0])) < _QUADRATURE_TOLERANCE:
            break
    return 1.0, (
        f"ncdm_quadrature_strategy = 3\nncdm_N_momentum_bins = {nodes}\n"
        f"ncdm_maximum_q = {q[-1]:.10g}"
    )


def _largest_k(transfer) -> float:
    """Where T^2 has fallen below 1e-2 for the first time [h/Mpc], between 10 and 100."""
    k, t2 = np.asarray(transfer.k_h_mpc), np.asarray(transfer.t2)
    dark = np.flatnonzero(t2 < 1e-2)
    return float(np.clip(k[dark[0]] if dark.size else k[-1], 10.0, 100.0))


def class_ini(
    mass_ev: float,
    temperature_ratio: float,
    cosmology: Cosmology,
    k_max_h_mpc: float,
    quadrature: str,
) -> str:
    """A complete CLASS input for one non-cold species that is all the dark matter.

    ``mass_ev`` [eV]; ``temperature_ratio`` = T_ncdm/T_cmb; ``k_max_h_mpc`` [h/Mpc];
    ``quadrature``: the lines that fix the momentum nodes.
    """
    return f"""\
# CLASS input for a non-cold dark matter species with a tabulated distribution.
# File names are relative: run CLASS from the directory of this file.
# P(k)/P_CDM(k) of this run is T^2(k); for P_CDM remove the species and set
# omega_cdm = {float(cosmology.omega_dm):.10g}.

output = mPk
P_k_max_h/Mpc = {k_max_h_mpc:.6g}
z_pk = 0

h = {float(cosmology.h):.10g}
T_cmb = {float(cosmology.t_cmb_kelvin):.10g}
omega_b = {float(cosmology.omega_b):.10g}
omega_cdm = {_OMEGA_CDM:.10g}
Omega_k = 0
N_ur = {float(cosmology.n_eff):.10g}
YHe = {float(cosmology.y_he):.10g}
tau_reio = 0.0544
A_s = {float(cosmology.a_s):.10g}
n_s = {float(cosmology.n_s):.10g}
k_pivot = 0.05

# q = p/T_ncdm; with m_ncdm, T_ncdm and omega_ncdm given, CLASS rescales f
N_ncdm = 1
use_ncdm_psd_files = 1
ncdm_psd_filenames = psd.dat
m_ncdm = {mass_ev:.10g}
T_ncdm = {temperature_ratio:.10g}
omega_ncdm = {float(cosmology.omega_dm):.10g}

# the automatic choice of momentum nodes misses lines and spectra of several scales
{quadrature}

# the default fluid approximation and tolerances are wrong by per cents to tens of per
# cents for non-thermal spectra
gauge = synchronous
ncdm_fluid_approximation = 3
l_max_ncdm = 24
tol_perturbations_integration = 1e-6
"""
