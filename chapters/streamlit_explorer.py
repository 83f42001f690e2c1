"""Loss explorer: a Streamlit app over the table of logits of the book's first chapter.

    streamlit run chapters/streamlit_explorer.py

Above: pick a token of the line, rewrite the logits behind it, turn the temperature, and read what each name of the
loss says. Below: turn a figure from a paper (a perplexity, bits per token, a probability) into all the other names.
"""

import math

import numpy as np
import streamlit as st

LINE = "横看成岭侧成峰，"
VOCAB = "横看成岭侧峰，"
LOGITS = [  # row: the token just read; column: a score for each token that may come
    [0, 3, 0, 1, 1, 0, 0],
    [0, 0, 2, 1, 0, 1, 0],
    [0, 0, 0, 3, 0, 1, 0],
    [1, 0, 0, 0, 1, 1, 2],
    [0, 1, 2, 0, 0, 1, 0],
    [0, 0, 0, 1, 0, 0, 3],
    [3, 0, 1, 0, 1, 0, 0],
]
PLACES = [f"{n + 1}: {LINE[n]} after {LINE[n - 1]}" for n in range(len(LINE))]
NAMES = ["NLL per token, nats", "bits per token", "perplexity", "P of the whole text"]
BARS = {  # Vega-Lite; the axis stays when the temperature turns
    "mark": {"type": "bar", "color": "#2372b0"},
    "encoding": {
        "y": {"field": "token", "sort": None, "title": None},
        "x": {
            "field": "probability",
            "type": "quantitative",
            "scale": {"domain": [0, 1]},
            "title": "probability of each next token",
        },
    },
}


def log_softmax(z):
    """Return z − ln Σ exp z along the last axis."""
    z = z - z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def read_logits(text):
    """Return the seven numbers in a text. Raises ValueError that says what is wrong."""
    row = [float(word) for word in text.replace(",", " ").split()]
    if len(row) != len(VOCAB):
        raise ValueError(f"{len(VOCAB)} logits are needed, not {len(row)}")
    if not all(map(math.isfinite, row)):
        raise ValueError("a logit must be finite")
    return row


def translate(name, value, tokens):
    """Return the nats per token behind one figure. Raises ValueError where no text can have it."""
    if not math.isfinite(value) or value < 0:
        raise ValueError("it must be a number, and not negative")
    if name == NAMES[0]:
        return value
    if name == NAMES[1]:
        return value * math.log(2)
    if name == NAMES[2]:
        if value < 1:
            raise ValueError("a perplexity is at least 1")
        return math.log(value)
    if not 0 < value <= 1:
        raise ValueError("a probability of a text lies above 0 and is at most 1")
    return -math.log(value) / tokens


def explore():
    """Draw the upper half: one token, its logits, the temperature."""
    place = st.selectbox("Which token comes?", PLACES, index=2)
    token = PLACES.index(place)
    before, comes = VOCAB.index(LINE[token - 1]), VOCAB.index(LINE[token])
    # No key: a new default makes a new widget, so each token begins with its own row.
    text = st.text_input(
        f"Logits after {LINE[token - 1]}, for {' '.join(VOCAB)}",
        " ".join(map(str, LOGITS[before])),
    )
    temperature = st.slider("Temperature", 0.25, 4.0, 1.0, 0.25)
    try:
        row = read_logits(text)
    except ValueError as error:
        st.error(f"These are not logits: {error}.")
        return
    table = np.array(LOGITS, float)
    table[before] = row
    log_q = log_softmax(table / temperature)
    pairs = [(VOCAB.index(LINE[n - 1]), VOCAB.index(LINE[n])) for n in range(len(LINE))]
    nll, line = -log_q[before, comes], -np.mean([log_q[pair] for pair in pairs])
    for column, (name, value) in zip(
        st.columns(4),
        {
            "p of the token": math.exp(-nll),
            "its NLL, nats": nll,
            "NLL of the line": line,
            "perplexity": math.exp(line),
        }.items(),
        strict=True,
    ):
        column.metric(name, f"{value:.4f}")
    probabilities = np.exp(log_q[before]).round(4)
    st.vega_lite_chart(
        {"token": list(VOCAB), "probability": probabilities},
        BARS | {"description": f"Probabilities of {VOCAB}: {probabilities.tolist()}"},
        height=230,
    )


def convert():
    """Draw the lower half: one figure under its other names."""
    left, middle, right = st.columns(3)
    name = left.selectbox("A paper gives", NAMES, index=2)
    value = middle.number_input("its value", value=2.49, format="%.6g", min_value=0.0)
    tokens = right.number_input("for this many tokens", min_value=1, value=8)
    try:
        nats = translate(name, value, tokens)
    except ValueError as error:
        st.error(f"No text has this {name}: {error}.")
        return
    st.table(
        {
            "name": ["NLL per token", "bits per token", "perplexity", "ln P(text)"],
            "value": [
                f"{nats:.4f}",
                f"{nats / math.log(2):.4f}",
                f"{math.exp(nats):.4f}" if nats < 700 else "above 1e304",
                f"{-nats * tokens:.4f}",
            ],
        }
    )


st.set_page_config("Loss explorer", layout="centered")
st.title("Loss explorer")
explore()
st.subheader("The same number, in your paper's words")
convert()
