"""Misspelt names: the error that says which one was meant."""

import difflib
from collections.abc import Iterable


def require_name(name: str, known: Iterable[str], message: str, what: str = "known") -> None:
    """Raise ``ValueError`` unless ``name`` is among ``known``.

    ``message``: what is wrong, with {} for the name; the nearest known name, or else all of them
    after the word ``what``, are added.
    """
    known = list(known)
    if name not in known:
        raise ValueError(f"{message.format(name)}; {hint(name, known, what)}")


def hint(name: str, known: Iterable[str], what: str = "known") -> str:
    """Did you mean ..., or the known names."""
    known = list(known)
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else f"{what}: {', '.join(known)}"
