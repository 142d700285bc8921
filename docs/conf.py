"""Sphinx configuration; build with `make docs`."""

from importlib.metadata import version as installed_version

project = "brian2_multiscale"
author = "The brian2_multiscale developers"
copyright = author
version = release = installed_version("brian2-multiscale")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "myst_parser",
    "numpydoc",
]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
numpydoc_show_class_members = False

html_title = f"{project} {release}"


def setup(app):
    """Mechanism files have no syntax that a highlighter knows."""
    from pygments.lexers.special import TextLexer

    app.add_lexer("eqs", TextLexer)
