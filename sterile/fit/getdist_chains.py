"""Chains of a fit as getdist and CosmoMC read them: ROOT_1.txt, ..., ROOT.paramnames, ROOT.ranges.

Read in getdist 1.7.7 (chains.py, paramnames.py, parampriors.py): columns weight, -ln likelihood,
parameters; a name with * is derived; a range says where a prior ends, N where it does not.
"""

import json
import re
import tomllib
from pathlib import Path

import numpy as np

from spectra.files import check_writable, write_together
from sterile.fit.priors import Prior
from sterile.fit.settings import CHAINS, PriorSection
from sterile.fit.store import Fit, quantities


def write_getdist(fit: Fit, root: str | Path) -> list[Path]:
    """Write the draws of a fit for ``getdist.loadMCSamples(root)``; returns the files.

    All draws have weight one, warm-up is left out, and every chain holds the branches by weight.
    Parameters with a prior in the logarithm have a column log10_NAME as well.

    Parameters
    ----------
    fit : of :func:`sterile.fit.store.load`, by a method that draws.
    root : path of the files, without ending; existing ones are replaced.

    Raises
    ------
    ValueError
        If the fit has no draws or is not finished, or the files cannot be written.
    """
    root = Path(root)
    method = fit.summary.get("method")
    if method not in CHAINS or "posterior" not in fit.groups:
        raise ValueError(
            f'method = "{method}" has no chains for getdist; fit with method = "surrogate"'
        )
    if "chi_square" not in fit.groups["sample_stats"]:
        raise ValueError("the fit is not finished; go on with `sterile fit --resume`")
    priors = _priors(fit)
    columns = _columns(fit, priors)
    likelihood = 0.5 * fit.groups["sample_stats"]["chi_square"]
    texts = {}
    for chain, minus_log in enumerate(likelihood):
        rows = np.column_stack(
            [np.ones_like(minus_log), minus_log, *(values[chain] for values, _ in columns.values())]
        )
        text = "".join(" ".join(f"{value:.10e}" for value in row) + "\n" for row in rows)
        texts[_beside(root, f"_{chain + 1}.txt")] = text
    names = [
        f"{name}{'' if name in priors else '*'}\t{label}\n" for name, (_, label) in columns.items()
    ]
    texts[_beside(root, ".paramnames")] = "".join(names)
    texts[_beside(root, ".ranges")] = "".join(_ranges(priors))
    for path in texts:
        check_writable(path)

    def writer(text: str):
        return lambda temporary: temporary.write_bytes(text.encode())

    return write_together({path: writer(text) for path, text in texts.items()})


def _beside(root: Path, ending: str) -> Path:
    return root.with_name(root.name + ending)


def _priors(fit: Fit) -> dict[str, Prior]:
    text = fit.config_toml
    # a fit of a dict keeps it as JSON
    content = json.loads(text) if text.startswith("{") else tomllib.loads(text)
    sections = content["fit"]["prior"]
    priors = {}
    for name, content in sections.items():
        given = PriorSection.model_validate(content).model_dump(exclude_none=True)
        ((kind, numbers),) = given.items()
        priors[name] = Prior(kind, *map(float, numbers))
    return priors


def _columns(fit: Fit, priors: dict[str, Prior]) -> dict[str, tuple[np.ndarray, str]]:
    """Name → draws (chain, draw) and TeX label, what has a prior first."""
    known, posterior = quantities(), fit.groups["posterior"]
    ordered = [*(name for name in priors if name in posterior)]
    ordered += [name for name in posterior if name not in priors]
    columns = {}
    for name in ordered:
        values = np.asarray(posterior[name], dtype=float)
        if not np.isfinite(values).all() or np.ptp(values) == 0.0:
            continue  # getdist takes neither
        label = _label(known[name].symbol, name) if name in known else _label("", name)
        columns[name] = (values, label)
        if name in priors and priors[name].logarithmic:
            columns[f"log10_{name}"] = (np.log10(values), rf"\log_{{10}} {label}")
    return columns


def _label(symbol: str, name: str) -> str:
    """TeX without dollars, of a symbol and its unit such as "$m_N$ [keV]"."""
    found = re.fullmatch(r"\$(.+?)\$(?: \[(.+)\])?", symbol)
    if found is None:
        return r"\mathrm{" + name.replace("_", r"\_") + "}"
    unit = "" if found[2] is None else rf"\,[\mathrm{{{found[2].replace('$', '')}}}]"
    return found[1] + unit


def _ranges(priors: dict[str, Prior]) -> list[str]:
    lines = []
    for name, prior in priors.items():
        ends = (prior.first, prior.second) if prior.bounded else None
        lines.append(f"{name} " + ("N N" if ends is None else f"{ends[0]:g} {ends[1]:g}") + "\n")
        if prior.logarithmic and ends is not None:
            lines.append(f"log10_{name} {np.log10(ends[0]):g} {np.log10(ends[1]):g}\n")
    return lines
