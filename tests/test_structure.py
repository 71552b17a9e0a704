"""Lyman-alpha area, satellites, haloes: golden numbers, limits, derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import observables
import pytest

from spectra.linear import integration_weights
from spectra.linear.transfer_function import Transfer
from spectra.structure import halos, lyman_alpha, measure, power
from spectra.structure.running_integral import running_integral, whole_weights
from spectra.structure.scales import half_mode
from spectra.structure.shapes import Shape, shape_transfer, viel_shape

K = observables.K
TABLE = observables.power()
COLD = shape_transfer(Shape(0.0, 2.24, -4.46), K)


@pytest.fixture(scope="module")
def measured():
    """Every golden model's numbers, by one vmap."""
    rows = observables.rows("models.csv")
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *[observables.curve(row)[1] for row in rows])

    def numbers(curve):
        return {
            "dA_kcut70": lyman_alpha.area_deficit(curve, TABLE, k_cut_h_mpc=70.0),
            "dA_kcut200": lyman_alpha.area_deficit(curve, TABLE),
            "Nsub_Mh1.0e12": halos.satellites(curve, TABLE, None, 1.0e12),
            "Nsub_Mh1.7e12": halos.satellites(curve, TABLE),
            "Nsub_Mh3.0e12": halos.satellites(curve, TABLE, None, 3.0e12),
            "ngal_z6_c2.5_Mpc-3": halos.halo_density(curve, TABLE),
            "ngal_z6_c2.7_Mpc-3": halos.halo_density(curve, TABLE, c=2.7),
            "M_hm_T_half_Msun_h": half_mode(curve).m_hm_t_half_msun_h,
        }

    return rows, jax.jit(jax.vmap(numbers))(stacked)


@pytest.mark.golden
def test_golden_observables(measured):
    rows, numbers = measured
    for name, values in numbers.items():
        for row, value in zip(rows, np.asarray(values)):
            if row["id"] == "CDM" and name.startswith(("dA", "M_hm")):
                continue
            # required 1e-4; six-point interpolation of the same table is good to 5e-6
            assert value == pytest.approx(float(row[name]), rel=1e-5), (name, row["id"])
    assert abs(float(numbers["dA_kcut200"][0])) < 1e-12


@pytest.mark.analytic
@pytest.mark.parametrize("n", [12, 13, 40, 401])
def test_integrals_without_the_matrix_are_those_with_it(n):
    values = np.sin(np.arange(n) / 7.0) + 2.0
    matrix = integration_weights(n)
    # rounding of sums of up to n terms of order one
    np.testing.assert_allclose(
        running_integral(jnp.asarray(values)), matrix @ values, rtol=1e-14 * n
    )
    np.testing.assert_allclose(whole_weights(n), matrix[-1], rtol=1e-15)


@pytest.mark.analytic
def test_measured_together_is_each_number_alone(measured):
    rows, numbers = measured
    index = next(i for i, row in enumerate(rows) if row["id"] == "thermal_3.5keV")
    _, curve = observables.curve(rows[index])
    for host, column in ((1.7e12, "Nsub_Mh1.7e12"), (3.0e12, "Nsub_Mh3.0e12")):
        together = measure(curve, TABLE, host_mass_msun_h=host)
        # P and T at the same nodes: rounding, amplified by six-point interpolation
        close = {"rel": 1e-11}
        assert together.n_satellites == pytest.approx(float(numbers[column][index]), **close)
    alone = {name: float(values[index]) for name, values in numbers.items()}
    assert together.delta_a == pytest.approx(alone["dA_kcut200"], **close)
    assert together.n_galaxies_z6_mpc3 == pytest.approx(alone["ngal_z6_c2.5_Mpc-3"], **close)
    mass = together.half_mode.m_hm_t_half_msun_h
    assert mass == pytest.approx(alone["M_hm_T_half_Msun_h"], **close)
    assert together.numbers()["m_hm_t_half_msun_h"] == mass


@pytest.mark.golden
def test_shipped_table_gives_the_same(measured):
    rows, _ = measured
    shipped = power.power_table()
    row = next(row for row in rows if row["id"] == "thermal_3.5keV")
    _, curve = observables.curve(row)
    assert halos.satellites(curve, shipped) == pytest.approx(float(row["Nsub_Mh1.7e12"]), rel=2e-5)
    assert halos.halo_density(curve, shipped) == pytest.approx(
        float(row["ngal_z6_c2.5_Mpc-3"]), rel=2e-5
    )
    assert lyman_alpha.area_deficit(curve, shipped) == pytest.approx(
        float(row["dA_kcut200"]), rel=2e-5
    )


@pytest.mark.golden
def test_mass_function():
    rows = observables.rows("hmf.csv")
    for model, shape in (("CDM", Shape(0.0, 2.24, -4.46)), ("thermal_3.0keV", viel_shape(3.0))):
        curve = shape_transfer(shape, K)
        chosen = [row for row in rows if row["model"] == model]
        mass = 10.0 ** (7.0 + 0.5 * np.arange(len(chosen)))  # the file rounds its masses
        for z, column, tolerance in ((0.0, "dndlnM_z0", 1e-5), (6.0, "dndlnM_z6", 1e-4)):
            rate, sigma = halos.mass_function(mass, curve, TABLE, z=z)
            expected = np.array([float(row[column]) for row in chosen])
            # at 3e13 Msun/h and z = 6, nu = 70 multiplies an error of D by 70
            assert np.allclose(rate, expected, rtol=tolerance)
        sigmas = [float(row["sigma_z0"]) for row in chosen]
        assert np.allclose(sigma, sigmas, rtol=1e-5)


@pytest.mark.golden
def test_one_dimensional_power():
    k, warm, cold = lyman_alpha.one_dimensional_power(shape_transfer(viel_shape(3.5), K), TABLE)
    at = np.array([0.5, 1.0, 5.0, 10.0, 20.0])
    interpolated = np.interp(np.log(at), np.log(k), np.log(cold))
    # the digest's values; straight lines between 129 nodes
    assert np.allclose(
        np.exp(interpolated), [29.41207, 21.05128, 7.835172, 4.704482, 2.654991], rtol=1e-4
    )
    ratio = np.interp(np.log(at), np.log(k), warm / cold)
    assert np.allclose(ratio, [0.918211, 0.885811, 0.699011, 0.521667, 0.267531], rtol=2e-4)


@pytest.mark.golden
def test_equivalent_mass_by_area(measured):
    rows, numbers = measured
    expected = {row["id"]: row for row in observables.rows("verdicts.csv")}
    names = [row["id"] for row in rows]
    for model in ("thermal_3.5keV", "abg_b1.5_g-1_kh4keV", "abg_rand06"):
        deficit = numbers["dA_kcut200"][names.index(model)]
        mass = lyman_alpha.area_mass_kev(deficit, TABLE)
        assert mass == pytest.approx(float(expected[model]["meq_dA200"]), rel=2e-5)
    at, step = 0.45, 1e-5
    difference = (
        lyman_alpha.area_mass_kev(at + step, TABLE) - lyman_alpha.area_mass_kev(at - step, TABLE)
    ) / (2 * step)
    slope = jax.grad(lambda x: lyman_alpha.area_mass_kev(x, TABLE))(at)
    assert slope == pytest.approx(float(difference), rel=1e-5)
    assert np.isnan(lyman_alpha.area_mass_kev(0.9999, TABLE))


@pytest.mark.invariants
def test_counts_fall_with_a_hotter_spectrum_and_grow_with_the_host():
    curves = [shape_transfer(viel_shape(mass), K) for mass in (2.0, 4.0, 8.0)]
    for count in (halos.satellites, halos.halo_density):
        values = [float(count(curve, TABLE)) for curve in (*curves, COLD)]
        assert values == sorted(values)
    few, many = (halos.satellites(COLD, TABLE, None, host) for host in (1e12, 2e12))
    # nearly proportional: only the conditional part of the count knows the host otherwise
    assert float(many / few) == pytest.approx(2.0, rel=0.05)


@pytest.mark.invariants
def test_too_short_a_range_is_nan():
    short = K[K < 100.0]
    curve = shape_transfer(viel_shape(3.5), short)
    assert np.isnan(lyman_alpha.area_deficit(curve, TABLE))
    assert np.isnan(halos.halo_density(curve, TABLE))
    assert np.isfinite(halos.satellites(curve, TABLE))  # needs 38.5 h/Mpc
    rate, _ = halos.mass_function(np.array([1e6, 1e9]), curve, TABLE)
    assert np.isnan(rate[0]) and np.isfinite(rate[1])
    with pytest.raises(ValueError, match="k_cut"):
        lyman_alpha.area_deficit(curve, TABLE, k_cut_h_mpc=10.0)


@pytest.mark.invariants
def test_order_of_wavenumbers_does_not_matter():
    curve = shape_transfer(viel_shape(3.5), K)
    turned = Transfer(curve.k_h_mpc[::-1], curve.t[::-1], curve.t2[::-1], curve.status)
    for number in (lyman_alpha.area_deficit, halos.satellites, halos.halo_density):
        assert number(turned, TABLE) == pytest.approx(float(number(curve, TABLE)), rel=1e-14)


@pytest.mark.external
def test_mass_function_against_hmf():
    """hmf 3.5: SharpK filter and Sheth-Tormen with the same parameters, on the same P(k)."""
    import hmf
    from astropy.cosmology import FlatLambdaCDM

    h, omega = 0.6736, (0.02237 + 0.12) / 0.6736**2
    shipped = power.power_table()
    k = np.exp(np.arange(np.log(1e-4), np.log(400.0), 0.01))
    for shape in (Shape(0.0, 2.24, -4.46), viel_shape(3.0)):
        curve = shape_transfer(shape, jnp.asarray(k))
        p = np.asarray(power.cold_power(jnp.asarray(k), shipped) * curve.t2)
        # T such that k^n_s T^2 is P up to the normalisation, which sigma_8 of P itself fixes
        x = 8.0 * k
        window = 3.0 * (np.sin(x) - x * np.cos(x)) / x**3
        sigma8 = np.sqrt(np.trapezoid(k**3 * p * window**2, np.log(k)) / (2.0 * np.pi**2))
        found = hmf.MassFunction(
            Mmin=8,
            Mmax=13,
            dlog10m=0.5,
            z=0.0,
            cosmo_model=FlatLambdaCDM(H0=100 * h, Om0=omega, Ob0=0.02237 / h**2, Tcmb0=0.0),
            n=0.9649,
            sigma_8=sigma8,
            lnk_min=np.log(1e-4),
            lnk_max=np.log(400.0),
            dlnk=0.01,
            transfer_model="FromArray",
            transfer_params={"k": k, "T": np.sqrt(p / k**0.9649)},
            filter_model="SharpK",
            filter_params={"c": 2.5},
            hmf_model="SMT",
            hmf_params={"a": 1.0, "p": 0.3, "A": 0.322},
            delta_c=1.686,
            disable_mass_conversion=True,
        )
        rate, _ = halos.mass_function(found.m, curve, shipped)
        # hmf integrates with Simpson's rule
        assert np.allclose(rate, found.dndlnm, rtol=1e-4)
