"""Sphinx extension: sphinx-gallery shows pictures that were drawn earlier.

Examples that are not run have no pictures of their own. Theirs are in docs/images under
the name of the script; this puts them on the page and on the thumbnail.
"""

from pathlib import Path

from PIL import Image

__all__ = ["setup"]

THUMBNAIL = (400, 280)  # pixels, as sphinx-gallery's own


def setup(app):
    # After sphinx-gallery, which has the default priority
    app.connect("builder-inited", _show_pictures, priority=600)
    return {"parallel_read_safe": True}


def _show_pictures(app):
    source = Path(app.srcdir)
    for page in (source / "gallery").rglob("*.rst"):
        picture = source / "images" / f"{page.stem}.png"
        text = page.read_text(encoding="utf-8")
        shown = _with_title(text)
        if picture.exists():
            shown = _with_picture(shown, picture)
            thumbnail = f"sphx_glr_{page.stem}_thumb.png"
            _shrink(picture, page.parent / "images" / "thumb" / thumbnail)
        if shown != text:
            page.write_text(shown, encoding="utf-8")


def _with_title(text):
    """The first line of a docstring without underline becomes the title."""
    label, found, docstring = text.partition("\n.. _sphx_glr_gallery")
    if not found or "rst-class:: sphx-glr-example-title" not in label:
        return text
    target, _, body = docstring.partition("\n")
    title, _, rest = body.lstrip("\n").partition("\n")
    if rest.lstrip().startswith("===") or title.startswith("==="):
        return text
    title = title.rstrip(".")
    return f"{label}{found}{target}\n\n{title}\n{'=' * len(title)}\n{rest}"


def _with_picture(text, picture):
    """The picture comes after the docstring, before the code."""
    directive = f".. image:: /images/{picture.name}\n   :alt: {picture.stem}\n"
    if directive in text:
        return text
    docstring, marker, code = text.partition(".. GENERATED FROM PYTHON SOURCE LINES")
    return f"{docstring}{directive}\n{marker}{code}"


def _shrink(picture, thumbnail):
    thumbnail.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(picture) as image:
        image = image.convert("RGB")
        image.thumbnail(THUMBNAIL)
        canvas = Image.new("RGB", THUMBNAIL, "white")
        left, top = ((a - b) // 2 for a, b in zip(THUMBNAIL, image.size, strict=True))
        canvas.paste(image, (left, top))
        canvas.save(thumbnail)
