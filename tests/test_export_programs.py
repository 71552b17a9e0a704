"""Exports to hmf, pyHalo, 21cmFAST and Galacticus: the real programs read them, traps are caught.

Galacticus is not to be had as a package; its file is read back as its source reads it.
"""

import json
import math

import h5py
import numpy as np
import pytest
from export_cases import decay_spectrum, install_golden_tables

import spectra
from spectra import export
from spectra.export.linear_state import linear_state

NAMES = ("hmf", "pyhalo", "21cmfast", "galacticus")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    install_golden_tables()
    folder = tmp_path_factory.mktemp("programs")
    for name in NAMES:
        export.write(folder / name, name, spectrum=decay_spectrum())
    return {name: folder / name for name in NAMES}


@pytest.fixture(scope="module")
def state():
    return linear_state(decay_spectrum(), spectra.Cosmology(), 0.0)


def expected_power(state, k_h_mpc):
    """P(k) of this spectrum today [(Mpc/h)^3] on the lattice of the exports, step 0.01 in ln k."""
    return np.exp(np.interp(np.log(k_h_mpc), np.log(state.k_h_mpc), np.log(state.power)))


def parameters(path):
    """``NAME = VALUE`` lines of the parameter file beside ``path``."""
    lines = path.with_name(f"{path.name}.params.txt").read_text().splitlines()
    pairs = (line.split(" = ", 1) for line in lines if not line.startswith("#"))
    return {name: eval(value, {}) for name, value in pairs}


@pytest.mark.invariants
@pytest.mark.parametrize("name", [name for name in NAMES if name != "pyhalo"])
def test_the_reader_finds_the_same_power(name, files, state):
    found = export.FORMATS[name].check(files[name], None, spectra.Cosmology())
    assert not found.problems and not found.notes
    inside = (found.k_h_mpc > 1e-3) & (found.k_h_mpc < 100.0)
    k = found.k_h_mpc[inside]
    assert k.size > 1000
    # ten digits are written; where a target normalises itself, the anchor at 1e-4 h/Mpc is CAMB's
    # table beside that of P(k): 1e-3. Galacticus adds the species, positive each
    bright = expected_power(state, k) > 1e-4 * np.interp(k, state.k_h_mpc, state.cold_power)
    ratio = found.power[inside] / expected_power(state, k)
    assert np.allclose(ratio[bright], 1.0, rtol=1e-6 if name == "21cmfast" else 2e-3)


@pytest.mark.invariants
def test_the_half_mode_and_its_slope_are_those_of_t(files):
    """Against a difference of ln T and the mass in a sphere, in Msun and not Msun/h."""
    given = json.loads(files["pyhalo"].read_text())
    half = spectra.half_mode(spectra.transfer(decay_spectrum()))
    k = float(half.k_t_half_h_mpc)
    near = spectra.transfer(decay_spectrum(), k_h_mpc=k * np.exp([-1e-2, 0.0, 1e-2]))
    ln_t = np.log(np.asarray(near.t))
    # second order of the difference, and the solver's own step between neighbouring k
    assert given["dlogT_dlogk"] == pytest.approx((ln_t[2] - ln_t[0]) / 2e-2, rel=2e-3)
    h, omega_m = 0.6736, given["kwargs_cosmo"]["Om0"]
    mass = 4.0 / 3.0 * math.pi * 2.7754e11 * omega_m * h**2 * (math.pi / (k * h)) ** 3
    assert given["log_mc"] == pytest.approx(math.log10(mass), abs=1e-4)


@pytest.mark.invariants
def test_a_spectrum_without_half_mode_is_none_for_pyhalo(tmp_path):
    with pytest.raises(ValueError, match="T does not fall through 1/2 between .* preset CDM"):
        export.write(tmp_path / "x", "pyhalo", spectrum=spectra.thermal_relic(200.0))
    assert not list(tmp_path.iterdir())


def level_somewhere(path):
    """A table from 1e-3 on with a level stretch where there is power, as bumps have."""
    k = np.geomspace(1e-3, 1e3, 300)
    t = np.where(k < 1.0, 1.0 / (1.0 + (k / 0.05) ** 1.2), 1.0 / (1.0 + 20.0**1.2))
    path.write_text("".join(f"{a:.8e} {b:.8e}\n" for a, b in zip(k, t)))


def without_zero(path):
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[1:]) + "\n")


def ends_early(path):
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:800]) + "\n")


def slope_by_the_docstring(path):
    given = json.loads(path.read_text())
    path.write_text(json.dumps({**given, "dlogT_dlogk": abs(given["dlogT_dlogk"])}))


def mass_not_its_logarithm(path):
    given = json.loads(path.read_text())
    path.write_text(json.dumps({**given, "log_mc": 10.0 ** given["log_mc"]}))


def attribute(group, name, value):
    def change(path):
        with h5py.File(path, "r+") as file:
            file[group].attrs[name] = value

    change.__name__ = f"{name} = {value}"
    return change


def no_baryons(path):
    with h5py.File(path, "r+") as file:
        del file["baryons"]


def negative(path):
    with h5py.File(path, "r+") as file:
        file["darkMatter/transferFunctionZ0.0000"][7] = -1.0


TRAPS = [
    ("hmf", level_somewhere, "hmf throws the table away below"),
    ("21cmfast", without_zero, "21cmFAST needs a row of zeros"),
    ("21cmfast", ends_early, "21cmFAST puts cold dark matter's power back"),
    ("pyhalo", slope_by_the_docstring, "must be negative, whatever pyHalo's docstring says"),
    ("pyhalo", mass_not_its_logarithm, "is not log10 of a mass"),
    ("galacticus", attribute("/", "fileFormat", 1), "fileFormat = 1; Galacticus reads 2"),
    ("galacticus", attribute("extrapolation/wavenumber", "low", "power"), "'power' is not one of"),
    ("galacticus", no_baryons, "not a file that Galacticus reads"),
    ("galacticus", negative, "T of dark matter = -1"),
]


@pytest.mark.invariants
@pytest.mark.parametrize(
    "name, spoil, said", TRAPS, ids=lambda value: getattr(value, "__name__", value)
)
def test_the_file_we_could_have_written_wrongly_is_caught(name, spoil, said, files, tmp_path):
    path = tmp_path / "spoilt"
    path.write_bytes(files[name].read_bytes())
    spoil(path)
    problems = export.check(path, name).problems
    assert any(said in line for line in problems), problems


@pytest.mark.invariants
def test_galacticus_is_told_another_cosmology(files, tmp_path):
    other = spectra.Cosmology(h=0.7)
    notes = export.FORMATS["galacticus"].check(files["galacticus"], None, other).notes
    assert any("HubbleConstant = 67.36 in the file, 70" in line for line in notes), notes


@pytest.mark.external
@pytest.mark.parametrize("model", ["FromFile", "FromArray"])
def test_hmf_has_this_power_and_fewer_haloes(model, files, state):
    hmf = pytest.importorskip("hmf", reason="hmf is not installed")
    given = parameters(files["hmf"])
    if model == "FromArray":
        k, t = np.loadtxt(files["hmf"], unpack=True)
        given |= {"transfer_model": model, "transfer_params": {"k": k, "T": t}}
    else:
        given["transfer_params"] = {"fname": str(files["hmf"])}
    warm = hmf.MassFunction(**given)
    inside = (warm.k > 2e-4) & (warm.k < 50.0)
    # one number for all k: sigma_8 by two quadratures
    ratio = warm.power[inside] / expected_power(state, warm.k[inside])
    assert np.ptp(ratio) < 1e-8 and ratio[0] == pytest.approx(1.0, abs=1e-5)
    # in steps of hmf's own k that are not the table's: lines in ln T
    cold = hmf.MassFunction(**{**given, "transfer_model": "EH", "transfer_params": {}})
    suppression = warm.dndlnm / cold.dndlnm
    assert suppression[warm.m > 1e13][0] == pytest.approx(1.0, abs=0.15)  # EH is no CAMB
    assert (np.diff(suppression[warm.m < 1e12]) > 0.0).all() or suppression[0] < 0.5


@pytest.mark.external
def test_hmf_throws_a_table_away_that_begins_late(tmp_path):
    """The trap that the first row avoids, in hmf itself."""
    hmf = pytest.importorskip("hmf", reason="hmf is not installed")
    level_somewhere(tmp_path / "t")
    k, t = np.loadtxt(tmp_path / "t", unpack=True)
    model = hmf.density_field.transfer_models.FromArray(hmf.cosmo.Cosmology().cosmo, k=k, T=t)
    found = np.exp(model.lnt(np.log(np.array([1e-8, 0.3]))))
    # where T is 0.1, hmf has the level of the end
    assert found[1] == pytest.approx(t[-1], rel=1e-6) and np.interp(0.3, k, t) > 3.0 * t[-1]


@pytest.mark.external
def test_pyhalo_takes_the_two_numbers(files):
    pytest.importorskip("pyHalo", reason="pyHalo is not installed")
    from pyHalo.PresetModels.wdm import WDMGeneral
    from pyHalo.Rendering.MassFunctions.stucker import stucker_suppression_params

    given = json.loads(files["pyhalo"].read_text())
    a, b, c = stucker_suppression_params(given["dlogT_dlogk"])
    assert a > 0.0 and b > 0.0 and c < 0.0
    # its default, 5e10 Msun, imports a profile that no released lenstronomy has (1.14.2)
    options = {"log_mlow": 7.0, "mass_threshold_sis": None}
    few = WDMGeneral(0.5, 1.5, **options, **given)
    many = WDMGeneral(0.5, 1.5, **options, **{**given, "log_mc": given["log_mc"] - 4.0})
    light = [np.sum(np.array([halo.mass for halo in one.halos]) < 3e7) for one in (few, many)]
    # below a tenth of the half-mode mass there are few haloes
    assert light[0] < 0.5 * light[1], light
    # what its docstring asks for, its code refuses
    with pytest.raises(Exception, match="positive|beta|real"):
        WDMGeneral(0.5, 1.5, **options, **{**given, "dlogT_dlogk": -given["dlogT_dlogk"]})


@pytest.mark.external
def test_21cmfast_has_this_power(files, state):
    p21 = pytest.importorskip("py21cmfast", reason="21cmFAST is not installed")
    from py21cmfast.wrapper import cfuncs
    from py21cmfast.wrapper.inputs import CosmoTables, Table1D

    given = parameters(files["21cmfast"])
    k, t = np.ascontiguousarray(np.loadtxt(files["21cmfast"], unpack=True))
    inputs = p21.InputParameters(
        random_seed=1,
        cosmo_params=p21.CosmoParams(**given),
        matter_options=p21.MatterOptions(POWER_SPECTRUM="CLASS"),
    )
    # of baryons against dark matter; since 4.2 there where relative velocities are asked for
    own = inputs.cosmo_tables.transfer_vcb
    streaming = own and Table1D(
        size=k.size, x_values=k, y_values=np.interp(k, own.x_values, own.y_values)
    )
    tables = CosmoTables(
        transfer_density=Table1D(size=k.size, x_values=k, y_values=t),
        transfer_vcb=streaming,
        ps_norm=given["A_s"],
        USE_SIGMA_8=False,
    )
    if "cosmo_tables" in {field.name for field in type(inputs).__attrs_attrs__}:
        ours = inputs.clone(cosmo_tables=tables)
    else:
        # since 4.2 they are made when asked for and kept, and are no argument any more
        ours = inputs.clone()
        object.__setattr__(ours, "cosmo_tables", tables)
    h = given["hlittle"]
    k_mpc = np.geomspace(2e-4, 50.0, 200)
    found = cfuncs.get_matter_power_values(inputs=ours, k_values=k_mpc)
    # its spline in k against lines in ln k, step 0.01: 1e-4 on the acoustic oscillations
    assert np.allclose(found, expected_power(state, k_mpc / h) / h**3, rtol=3e-4)
