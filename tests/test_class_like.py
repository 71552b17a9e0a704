"""The classy-like object: against classy itself, and what it refuses."""

import numpy as np
import pytest

import spectra
from spectra.class_like import CallableFloat, ClassLike

K_MPC = np.geomspace(1e-3, 10.0, 30)
Z = np.array([0.0, 1.0, 9.0])
PROPERTIES = (
    "h", "H0", "n_s", "T_cmb", "Neff", "omega_b", "Omega_b", "Omega_m", "Omega_r", "Omega_g",
    "Omega_Lambda", "Omega_k", "sigma8", "S8",
)  # fmt: skip
DERIVED = [
    "h", "H0", "Neff", "n_s", "Omega_m", "omega_m", "Omega_Lambda", "Omega0_lambda", "YHe", "A_s",
    "ln10^{10}A_s", "sigma8",
]  # fmt: skip


@pytest.fixture(scope="module")
def ours():
    return ClassLike(spectra.thermal_relic(3.0))


@pytest.mark.slow
@pytest.mark.invariants
def test_power_is_cold_power_times_t_squared_in_mpc(ours):
    """At z = 0, by the public functions, 1/Mpc and Mpc^3 against h/Mpc and (Mpc/h)^3."""
    h = 0.6736
    k_h_mpc = np.geomspace(0.5, 60.0, 12)
    t2 = np.asarray(spectra.transfer(spectra.thermal_relic(3.0), k_h_mpc=k_h_mpc).t2)
    expected = np.asarray(spectra.cold_power(k_h_mpc, spectra.power_table())) * t2 / h**3
    # the splines of T in ln k, whose step is 0.03
    assert np.allclose(ours.pk_lin(k_h_mpc * h, 0.0), expected, rtol=1e-5)
    assert ours.pk_lin(0.1, 0.0) == ours.pk(0.1, 0.0) and isinstance(ours.pk(0.1, 0.0), float)


@pytest.mark.invariants
def test_shapes_and_order_are_those_of_classy(ours):
    k, z = np.array([0.1, 1.0]), np.array([0.0, 0.0, 0.0])
    three = np.broadcast_to(k[:, None, None], (2, 3, 4))
    cube = ours.get_pk(three, z, 2, 3, 4)
    assert cube.shape == (2, 3, 4) and (cube[:, 1, 2] == ours.pk(k, 0.0)).all()
    flat = ours.get_pk_array(k, z, 2, 3, False)
    assert flat.shape == (6,) and (flat[2:4] == ours.pk(k, 0.0)).all()
    assert ours.h() == ours.h == 0.6736 and isinstance(ours.h, CallableFloat)


@pytest.mark.invariants
@pytest.mark.parametrize(
    "call, said",
    [
        (lambda one: one.pk(300.0, 0.0), "k = 300 1/Mpc is outside"),
        (lambda one: one.pk(-1.0, 0.0), "k = -1 1/Mpc is outside"),
        (lambda one: one.pk(1.0, 300.0), "z = 300 is outside"),
        (lambda one: one.get_pk(np.ones((2, 2)), np.zeros(2), 2, 2, 1), "k has shape"),
        (lambda one: one.get_pk_array(np.ones(2), np.zeros(1), 2, 1, True), "P.k. is linear"),
        (lambda one: one.get_current_derived_parameters(["age"]), "'age' is not known without"),
    ],
    ids=["k too large", "k negative", "z too large", "not three axes", "non-linear", "derived"],
)
def test_what_it_cannot_say_is_refused(ours, call, said):
    with pytest.raises(ValueError, match=said):
        call(ours)


@pytest.mark.external
def test_it_answers_as_classy_does():
    """The same calls on CLASS, cold dark matter: for ours a relic so heavy that it is cold."""
    from classy import Class

    ours, theirs = ClassLike(spectra.thermal_relic(1000.0)), Class()
    theirs.set(
        {
            "h": 0.6736,
            "omega_b": 0.02237,
            "omega_cdm": 0.12,
            "N_ur": 3.044,
            "T_cmb": 2.7255,
            "YHe": 0.2454,
            "A_s": 2.1e-9,
            "n_s": 0.9649,
            "tau_reio": 0.0544,
            "output": "mPk",
            "P_k_max_h/Mpc": 20.0,
            "z_max_pk": 10.0,
        }
    )
    theirs.compute()
    # P_CDM is CAMB's, which differs by up to 7e-4 from CLASS at its standard accuracy
    power = {"rtol": 1e-3}
    for z in Z:
        expected = [theirs.pk_lin(k, z) for k in K_MPC]
        assert np.allclose(ours.pk_lin(K_MPC, z), expected, **power)
    three = np.broadcast_to(K_MPC[:, None, None], (30, 3, 2)).copy()
    assert np.allclose(ours.get_pk(three, Z, 30, 3, 2), theirs.get_pk(three, Z, 30, 3, 2), **power)
    arguments = (K_MPC, Z, 30, 3, False)
    assert np.allclose(ours.get_pk_array(*arguments), theirs.get_pk_array(*arguments), **power)
    for name in PROPERTIES:
        # constants of nature differ in the sixth digit; sigma8 as P does
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-4), name
        assert getattr(ours, name)() == pytest.approx(getattr(theirs, name)(), rel=1e-4), name
    some = np.array([0.1, 1.0, 8.0])
    for name in ("Hubble", "comoving_distance", "angular_distance", "luminosity_distance"):
        mine, other = getattr(ours, name), getattr(theirs, name)
        assert np.allclose(mine(some), other(some), rtol=1e-6), name
        assert mine(1.0) == pytest.approx(other(1.0), rel=1e-6), name
    assert ours.sigma(8.0, 1.0) == pytest.approx(theirs.sigma(8.0, 1.0), rel=1e-4)
    assert ours.get_current_derived_parameters(DERIVED) == pytest.approx(
        theirs.get_current_derived_parameters(DERIVED), rel=1e-4
    )
    for one in (theirs, ours):  # P stays in Mpc^3 with h_units, whatever classy's docstring says
        table, k, z = one.get_pk_and_k_and_z(nonlinear=False, h_units=True)
        assert table.shape == (k.size, z.size) and z[-1] == 0.0 and np.all(np.diff(z) < 0.0)
        at = np.searchsorted(k, 1.0)
        assert table[at, -1] == pytest.approx(one.pk_lin(k[at] * 0.6736, 0.0), rel=1e-9)


@pytest.mark.slow
@pytest.mark.invariants
def test_fast_dark_matter_has_power_today_only():
    """A relic of 10 eV, by the hierarchies: T² of the public function."""
    dm = spectra.thermal_relic(0.01)
    one, h = ClassLike(dm), 0.6736
    k_h_mpc = np.array([0.05, 0.2, 1.0])
    t2 = np.asarray(spectra.transfer(dm, k_h_mpc=k_h_mpc).t2)
    expected = np.asarray(spectra.cold_power(k_h_mpc, spectra.power_table())) * t2 / h**3
    # where T oscillates about zero the spline has 1e-3 of its height
    assert np.allclose(one.pk_lin(k_h_mpc * h, 0.0), expected, rtol=1e-2)
    with pytest.raises(ValueError, match="too fast for P.k. at z > 0.*; ask for z = 0"):
        one.pk_lin(0.1, 1.0)
