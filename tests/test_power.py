"""P_CDM: the shipped table, its scaling, the cache."""

import jax
import jax.numpy as jnp
import numpy as np
import observables
import pytest

import spectra
from spectra import cache as _cache
from spectra.linear.served_cosmologies import TANGENT_FIELDS, table_fields
from spectra.structure import power

TABLE = power.power_table()


@pytest.mark.golden
def test_shipped_table_against_an_independent_camb_run():
    rows = observables.rows("pk_cdm.csv")
    k = np.array([float(row["k_h_mpc"]) for row in rows])
    for z, name in ((0.0, "p_z0"), (6.0, "p_z6")):
        expected = np.array([float(row[name]) for row in rows])
        ratio = np.asarray(power.cold_power(jnp.asarray(k), TABLE, z=z)) / expected
        # CAMB's own noise between settings is 4e-4 around the turnover, 1e-5 in the tail
        # (that run ends at 446 h/Mpc, whose last nodes feel the end)
        inside = (k > 1e-4) & (k < 300.0)
        assert np.all(np.abs(ratio[inside] - 1.0) < 5e-4)
        assert np.all(np.abs(ratio[inside & (k > 1.0)] - 1.0) < 5e-5)


@pytest.mark.golden
def test_integrals_and_growth():
    # values of the same independent run
    assert power.sigma8(TABLE) == pytest.approx(0.8229265844, rel=1e-5)
    assert power.sigma8(TABLE, z=6.0) == pytest.approx(0.1493352856, rel=1e-5)
    assert power.growth(6.0, TABLE) == pytest.approx(0.1814686315, rel=5e-6)


@pytest.mark.analytic
def test_primordial_parameters_scale_exactly():
    k = jnp.asarray([1e-5, 0.05, 1.0, 300.0, 900.0])
    changed = spectra.Cosmology(n_s=1.0, a_s=4.2e-9)
    ratio = power.cold_power(k, TABLE, changed) / power.cold_power(k, TABLE)
    pivot = 0.05 / 0.6736
    assert np.allclose(ratio, 2.0 * (k / pivot) ** (1.0 - 0.9649), rtol=1e-12)


@pytest.mark.analytic
def test_continuation_beyond_the_table():
    # continuous in value and slope at both ends; superhorizon P ~ k^n_s
    for end in (1e-4, 500.0):
        k = end * jnp.exp(jnp.asarray([-1e-4, 0.0, 1e-4]))
        ln_p = np.log(power.cold_power(k, TABLE))
        left, right = np.diff(ln_p) / 1e-4
        assert left == pytest.approx(right, abs=5e-3)
    low = power.cold_power(jnp.asarray([1e-6, 1e-5]), TABLE)
    assert float(low[1] / low[0]) == pytest.approx(10.0**0.9649, rel=1e-12)


@pytest.mark.invariants
def test_interpolation_in_redshift():
    # leaving out every second row changes the rows left out by 64 times the error at full density
    coarse = power.PowerTable(
        TABLE.cosmology, TABLE.ln_k, TABLE.ln_one_plus_z[1::2], TABLE.ln_shape[1::2]
    )
    for row in (2, 10, 20, 34):
        z = float(np.expm1(TABLE.ln_one_plus_z[row]))
        error = jnp.max(jnp.abs(power.shape_at(z, coarse) - TABLE.ln_shape[row]))
        assert float(error) < 64 * 2e-5


@pytest.mark.gradients
def test_derivatives():
    @jax.jit
    def ln_p(n_s, z):
        cosmology = spectra.Cosmology(n_s=n_s)
        return jnp.log(power.cold_power(jnp.asarray(10.0), TABLE, cosmology, z))

    at = (jnp.asarray(0.9649), jnp.asarray(2.0))
    for argument in (0, 1):
        reverse = jax.grad(ln_p, argument)(*at)
        step = 1e-4
        ends = [list(at), list(at)]
        ends[0][argument] += step
        ends[1][argument] -= step
        difference = (ln_p(*ends[0]) - ln_p(*ends[1])) / (2.0 * step)
        assert reverse == pytest.approx(float(difference), rel=1e-7)
        assert reverse == pytest.approx(float(jax.jacfwd(ln_p, argument)(*at)), rel=1e-12)


@pytest.mark.gradients
@pytest.mark.parametrize("field", TANGENT_FIELDS)
def test_derivatives_in_the_cosmology(field):
    own = float(getattr(TABLE.cosmology, field))

    @jax.jit
    def numbers(x):
        cosmology = spectra.Cosmology(**{field: own * jnp.exp(x)})
        carried = power.power_at(TABLE, cosmology)
        ln_p = jnp.log(power.cold_power(jnp.asarray([0.1, 10.0]), TABLE, cosmology, 3.0))
        return jnp.append(
            ln_p, jnp.stack([power.sigma8(TABLE, cosmology), power.growth(6.0, carried)])
        )

    forward, reverse = jax.jit(lambda x: (jax.jacfwd(numbers)(x), jax.jacrev(numbers)(x)))(0.0)
    np.testing.assert_allclose(reverse, forward, rtol=1e-12)
    difference = (numbers(1e-4) - numbers(-1e-4)) / 2e-4
    # of the table's own first order: sigma_8 and the growth curve by 1e-8 over that step
    np.testing.assert_allclose(forward, difference, rtol=1e-7, atol=1e-7)
    assert np.all(np.abs(forward) > 1e-5)
    own_power = power.cold_power(jnp.asarray([0.1, 10.0]), TABLE, z=3.0)
    # rounding: two programs
    np.testing.assert_allclose(numbers(0.0)[:2], jnp.log(own_power), rtol=1e-14)


@pytest.mark.external
@pytest.mark.parametrize("size, anywhere, tail", [(0.006, 1e-3, 1e-4), (0.029, 1.2e-2, 1e-3)])
def test_carried_table_against_camb(size, anywhere, tail):
    # the second nearly where the derivatives' range ends, in all four at once
    changes = {"h": size, "omega_b": -size, "omega_dm": size, "n_eff": size}
    moved = {n: float(getattr(TABLE.cosmology, n)) * (1.0 + x) for n, x in changes.items()}
    cosmology = spectra.Cosmology(**moved)
    expected = power._assemble(*power.camb_tables(cosmology))
    carried = power.power_at(TABLE, cosmology)
    change = np.abs(expected.ln_shape - TABLE.ln_shape).max()
    off = np.abs(carried.ln_shape - expected.ln_shape)
    # second order is size^2 of it, more where the acoustic oscillations shift; CAMB's own noise
    # between cosmologies is 4e-4 below 1 h/Mpc
    beyond = np.exp(TABLE.ln_k) > 1.0
    assert change > 0.01
    assert off.max() < anywhere
    assert off[:, beyond].max() < tail


@pytest.mark.invariants
def test_foreign_cosmology_is_refused():
    with pytest.raises(ValueError, match="cosmology h = 0.7.*power_table"):
        power.cold_power(jnp.asarray([1.0]), TABLE, spectra.Cosmology(h=0.7))
    inside = jax.jit(lambda h: power.cold_power(jnp.ones(1), TABLE, spectra.Cosmology(h=h)))
    assert np.isnan(inside(0.7)) and np.isfinite(inside(0.6736))
    # derivatives reach three per cent
    assert np.isfinite(inside(0.693)) and np.isnan(inside(0.695))


@pytest.mark.invariants
def test_cache_round_trip_and_damage(tmp_path, monkeypatch):
    monkeypatch.setenv("STERILE_CACHE_DIR", str(tmp_path))
    shipped = power.power_table()
    made = []

    def fake_camb(cosmology):
        made.append(float(cosmology.h))
        tables = {name: np.asarray(getattr(shipped, name)) for name in _ARRAYS}
        fields = table_fields(cosmology)
        return tables, fields

    monkeypatch.setattr(power, "camb_tables", fake_camb)
    other = spectra.Cosmology(h=0.7)
    for _ in range(2):
        power._cached.cache_clear()
        table = power.power_table(other)
        assert float(table.cosmology.h) == 0.7
    assert made == [0.7]  # the second time from disk
    (file,) = (tmp_path / "tables").iterdir()
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(bytes(content))
    with pytest.raises(ValueError, match="checksum|readable"):
        _cache.read_tables(file)
    power._cached.cache_clear()
    with pytest.warns(UserWarning, match="it is made anew"):
        power.power_table(other)
    assert made == [0.7, 0.7]  # damaged: made again
    _cache.read_tables(file)
    power._cached.cache_clear()


_ARRAYS = ("ln_k", "ln_one_plus_z", "ln_shape")


@pytest.mark.external
def test_camb_and_class_for_another_cosmology():
    from classy import Class

    cosmology = spectra.Cosmology(h=0.7, omega_b=0.0235, omega_dm=0.112, n_s=0.95)
    tables, fields = power.camb_tables(cosmology)
    table = power._assemble(tables, fields)
    solver = Class()
    solver.set(
        {
            "output": "mPk",
            "h": 0.7,
            "omega_b": 0.0235,
            "omega_cdm": 0.112,
            "n_s": 0.95,
            "A_s": 2.1e-9,
            "N_ur": 3.044,
            "T_cmb": 2.7255,
            "YHe": 0.2454,
            "P_k_max_h/Mpc": 30.0,
            "z_max_pk": 20.0,
        }
    )
    solver.compute()
    for z in (0.0, 20.0):
        for k in (1e-3, 0.05, 0.3, 3.0, 25.0):
            expected = solver.pk_lin(k * 0.7, z) * 0.7**3
            ours = power.cold_power(jnp.asarray(k), table, cosmology, z)
            # the two codes' default accuracies
            assert ours == pytest.approx(expected, rel=2e-3)
    solver.struct_cleanup()
