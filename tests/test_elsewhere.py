"""A part of `make elsewhere`: the chapters that lean most on the last digits, under the arithmetic of other processors."""

import pytest
from elsewhere import CHAPTERS, fell, playable

MOST = {
    "linalg-two-pictures": ["SSE2", "AVX-512"],
    "linalg-elimination": ["SSE2"],
    "linalg-perpendicular": ["SSE2", "AVX2", "AVX-512", "two threads"],
    "linalg-directions-that-stay": ["Zen"],
    "linalg-svd-and-review": ["SSE2"],
    "loss-from-logits": ["SSE2", "AVX-512"],
    "transformer-attention": ["SSE2"],
    "transformer-inference": ["AVX2"],
}


@pytest.mark.parametrize(
    ("chapter", "kind"),
    [(c, k) for c, kinds in MOST.items() for k in kinds if k in playable()],
)
def test_a_chapter_stands_on_another_processor(chapter, kind):
    assert fell(CHAPTERS / f"{chapter}.ipynb", kind) is None
