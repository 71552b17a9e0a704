"""The studies in runs/: the edges that they trace are where the margin is zero."""

import numpy as np
import pytest


@pytest.fixture(scope="module")
def study_plane(study):
    return study("study_plane")


@pytest.mark.invariants
@pytest.mark.parametrize(
    "name",
    [
        "study_claims",
        "study_edges",
        "study_effects",
        "study_evolution",
        "study_free_streaming",
        "study_mean_momentum",
        "study_mixing_after_decay",
        "study_regimes",
        "study_tests",
    ],
)
def test_a_study_imports(study, name):
    """Studies that share the plane, or need nothing beyond the package, find what they import."""
    assert callable(study(name).main)


@pytest.mark.analytic
def test_a_traced_edge_is_where_the_margin_is_zero(study_plane):
    """A margin that is linear in ln x and ln y, and one with two edges at each y.

    Straightened, neither is linear in ln x: between points the cubics are off by 0.05 of a step.
    """
    x, y = np.geomspace(1e-9, 1e-4, 24), np.geomspace(1e-10, 1e-6, 9)
    ln_x, ln_y = np.log10(x)[:, None] + 6.5, np.log10(y)[None, :] + 8.0
    for margin, lines in (
        (lambda a, b: a + 0.5 * b, 1),
        (lambda a, b: a**2 - 1.5 - 0.1 * b, 2),
    ):
        on = study_plane.Surfaces(x, y)
        edges = on.traced(on.surface(study_plane.straightened(margin(ln_x, ln_y))))
        assert len(edges) == lines
        for edge in edges:
            a, b = np.log10(edge[:, 0]) + 6.5, np.log10(edge[:, 1]) + 8.0
            slope = np.abs(margin(a + 1e-4, b) - margin(a - 1e-4, b)) / 2e-4
            assert np.max(np.abs(margin(a, b)) / slope) < 0.07 * (ln_x[1, 0] - ln_x[0, 0])
            assert np.ptp(b) > 3.99  # from the lower end to the upper


@pytest.mark.analytic
def test_shares_of_freeze_in_do_not_depend_on_the_coupling(study):
    """Rates go as lambda^2 and S is rare: Y_S/Y_eq too, up to the loss, and shares stay."""
    shares = study("study_regimes").shares
    weak, strong = shares(100.0, 1e-9), shares(100.0, 3e-9)
    # the loss is Y_S/Y_eq itself, 7e-4 at the larger coupling
    assert strong["closeness"] < 1e-3
    assert strong["closeness"] / weak["closeness"] == pytest.approx(9.0, rel=2e-3)
    assert strong["unbroken"] == pytest.approx(weak["unbroken"], rel=2e-3)


@pytest.mark.analytic
def test_tests_against_one_relic_have_their_edge_where_the_relic_is(study, study_plane):
    """A plane whose numbers are the relic's at its middle column, and rise or fall evenly."""
    tests = study("study_tests")
    relic = {
        "delta_a": 0.4,
        "n_satellites": 60.0,
        "n_galaxies_z6_mpc3": 3.0,
        "m_hm_t_half_msun_h": 1e8,
    }
    x, y = np.geomspace(1e-9, 1e-7, 5), np.geomspace(1e-10, 1e-6, 4)
    colder = np.log(x / 1e-8)[:, None] * np.ones(4)
    columns = {
        name: number * np.exp(-colder if name[0] in "dm" else colder)
        for name, number in relic.items()
    }
    columns["margin/half-mode-3.3keV"] = np.tanh(colder)
    on = study_plane.Surfaces(x, y)
    for surface in tests.surfaces_of(on, columns, relic).values():
        (edge,) = on.traced(surface)
        # odd about the middle column: the curves pass it exactly
        assert edge[:, 0] == pytest.approx(1e-8, rel=1e-6)


@pytest.mark.slow
@pytest.mark.invariants
def test_the_edge_of_a_small_plane_is_an_edge(study_plane):
    """The pipeline at a traced point says margin zero, up to what three points resolve."""
    import spectra
    import sterile

    couplings, yukawas = np.geomspace(3e-9, 2e-8, 5), np.geomspace(3e-9, 3e-8, 4)
    columns = study_plane.solved(100.0, couplings, yukawas)
    on = study_plane.Surfaces(couplings, yukawas)
    (edge,) = on.traced(on.surface(study_plane.straightened(columns[f"margin/{study_plane.MILD}"])))
    x, y = edge[len(edge) // 2]
    margins = []
    for coupling in (0.93 * x, x / 0.93):
        point = sterile.evaluate(sterile.ScalarDecay(100.0, coupling, y))
        margins.append(
            float(spectra.verdicts(point.spectrum, point.transfer)[study_plane.MILD].margin)
        )
    # m_N falls with the coupling: allowed just below the edge, forbidden just above
    assert margins[0] > 0.0 > margins[1]
