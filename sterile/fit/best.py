"""method = "map" and "fisher": best fits, and what the data say around the best of them."""

import time
from collections.abc import Callable
from pathlib import Path

import equinox as eqx
import numpy as np

from sterile.citation import citation_of
from sterile.fit import problem, store
from sterile.fit.forecasts import fisher
from sterile.fit.optimum import LOOKED, maximum, starts
from sterile.fit.settings import FitStopped, Settings
from sterile.fit.target import observed_names, values_at
from sterile.status import Status, message_of, name_of


def best(settings: Settings, output: Path, say: Callable[[str], None]) -> dict:
    """Climb from the best of some draws from the priors, write ``output``, return the summary.

    ``say``: called with a line of text now and then. Raises :class:`FitStopped` if no draw has a
    finite density.
    """
    began = time.monotonic()
    say("preparing")
    target = problem.target_of(settings)
    say("looking for starts (compiling)")
    seeds = starts(target, LOOKED * settings.fit.starts, settings.fit.seed)[: settings.fit.starts]
    if not seeds:
        raise FitStopped(
            "no draw from the priors has a finite density; check priors and likelihoods"
        )
    found = []
    for i, (_, z) in enumerate(seeds):
        found.append(maximum(target, z))
        say(f"start {i + 1} of {len(seeds)}: chi^2 = {found[-1].chi_square:.6g}")
    found.sort(key=lambda each: each.potential)
    highest = found[0]
    warnings = []
    if not highest.converged:
        warnings.append("the best search did not converge; give more starts")
    warnings += [f"{name} is at a bound of its prior" for name in highest.at_bound]
    status = int(_status(target, highest.z))
    if status != Status.SUCCESS:
        warnings.append(f"at the maximum: {message_of(status)}")
    groups = {
        "posterior": {
            name: np.array([[each.values[name]] for each in found]) for name in highest.values
        },
        "sample_stats": {
            "lp": np.array([[-each.potential] for each in found]),
            "chi_square": np.array([[each.chi_square] for each in found]),
        },
    }
    summary = {
        "method": settings.fit.method,
        "kind": settings.run.model.kind,
        "maximum": highest.values,
        "chi_square": highest.chi_square,
        "converged": highest.converged,
        "status": name_of(status),
        "starts": [
            {"potential": each.potential, "converged": each.converged, **each.values}
            for each in found
        ],
    }
    coordinates: tuple[str, ...] = ()
    if settings.fit.method == "fisher":
        say("Fisher matrix (compiling)")
        made = fisher(target, highest.values)
        coordinates = made.names
        groups["fisher"] = {
            "matrix": made.matrix,
            "covariance": made.covariance,
            "correlation": made.correlation,
            "sigma": made.sigma,
        }
        errors = dict(zip(made.names, made.sigma)) | made.derived
        summary["sigma"] = {name: float(s) for name, s in errors.items() if np.isfinite(s)}
        warnings += list(made.warnings)
    summary |= {"seconds": time.monotonic() - began, "warnings": warnings}
    citation = citation_of(settings.run.model.mechanism.citations)
    store.write(output, store.Fit(groups, summary, settings.text, coordinates, citation))
    return summary


@eqx.filter_jit
def _status(target, z):
    """Code of what the likelihoods need there."""
    return target.observe(values_at(target, z), (*observed_names(target), "status"))["status"]
