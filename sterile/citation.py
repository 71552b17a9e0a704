"""What a user should cite, BibTeX: written into every result."""

CITATION = """\
@software{sterile_spectra,
  author = {{the sterile-spectra authors}},
  title = {sterile-spectra: sterile-neutrino dark matter from the Lagrangian to structure},
  year = {2026}
}
@article{Koenig:2016dzg,
  author = {K{\\"o}nig, Johannes and Merle, Alexander and Totzauer, Maximilian},
  title = {keV sterile neutrino dark matter from singlet scalar decays: the most general case},
  journal = {JCAP}, volume = {11}, pages = {038}, year = {2016}, eprint = {1609.01289}
}
"""
