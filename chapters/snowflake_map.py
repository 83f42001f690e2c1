"""The map that opens the three Snowflake chapters: services, warehouses, store, and the question that each section asks of them."""

import matplotlib.pyplot as plt

# Part: (height of its lower edge, colour, what it is, the questions of the three chapters that are asked of it).
PARTS = {
    "services": (
        6.9,
        "C0",
        "SERVICES, shared: who may, the plan, the list of files",
        {
            "numbers": ("What may be skipped?",),
            "list": ("What if several write at once?",),
            "compute": ("Whose file is it?", "How many nodes should we rent?"),
        },
    ),
    "warehouses": (
        3.7,
        "C1",
        "WAREHOUSES, each customer's own: nodes with a cache",
        {
            "compute": (
                "Move now, or when asked?",
                "One node falls behind",
                "A second warehouse comes",
                "What is its cache worth?",
            ),
        },
    ),
    "store": (
        0.5,
        "C2",
        "STORE, shared: immutable files, never full, slow to ask",
        {
            "numbers": ("Where do the tables live?", "How should the rows lie?"),
            "list": ("Who may be thrown away?",),
        },
    ),
}


def architecture(chapter):
    """Draw the three layers; the questions of `chapter`, "numbers", "list" or "compute", are filled, the others' are empty."""
    if chapter not in ("numbers", "list", "compute"):
        raise ValueError(f"there is no Snowflake chapter {chapter!r}")
    fig, ax = plt.subplots(figsize=(6.4, 6.2))
    for low, colour, words, questions in PARTS.values():
        frame = plt.Rectangle((0, low), 10, 2.7, fc=colour, alpha=0.13, lw=0)
        ax.add_patch(frame)
        ax.text(0.2, low + 2.35, words, va="center")
        pinned = [(name, text) for name, asked in questions.items() for text in asked]
        for i, (name, text) in enumerate(pinned):
            x, y = 0.35 + 4.9 * (i % 2), low + 1.6 - 0.75 * (i // 2)
            here = name == chapter
            ax.plot(x, y, "o", color=colour, mfc=colour if here else "none", ms=8)
            ax.text(x + 0.28, y, text, va="center", alpha=1 if here else 0.75)
    for low in (3.25, 6.45):
        ax.annotate(
            "",
            (5, low - 0.05),
            (5, low + 0.45),
            arrowprops={"arrowstyle": "<->", "color": "#6b6f76"},
        )
    ax.text(5.2, 6.65, "which files to read", va="center")
    ax.text(5.2, 3.45, "bytes of files", va="center")
    ax.set(xlim=(-0.1, 10.1), ylim=(0.3, 9.8))
    ax.axis("off")
    ax.set_title("Three layers: each can grow without the others")
    return fig
