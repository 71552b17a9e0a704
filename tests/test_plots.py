"""Figures can be drawn from any result, and are written whole. What they look like is for eyes."""

import numpy as np
import pytest

from spectra import plots, store

pytestmark = pytest.mark.cli

Q = np.geomspace(1e-3, 30.0, 60)
T = np.geomspace(1e3, 1.0, 8)
GROWTH = np.linspace(0.0, 1.0, 8)[:, None] * np.exp(-Q)


def record(production=True, transfer=True):
    datasets = {"spectrum/q": Q, "spectrum/f": np.exp(-Q)}
    if production:
        datasets |= {
            "production/history/temperature_gev": np.geomspace(1e4, 1e-1, 50),
            "production/history/yield_s": np.linspace(0.0, 1e-4, 50),
            "production/history/yield_n": np.linspace(0.0, 2e-4, 50),
            "production/scalar/temperature_gev": T,
            "production/scalar/q": Q,
            "production/scalar/f": GROWTH[::-1],
            "production/neutrino/temperature_gev": T,
            "production/neutrino/q": Q,
            "production/neutrino/f": GROWTH,
        }
    if transfer:
        k = np.geomspace(0.1, 300.0, 71)
        t2 = 1.0 / (1.0 + (k / 30.0) ** 4)
        datasets |= {
            "transfer/k_h_mpc": k,
            "transfer/t2": t2,
            "transfer/reference_masses_kev": np.array([2.0, 3.3]),
            "transfer/reference_t2": np.stack([t2**2, t2**1.5]),
        }
    attributes = {"spectrum": {"mass_kev": 7.0}, "summary": {"k_t2_half_h_mpc": 30.0}}
    return store.Record(datasets, attributes)


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_whole_figure(tmp_path, suffix):
    path = plots.save(plots.figure_record(record()), tmp_path / f"figure.{suffix}")
    assert path.stat().st_size > 1000
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("production, transfer", [(False, True), (True, False), (False, False)])
def test_parts_may_be_missing(tmp_path, production, transfer):
    plots.save(plots.figure_record(record(production, transfer)), tmp_path / "figure.png")


def test_scalars_that_never_were(tmp_path):
    figure = plots.figure_build_up(T, Q, 0.0 * GROWTH, T, Q, GROWTH)
    plots.save(figure, tmp_path / "figure.png")


def test_unknown_type_and_missing_spectrum(tmp_path):
    with pytest.raises(ValueError, match="unknown figure type"):
        plots.save(plots.figure_record(record()), tmp_path / "figure.xyz")
    with pytest.raises(ValueError, match="spectrum/q"):
        plots.figure_record(store.Record({}, {}), "out.h5")
    assert not list(tmp_path.iterdir())


def test_early_and_late_add_up():
    yield_n = np.linspace(0.0, 2.0, 50)
    yield_s = np.where(np.arange(50) < 25, 5.0, 0.0) + 1.0 - 0.5 * yield_n
    parts = plots.early_and_late(np.geomspace(1e3, 1.0, 50), yield_s, yield_n, T, GROWTH)
    early, late = parts.values()
    assert np.allclose(early + late, GROWTH[-1])
    # half the neutrinos are made before the scalars decouple, half way through the history
    assert early.sum() / GROWTH[-1].sum() == pytest.approx(0.5, abs=0.03)


def test_figure_of_margins(tmp_path):
    entries = {
        "half-mode": {"status": "forbidden", "margin": -37.0},
        "satellites": {"status": "allowed", "margin": 0.2},
        "phase-space": {"status": "undecided"},
    }
    figure = plots.figure_verdicts(entries)
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == list(entries)
    plots.save(figure, tmp_path / "figure.pdf")
