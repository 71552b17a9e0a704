"""Drives: the cache, and derivatives with respect to the cosmology."""

import threading

import equinox as eqx
import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import spectra
from spectra import drive as drive_function
from spectra.cache import read_tables
from spectra.directories import cache_root
from spectra.linear import drive_build, drives
from spectra.linear.drive_history import _increments
from spectra.linear.served_cosmologies import table_fields

K = np.geomspace(10.0, 60.0, 12)
DM = spectra.thermal_relic(3.5)
OTHER = {"omega_dm": 0.11}
TABLES = {"numbers": np.arange(5000.0), "few": np.array(3.0)}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and a builder that counts its calls instead of running CLASS."""
    calls = []

    def build(cosmology, derivatives, progress, settings=None):
        calls.append((float(cosmology.omega_dm), derivatives))
        progress(1, 1)
        fields = table_fields(cosmology)
        return TABLES, fields

    monkeypatch.setenv("STERILE_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(drive_build, "build", build)
    return calls


def cached(derivatives=False):
    fields = table_fields(spectra.Cosmology(**OTHER))
    return drives._cached(fields, derivatives, lambda done, total: None)


@pytest.mark.invariants
def test_a_drive_is_made_once_and_then_read(cache):
    made, again = cached(), cached()
    assert cache == [(0.11, False)]
    np.testing.assert_array_equal(again[0]["numbers"], made[0]["numbers"])
    assert again[1]["omega_dm"] == 0.11
    assert not list((cache_root() / "tables").glob(".*.h5*"))


@pytest.mark.invariants
def test_a_drive_with_derivatives_serves_both(cache):
    cached(derivatives=True)
    cached(derivatives=False)
    assert cache == [(0.11, True)]


@pytest.mark.invariants
@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_file_is_noticed_and_made_anew(cache, damage):
    cached()
    (path,) = (cache_root() / "tables").glob("*.h5")
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:3000])
    else:
        with h5py.File(path, "r+") as file:
            file["numbers"][7] = 8.0
    with pytest.warns(UserWarning, match="made anew"):
        cached()
    assert len(cache) == 2
    read_tables(path)


@pytest.mark.invariants
def test_processes_that_want_the_same_drive_make_it_once(cache):
    # file locks hold between open files, so threads stand for processes
    threads = [threading.Thread(target=cached) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(cache) == 1


@pytest.mark.invariants
def test_without_classy_the_error_says_what_to_do(cache, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(drive_build.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("STERILE_CACHE_DIR", "/nowhere-to-be-found")
    with pytest.raises(ValueError, match="pip install"):
        drive_build.build(spectra.Cosmology(**OTHER))


@pytest.mark.golden
def test_the_shipped_drive_is_whole_and_right():
    path = drives.resources.files("spectra") / "data" / drives.SHIPPED_FILE
    tables, attributes = read_tables(path)
    # the cold matter overdensity against CLASS's own; largest at 0.1 h/Mpc, where radiation's
    # metric still acts on it, and common to warm and cold
    assert attributes["cold_error"] < 4e-4
    assert path.stat().st_size < 1e7


@pytest.mark.analytic
def test_early_drag_does_not_swamp_late_steps():
    """Differences of the accumulated drag lost 1e-3 of the baryons' answer when it began early."""
    x = np.linspace(-18.0, 0.0, 6001)
    late = _increments(x, 1.0 + np.exp(-2.0 * x - 5.0))[-100:]
    exact = np.diff(x)[-100:] - 0.5 * np.diff(np.exp(-2.0 * x - 5.0))[-100:]
    np.testing.assert_allclose(late, exact, rtol=1e-9)


def half_mode_of(cosmology):
    curve = spectra.transfer(DM, cosmology, drive_function(), hierarchies="never")
    return jnp.log(spectra.half_mode(curve, cosmology).k_t2_half_h_mpc)


@pytest.mark.slow
@pytest.mark.invariants
def test_a_traced_cosmology_changes_no_value():
    drive = drive_function()
    at = jax.jit(lambda cosmology: spectra.transfer(DM, cosmology, drive, k_h_mpc=K))
    traced = at(spectra.Cosmology())
    assert traced.status == spectra.Status.SUCCESS
    # one more rounding: the response is summed with zero times its derivatives
    np.testing.assert_allclose(traced.t, spectra.transfer(DM, drive=drive, k_h_mpc=K).t, atol=1e-10)
    assert at(spectra.Cosmology(omega_b=0.0235)).status == spectra.Status.COSMOLOGY_MISMATCH


# d ln k_t2_half / d ln p from drives made anew at each parameter times exp(+-0.04), their CLASS
# runs on the nodes and at the tolerance of the derivatives; 3.5 keV relic, its temperature fixed.
REBUILT = {"h": -1.00088, "omega_b": 0.0060780, "omega_dm": 0.115293, "n_eff": 0.165069}


@pytest.mark.gradients
def test_half_mode_in_the_cosmology():
    cosmology = spectra.Cosmology()
    reverse = jax.jit(jax.grad(half_mode_of))(cosmology)
    for name, rebuilt in REBUILT.items():
        value = float(getattr(reverse, name) * getattr(cosmology, name))
        # the project's bound
        np.testing.assert_allclose(value, rebuilt, rtol=1e-2, err_msg=name)
    assert float(reverse.n_s) == 0.0 and float(reverse.a_s) == 0.0  # not in T^2


@pytest.mark.slow
@pytest.mark.gradients
def test_forward_equals_reverse_and_difference():
    def t_at(ln_omega):
        moved = eqx.tree_at(lambda c: c.omega_dm, spectra.Cosmology(), jnp.exp(ln_omega))
        return spectra.transfer(DM, moved, drive_function(), k_h_mpc=K).t[6]

    start = jnp.log(0.12)
    at = jax.jit(t_at)
    forward = jax.jvp(at, (start,), (1.0,))[1]
    np.testing.assert_allclose(jax.grad(at)(start), forward, rtol=1e-9)
    h = 1e-4
    # of the model itself, which is smooth: rounding / h
    np.testing.assert_allclose((at(start + h) - at(start - h)) / (2 * h), forward, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.gradients
def test_a_drive_without_derivatives_refuses_them():
    drive = eqx.tree_at(lambda d: d.tangents, drive_function(), None)

    def t_at(omega):
        return spectra.transfer(DM, spectra.Cosmology(omega_dm=omega), drive, k_h_mpc=K).t[3]

    def of_mass(mass):
        dm = spectra.Spectrum(DM.q, DM.f, mass, DM.temperature_ratio)
        return spectra.transfer(dm, spectra.Cosmology(), drive, k_h_mpc=K).t[3]

    with pytest.raises(ValueError, match="derivatives=True"):
        jax.grad(t_at)(0.12)
    assert jnp.isfinite(jax.grad(of_mass)(3.5))
    # one argument traced, not differentiated
    both = jax.jit(lambda mass, cosmology: spectra.transfer(DM, cosmology, drive, k_h_mpc=K).t[3])
    assert jnp.isfinite(both(3.5, spectra.Cosmology()))


@pytest.mark.invariants
def test_neighbouring_cosmologies_are_served_by_derivatives():
    near = spectra.Cosmology(omega_dm=0.1206)
    drive = drive_function()
    curve = spectra.transfer(DM, near, drive, k_h_mpc=K)
    assert curve.status == spectra.Status.SUCCESS
    # d ln k_half = 0.115 x 0.5 %, and dT/d ln k is about -0.7
    moved = np.max(np.abs(curve.t - spectra.transfer(DM, drive=drive, k_h_mpc=K).t))
    assert 3e-4 < moved < 5e-4
    with pytest.raises(ValueError, match="omega_dm"):
        spectra.transfer(DM, spectra.Cosmology(omega_dm=0.13), drive, k_h_mpc=K)


@pytest.mark.external
def test_a_failure_of_class_says_where():
    impossible = drive_build.Settings(
        k_low_h_mpc=0.1, k_high_h_mpc=0.2, k_intervals=6, tolerance=1e-17
    )
    with pytest.raises(RuntimeError, match=r"CLASS failed at k = 0\.2 h/Mpc"):
        # with two workers either of the largest two may fail first
        drive_build.build_tables(
            spectra.Cosmology(), impossible, False, lambda done, total: None, workers=1
        )
