"""Sphinx: the documentation site. ``make docs`` builds it, with warnings as errors.

Pages are the Markdown that is read on GitHub too, and notebooks, executed as the site is built.
Formulas become MathML here, so that neither the build nor a reader fetches anything.
"""

import importlib
import os
import re
from importlib.metadata import version as version_of
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

DOCS = Path(__file__).parent
# notebooks are run by a kernel of this environment
os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# each program runs a few times: compile in a hurry, as the tests do, and keep what was compiled
_quick = ["--xla_backend_optimization_level=0"]
if tuple(map(int, version_of("jaxlib").split(".")[:2])) < (0, 11):
    _quick.append("--xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("XLA_FLAGS", " ".join(_quick))
if "STERILE_CACHE_DIR" in os.environ:
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", os.environ["STERILE_CACHE_DIR"])

project = "sterile-spectra"
author = "the sterile-spectra authors"
copyright = author
html_title = "sterile-spectra"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx_copybutton"]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {"navigation_with_keys": True}
html_math_renderer = "mathml"
copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "cache"
nb_execution_in_temp = True
nb_execution_show_tb = True  # a failure is a warning, and so ends the build, when all have run
nb_execution_timeout = 600
nb_merge_streams = True

autodoc_typehints = "none"
autodoc_member_order = "groupwise"
autodoc_preserve_defaults = True
# fields are described under Attributes, once
autodoc_default_options = {"members": True, "imported-members": True}

# pages at the root of the repository, and the page of the site that shows each
ROOT_PAGES = {
    "CONTRIBUTING.md": "contributing.md",
    "BENCHMARKS.md": "benchmarks.md",
    "CHANGELOG.md": "changelog.md",
    "README.md": "index.rst",
}
# sources are not pages: they are named, and their name is not a link
_SOURCE_LINK = re.compile(r"\[([^\]]+)\]\((?:\.\./)*((?:spectra|sterile|runs|tests)/[^)]*)\)")


def on_source_read(app, docname, content):
    """A page of the root in place of its stub; links as they are within the site."""
    text = content[0]
    for page, shown in ROOT_PAGES.items():
        if shown == f"{docname}.md":
            text = (DOCS.parent / page).read_text(encoding="utf-8").replace("](docs/", "](")
    for page, shown in ROOT_PAGES.items():
        text = re.sub(rf"\]\((?:\.\./)*{re.escape(page)}", f"]({shown}", text)
    content[0] = _SOURCE_LINK.sub(r"\1 (`\2`)", text)


_SECTION = re.compile(r"^(Parameters|Attributes|Returns|Raises|Yields|Notes)$")
_KEPT = re.compile(r"``.*?``|:\w+:`[^`]*`", re.DOTALL)


def _plain(text: str) -> str:
    """Prose with what reStructuredText would take for markup escaped; literals and roles stay."""
    kept = _KEPT.findall(text)
    pieces = [re.sub(r"([*|\\])|(_)(?=\W|$)", r"\\\1\2", piece) for piece in _KEPT.split(text)]
    return "".join(a + b for a, b in zip(pieces, [*kept, ""]))


def on_docstring(app, what, name, obj, options, lines):
    """numpydoc sections as lists: ``name : what it is`` on one line, as written here."""
    text = _plain("\n".join(lines)).split("\n")
    found, inside, skip = [], False, False
    for line, below in zip(text, [*text[1:], ""]):
        if skip:
            skip = False
        elif _SECTION.match(line) and set(below.strip()) == {"-"}:
            found += ["", f".. rubric:: {line}", ""]
            inside, skip = True, True
        elif inside and line and not line.startswith(" "):
            name_, _, rest = line.partition(" : ")
            one_word = re.fullmatch(r"[\w.]+", line)  # an exception, or the type of a result
            entry = (
                f"**{name_.strip()}** – {rest}" if rest else f"**{line}**:" if one_word else line
            )
            found.append(f"* {entry}")
        else:
            found.append(f"  {line.strip()}" if inside and line.strip() else line)
    lines[:] = found


# what a room hands on and the package does too is described once, with the package
_OWNERS = {"api/structure": "spectra", "api/parents": "sterile"}


def on_skip(app, what, name, obj, skip, options):
    """Modules are pages of their own; constants have no docstring."""
    if type(obj).__name__ in ("module", "float", "int", "str", "dict", "tuple"):
        return True
    owner = _OWNERS.get(app.env.docname)
    above = importlib.import_module(owner).__all__ if owner else ()
    return True if name in above else None


def _inline(self, node):
    self.body.append(tex2mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def _block(self, node):
    self.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    app.connect("source-read", on_source_read)
    app.connect("autodoc-process-docstring", on_docstring)
    app.connect("autodoc-skip-member", on_skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
