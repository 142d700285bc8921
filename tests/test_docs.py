"""README and the pages in docs/: every Python block runs, every name is described."""

import re
from pathlib import Path

import brian2
import pytest

import brian2_multiscale
from brian2_multiscale.surrogates.weights.recipes import FIBRES

DOCS = Path(__file__).parents[1] / "docs"
PAGES = [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))]

#: A block that is too slow, or needs what only a user has, says so above it
FENCE = re.compile(
    r"(?P<skip><!-- not run: .+ -->\n+)?^```python\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def blocks(page):
    """Line number and code of the blocks to run."""
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        if not found["skip"]:
            yield text.count("\n", 0, found.start("code")), found["code"]


@pytest.mark.parametrize(
    "page", [p for p in PAGES if any(blocks(p))], ids=lambda page: page.stem
)
def test_blocks_run(page, tmp_path, monkeypatch):
    """In the order of the page; each is a network of its own, as in a new cell."""
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    exec("from brian2 import *\nfrom brian2_multiscale import *", namespace)
    for line, code in blocks(page):
        brian2.start_scope()
        # Tracebacks show the line of the page
        exec(compile("\n" * line + code, str(page), "exec"), namespace)


def test_every_public_name_has_one_place_in_the_reference():
    """What no section names is in the first; nothing is in two places."""
    reference = (DOCS / "api.md").read_text(encoding="utf-8")
    excluded = re.search(r":exclude-members:(.*?)```", reference, re.DOTALL)[1]
    documented = re.findall(r"\.\. auto(?:class|exception|function):: (\w+)", reference)
    described = ["binomial_draw"]  # an object of Brian2 with its own docstring
    assert sorted(documented + described) == sorted(re.findall(r"\w+", excluded))
    assert {*documented, *described} <= {*brian2_multiscale.__all__}


def test_errors_of_shipped_surrogates_are_those_in_their_files():
    """``make weights`` may change them."""
    page = (DOCS / "surrogates.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `'(\w+)'` \|.*\| (\d+) \| (.+) % \| (.+) % \|$", page, re.M)
    assert [name for name, *_ in rows] == ["ihc_verhulst2018", *FIBRES]
    for name, size, *errors in rows:
        surrogate = brian2_multiscale.Surrogate.load(name)
        output = surrogate.outputs[0].name
        splits = [surrogate.meta["metrics"][k] for k in ("validation", "held_out")]
        found = [f"{100 * split[output]['nrmse']:.1f}" for split in splits]
        assert (str(surrogate.size), found) == (size, errors), name


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        targets = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
        local = [t for t in targets if "://" not in t and not t.startswith("gallery/")]
        missing = [t for t in local if not (page.parent / t).exists()]
        assert not missing, f"{page.name}: {missing}"
