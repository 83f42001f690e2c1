"""Whole numbers from 1 to 999,999, said in Chinese and in English, and as rows of token ids: for the chapter on translation."""

from operator import index

import numpy as np
import torch

ZH = list("零一二三四五六七八九十百千万")
ONES = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
EN = ["<end>", "<start>", *ONES, *TENS, "hundred", "thousand"]
BLANK = len(ZH)  # fills a row behind a short sentence
LONGEST = 12, 11  # characters in Chinese, words in English with their end


def _below_ten_thousand(n):
    text, gap = "", False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = n // unit % 10
        if digit:
            text += ("零" if gap else "") + ZH[digit] + name
            gap = False
        elif text:
            gap = True
    return text


def chinese(n):
    """Return n in Chinese, which counts in ten thousands: 120,345 is 十二万零三百四十五."""
    n = index(n)  # numpy's own would wrap
    if not 1 <= n < 10**6:
        raise ValueError(f"from 1 to 999,999, got {n}")
    high, low = divmod(n, 10_000)
    text = _below_ten_thousand(high) + "万" if high else ""
    text += ("零" if high and 0 < low < 1000 else "") + _below_ten_thousand(low)
    return text[1:] if text.startswith("一十") else text


def _below_thousand(n):
    hundreds, rest = divmod(n, 100)
    words = [ONES[hundreds - 1], "hundred"] if hundreds else []
    if rest >= 20:
        words.append(TENS[rest // 10 - 2])
        rest %= 10
    return words + ([ONES[rest - 1]] if rest else [])


def english(n):
    """Return the words of n in English, which counts in thousands."""
    n = index(n)
    if not 1 <= n < 10**6:
        raise ValueError(f"from 1 to 999,999, got {n}")
    thousands, rest = divmod(n, 1000)
    head = [*_below_thousand(thousands), "thousand"] if thousands else []
    return head + _below_thousand(rest)


def encode(numbers):
    """Return token ids: Chinese (count, 12) filled with BLANK, English (count, 11) with <end>."""
    source = np.full((len(numbers), LONGEST[0]), BLANK)
    target = np.zeros((len(numbers), LONGEST[1]), int)
    for i, n in enumerate(numbers):
        zh, en = chinese(n), english(n)
        source[i, : len(zh)] = [ZH.index(c) for c in zh]
        target[i, : len(en)] = [EN.index(w) for w in en]
    return torch.from_numpy(source), torch.from_numpy(target)


def held_out(n):
    """Is this number kept for the examination?"""
    return n > 999 and n % 7 == 3


def draw(count, rng, digits=None, exam=False):
    """Return `count` numbers; each length from 1 to 6 digits is equally likely, or one is given."""
    if digits is not None and not 1 <= (digits := index(digits)) <= 6:
        raise ValueError(f"from 1 to 6 digits, got {digits}")
    numbers = []
    while len(numbers) < count:
        size = int(rng.integers(1, 7)) if digits is None else digits
        n = int(rng.integers(10 ** (size - 1), 10**size))
        if held_out(n) == (exam and n > 999):
            numbers.append(n)
    return numbers
