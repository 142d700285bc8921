"""Sphinx configuration; build with `make docs`."""

import re
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "brian2_multiscale"
author = "The brian2_multiscale developers"
copyright = author
version = release = installed_version("brian2-multiscale")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "myst_parser",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "saved_pictures",
]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
numpydoc_show_class_members = False
exclude_patterns = ["**/GALLERY_HEADER.rst", "sg_execution_times.rst"]

scripts = {p.stem: p.read_text("utf-8") for p in HERE.parent.glob("examples/**/*.py")}
imported = set(re.findall(r"^(?:from|import) (\w+)", "\n".join(scripts.values()), re.M))
helpers = sorted(imported & {*scripts})

# Examples take minutes: they are shown with the pictures in docs/images, not run.
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "plot_gallery": False,
    "ignore_pattern": rf"^({'|'.join(helpers)})\.py$",
    "download_all_examples": False,
    "show_signature": False,
    "show_memory": False,
    "min_reported_time": 1e9,
}

html_title = f"{project} {release}"
# Tables of figures are wide
html_theme_options = {"page_width": "1200px", "body_max_width": "none"}


def setup(app):
    """Mechanism files have no syntax that a highlighter knows."""
    from pygments.lexers.special import TextLexer

    app.add_lexer("eqs", TextLexer)
