"""Evaluations that cost nothing, for the tests of the scan itself; imported by its workers."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from sterile.scan.evaluation import Column, Description

SCAN = {
    "model": {"kind": "scalar-decay", "scalar_mass_gev": 100.0},
    "scan": {
        "design": "grid",
        "batch": 1,
        "chunk": 4,
        "parameters": {
            "portal_coupling": {"low": 1e-10, "high": 1e-3, "points": 9, "spacing": "log"},
            "yukawa": {"low": 1e-11, "high": 1e-6, "points": 7, "spacing": "log"},
        },
    },
}


@dataclass(frozen=True)
class Cheap:
    """Closed forms of lambda and y; ``seconds`` a chunk, a group below and above 1e-6.

    ``nan_below``: y below which the result is not finite; ``deadly``: y whose worker dies;
    ``die_once``: a file, absent so far, on whose making the worker dies.
    """

    seconds: float = 0.0
    nan_below: float = 0.0
    raises_above: float = 1.0
    deadly: float = -1.0
    die_once: str = ""
    width: int = 0

    def describe(self, values):
        columns = {f"points/{n}": Column((), "<f8", "1", "scanned parameter") for n in values}
        columns["points/status"] = Column((), "<i4", "1", "status")
        columns["points/mass_kev"] = Column((), "<f8", "keV", "mass")
        for part, dtype in {"status": "<i4", "margin": "<f8"}.items():
            columns[f"verdicts/half-mode/{part}"] = Column((), dtype, "1", part)
        if self.width:
            columns["transfer/t2"] = Column((self.width,), "<f8", "1", "curve")
        return Description(columns, {}, {"verdicts/half-mode": {"source": "invented"}})

    def groups(self, values):
        return (values["portal_coupling"] > 1e-6).astype(int)

    def compute(self, values, tight=False):
        time.sleep(self.seconds)
        coupling, yukawa = values["portal_coupling"], values["yukawa"]
        if self.die_once and not Path(self.die_once).exists():
            Path(self.die_once).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if np.any(np.isclose(yukawa, self.deadly, rtol=1e-6, atol=0.0)):
            os.kill(os.getpid(), signal.SIGKILL)
        if np.any(yukawa > self.raises_above):
            raise RuntimeError("too large")
        mass = np.sqrt(coupling / 1e-8) * (yukawa / 1e-9) ** 0.25
        status = np.zeros(len(mass), dtype="<i4")
        if not tight:
            status[yukawa < self.nan_below] = 21
            mass = np.where(yukawa < self.nan_below, np.nan, mass)
        margin = np.log10(yukawa / 1e-9) - 0.5 * np.log10(coupling / 1e-7) ** 2 + 1.0
        found = {
            "points/status": status,
            "points/mass_kev": mass,
            "verdicts/half-mode/status": np.where(margin > 0, 0, 2).astype("<i4"),
            "verdicts/half-mode/margin": margin,
        }
        if self.width:
            found["transfer/t2"] = np.outer(mass, np.ones(self.width))
        return found


def environment_of_worker():
    """The environment of the process that runs this."""
    return dict(os.environ)


def content(path):
    """Every dataset of a results file."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: found.update({name: item[()]}) if hasattr(item, "shape") else None
        )
    return found


def same(path, other):
    """Whether two results files hold the same bits."""
    one, two = content(path), content(other)
    assert one.keys() == two.keys()
    for name in one:
        assert one[name].tobytes() == two[name].tobytes(), name
