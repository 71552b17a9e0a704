"""What a user should cite, BibTeX: the package, mechanisms, tables, and the bounds of a result.

Mechanisms bring their own entries, and those of the tables they stand on. What a bound says of its
source becomes an entry by itself, so that a new bound is cited as soon as it is there.
"""

import re
from collections.abc import Iterable, Sequence

_SOFTWARE = """\
@software{sterile_spectra,
  author = {{the sterile-spectra authors}},
  title = {sterile-spectra: sterile-neutrino dark matter from the Lagrangian to structure},
  year = {2026}
}
"""
# the tables behind T² and P(k), and the cosmology that they are of unless another is asked for
_STRUCTURE = (
    """\
@article{Blas:2011rf,
  author = {Blas, Diego and Lesgourgues, Julien and Tram, Thomas},
  title = {The Cosmic Linear Anisotropy Solving System (CLASS) II: Approximation schemes},
  journal = {JCAP}, volume = {07}, pages = {034}, year = {2011}, eprint = {1104.2933}
}
""",
    """\
@article{Lewis:1999bs,
  author = {Lewis, Antony and Challinor, Anthony and Lasenby, Anthony},
  title = {Efficient computation of CMB anisotropies in closed FRW models},
  journal = {Astrophys. J.}, volume = {538}, pages = {473}, year = {2000},
  eprint = {astro-ph/9911177}
}
""",
    """\
@article{Planck:2018vyg,
  author = {{Planck Collaboration}},
  title = {Planck 2018 results. VI. Cosmological parameters},
  journal = {Astron. Astrophys.}, volume = {641}, pages = {A6}, year = {2020},
  eprint = {1807.06209}
}
""",
)
_IDENTIFIER = r"(?:\d{4}\.\d{4,5}|(?:astro-ph|hep-ph)/\d{7})"
_NAME = r"[A-Z][\w'’-]+"
_AUTHORS = rf"{_NAME}(?: et al\.|(?:, {_NAME})* & {_NAME}| combination)?"
_NUMBERED = re.compile(rf"(?:(?P<authors>{_AUTHORS}) )?(?P<eprint>{_IDENTIFIER})(?:v\d)?")
_DATED = re.compile(rf"(?P<authors>{_NAME}(?: et al\.| & {_NAME})) (?P<year>(?:19|20)\d\d)\b")
_EPRINT = re.compile(r"eprint\s*=\s*\{([^}]+)\}")


def citation_of(entries: Sequence[str]) -> str:
    """BibTeX of the package, of the tables of structure, and of a mechanism, ``entries``."""
    return "".join(dict.fromkeys((_SOFTWARE, *entries, *_STRUCTURE)))


def with_sources(text: str, sources: Iterable[str]) -> str:
    """BibTeX ``text`` with an entry for each work that the ``sources`` of bounds name.

    A source is a sentence with an arXiv number, or with authors and a year; a work whose number
    ``text`` has is left out. Such entries hold what the source says and no title.
    """
    known = set(_EPRINT.findall(text))
    found = [text]
    for source in dict.fromkeys(sources):
        for key, entry in _entries_of(source):
            if key not in known:
                known.add(key)
                found.append(entry)
    return "".join(found)


def _entries_of(source: str) -> list[tuple[str, str]]:
    """(number or label, BibTeX) of each work that a source names."""
    entries = []
    for match in _NUMBERED.finditer(source):
        number = match["eprint"]
        fields = {
            "author": _people(match["authors"]),
            "eprint": number,
            "archivePrefix": "arXiv",
            "url": f"https://arxiv.org/abs/{number}",
        }
        entries.append((number, _entry(number.replace("/", "-"), fields, source)))
    if entries:
        return entries
    for match in _DATED.finditer(source):
        fields = {"author": _people(match["authors"]), "year": match["year"]}
        label = re.sub(r"\W", "", match["authors"].split()[0]) + match["year"]
        entries.append((label, _entry(label, fields, source)))
    return entries


def _people(authors: str | None) -> str | None:
    if authors is None:
        return None
    if authors.endswith(" et al."):
        return authors.removesuffix(" et al.") + " and others"
    if " & " not in authors:
        return f"{{{authors}}}"
    return authors.replace(", ", " and ").replace(" & ", " and ")


def _entry(key: str, fields: dict[str, str | None], source: str) -> str:
    note = re.sub(r"([%&$#_{}\\])", r"\\\1", " ".join(source.split()))
    lines = [f"  {name} = {{{value}}}" for name, value in fields.items() if value is not None]
    body = ",\n".join([*lines, f"  note = {{{note}}}"])
    return f"@misc{{{key},\n{body}\n}}\n"
