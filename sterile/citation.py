"""What a user should cite, BibTeX: written into every result."""

from collections.abc import Sequence

_SOFTWARE = """\
@software{sterile_spectra,
  author = {{the sterile-spectra authors}},
  title = {sterile-spectra: sterile-neutrino dark matter from the Lagrangian to structure},
  year = {2026}
}
"""


def citation_of(entries: Sequence[str]) -> str:
    """The package's BibTeX entry and those of a mechanism, ``entries``."""
    return "".join((_SOFTWARE, *entries))
