"""chapters/linalg-lectures.md and linalg_poster.py: the drawings are those that the code makes, the factors are factors, the map is whole."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "chapters"))
import linalg_poster as drawing  # noqa: E402

EPS = np.finfo(float).eps


def listed():
    """Return the part's chapters in the order of the book."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    files = [c["file"] for part in toc["parts"] for c in part["chapters"]]
    return [f.removeprefix("chapters/linalg-") for f in files if "/linalg-" in f]


def test_the_page_holds_the_drawings_that_the_code_makes():
    page = drawing.PAGE.read_text(encoding="utf-8")
    assert drawing.filled(page) == page, "run python chapters/linalg_poster.py"
    with pytest.raises(ValueError, match="places"):
        drawing.filled(page.replace("<!-- poster -->", ""))


def test_each_product_is_its_matrix_and_each_factor_has_its_shape():
    for name, _, A, made in drawing.factors():
        size = np.prod([np.linalg.norm(M) for M in made])
        product = np.linalg.multi_dot(made) if len(made) > 2 else made[0] @ made[1]
        assert np.abs(product - A).max() <= 100 * EPS * size, name
    made = {name: made for name, _, _, made in drawing.factors()}
    (L, U), (Q, R) = made["A = LU"], made["A = QR"]
    assert not np.triu(L, 1).any() and not np.tril(U, -1).any()
    assert not np.tril(R, -1).any() and np.allclose(Q.T @ Q, np.eye(3))
    for name in ("A = SΛS⁻¹", "A = QΛQᵀ", "A = UΣVᵀ"):
        middle = made[name][1]
        assert np.array_equal(middle, np.diag(np.diag(middle)))
    V = made["A = QΛQᵀ"][0]
    assert np.allclose(V.T @ V, np.eye(4))
    for M in (m for factors in made.values() for m in factors):
        gap = np.abs(M)[np.abs(M) > 1e-9]
        assert gap.min() > 1e-3, "full or pale is no matter of rounding"


def test_the_map_and_the_questions_name_every_chapter_and_only_forward():
    order = listed()[1:]
    assert sorted(page for page, *_ in drawing.CHAPTERS) == sorted(order)
    assert {page for pair in drawing.HELPS for page in pair} == set(order)
    for one, two in drawing.HELPS:
        assert order.index(one) < order.index(two), (one, two)
    page = drawing.PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[.*?\]\(linalg-(.*?)\.ipynb\)", page, re.M)
    assert rows == order
