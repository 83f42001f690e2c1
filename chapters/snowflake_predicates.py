"""For chapters/snowflake-numbers.ipynb: how a predicate is spelled, for the pruner, in SQL and in Arrow; and dice.

A predicate is a tuple: ("<", column, constant), also <=, =, <>, >=, >; ("between", column, low, high);
("in", column, constants); ("like", column, pattern); ("null", column); ("not", p); ("and", *ps); ("or", *ps).
"""

import math
import operator
import re
from datetime import date, datetime
from decimal import Decimal
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc
from snowflake_store import alike

COMPARE = {"<": operator.lt, "<=": operator.le, "=": operator.eq} | {
    "<>": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}

# --- in fewer words -------------------------------------------------------------------------------------------


def after(prefix):
    """Return the first string after all that begin with prefix; None: there is none."""
    for end in range(len(prefix), 0, -1):
        point = ord(prefix[end - 1]) + 1
        point = 0xE000 if point == 0xD800 else point  # surrogates are no characters
        if point <= 0x10FFFF:
            return prefix[: end - 1] + chr(point)
    return None


def plain_like(column, pattern):
    """Spell LIKE with < and <=; what follows the prefix is left to ("any",)."""
    if pattern is None:
        return ("=", column, None)
    prefix, rest = re.match(r"([^%_]*)(.*)", pattern, re.S).groups()
    if not rest:
        return ("=", column, pattern)
    bounds = [(">=", column, prefix)]
    if after(prefix) is not None:
        bounds.append(("<", column, after(prefix)))
    if rest.strip("%"):
        bounds.append(("any", column, pattern))
    return ("and", *bounds)


def like(value, pattern):
    """Say whether a string is like a pattern of SQL without an escape."""
    parts = [{"%": ".*", "_": "."}.get(x, re.escape(x)) for x in pattern]
    return re.fullmatch("".join(parts), value, re.S) is not None


def plain(p):
    """Spell a predicate by <, <=, null, any, not, and, or. Raises ValueError for what is no predicate."""
    match p:
        case ("=", column, c):
            return ("and", ("<=", column, c), ("not", ("<", column, c)))
        case ("<>", column, c):
            return ("not", ("=", column, c))
        case (">", column, c):
            return ("not", ("<=", column, c))
        case (">=", column, c):
            return ("not", ("<", column, c))
        case ("between", column, low, high):
            return ("and", (">=", column, low), ("<=", column, high))
        case ("in", column, []):  # false, but for NULL unknown
            return ("and", ("null", column), ("<", column, None))
        case ("in", column, [*values]):
            return ("or", *[("=", column, c) for c in values])
        case ("like", column, (str() | None) as pattern):
            return plain(plain_like(column, pattern))
        case ("<" | "<=" | "any", _, _) | ("null" | "not", _) | ("and" | "or", *_):
            return p
    raise ValueError(f"this is no predicate: {p!r}")


# --- for the engines ------------------------------------------------------------------------------------------


def literal(value):
    """Return a value as SQL, of the type that it has here.

    A decimal without its type would be a DOUBLE for DuckDB from 39 characters on. Two decimals that need more than 38
    digits to stand side by side are not compared by DuckDB: it raises an error.
    """
    alike(value)
    match value:
        case None:
            return "NULL"
        case float():
            return f"'{value}'::DOUBLE"
        case datetime():
            return f"TIMESTAMP '{value}'"
        case date():
            return f"DATE '{value}'"
        case str():
            return "'" + value.replace("'", "''") + "'"
        case Decimal():
            _, digits, exponent = value.as_tuple()
            scale = max(-exponent, 0)
            width = max(len(digits) + max(exponent, 0), scale, 1)
            return f"'{value:f}'::DECIMAL({width}, {scale})"
    return str(value)


def quoted(column):
    """Return a column's name as SQL, also one that is a word of SQL's."""
    return '"' + column.replace('"', '""') + '"'


def sql(p):
    """Return a predicate as SQL, each abbreviation in the engine's own words. Raises ValueError for what is no predicate."""
    plain(p)
    match p:
        case ("not", q):
            return f"(NOT {sql(q)})"
        case ("and" | "or" as op, *qs):
            parts = map(sql, qs) if qs else ["true" if op == "and" else "false"]
            return "(" + f" {op.upper()} ".join(parts) + ")"
        case ("null", column):
            return f"({quoted(column)} IS NULL)"
        case ("between", column, low, high):
            return f"({quoted(column)} BETWEEN {literal(low)} AND {literal(high)})"
        case ("in", column, values):
            return f"({quoted(column)} IN ({', '.join(literal(v) for v in values)}))"
        case (op, column, c):
            return f"({quoted(column)} {op.upper()} {literal(c)})"


def arrow(p):
    """Return a predicate as an Arrow expression. Raises ValueError for what is no predicate."""
    plain(p)
    match p:
        case ("not", q):
            return ~arrow(q)
        case ("and" | "or" as op, *qs):
            pick = (lambda a, b: a & b) if op == "and" else (lambda a, b: a | b)
            return reduce(pick, map(arrow, qs), pc.scalar(op == "and"))
        case ("null", column):
            return pc.field(column).is_null()
        case (
            "like",
            column,
            str(pattern),
        ):  # match_like takes \ for an escape, but not in %\
            signs = ({"%": ".*", "_": "."}.get(c, re.escape(c)) for c in pattern)
            whole = rf"(?s)\A{''.join(signs)}\z"
            return pc.match_substring_regex(pc.field(column), whole)
        case ("between" | "in" | "like", *_):  # isin would find NULL in [NULL]
            return arrow(plain(p))
        case (_, _, None):
            return pc.scalar(pa.scalar(None, pa.bool_()))
        case (_, _, int(c)) if not -(2**63) <= c < 2**63:
            raise ValueError(f"Arrow has whole numbers of 64 bits here, and not {c}")
        case (op, column, c):
            return COMPARE[op](pc.field(column), pc.scalar(c))


# --- dice -----------------------------------------------------------------------------------------------------

KINDS = {  # column: (its SQL type, the values that are thrown)
    "i": ("BIGINT", [-(2**63), -1, 0, 1, 2**53, 2**53 + 1, 2**63 - 1]),
    "x": ("DOUBLE", [-math.inf, -1.5, -0.0, 0.0, 2.0, math.inf, math.nan]),
    "s": ("VARCHAR", ["", "a", "ab", "ab\n", "b", "\ud7ff", "\U0010ffff", "a%"]),
    "d": ("DATE", [date(2024, 2, 28), date(2024, 2, 29), date(2024, 7, 7)]),
    "m": ("DECIMAL(9, 2)", [Decimal(c) / 100 for c in (-1, 0, 10, 11, 9999)]),
    "t": ("TIMESTAMP", [datetime(2024, 2, 29, h, 0, 0, h // 12) for h in (0, 12, 23)]),
}
PATTERNS = ["", "a", "a%", "%", "a_", "_b%", "ab%b", "b%%", "\ud7ff%", "\U0010ffff%"]
PATTERNS += [None, "a\\_b"]


def draw_constant(kind, rng):
    """Throw a value of one kind, or None."""
    pool = [*KINDS[kind][1], None]
    return pool[rng.integers(len(pool))]


def draw_predicate(rng, depth):
    """Throw a predicate over the columns of KINDS, at most `depth` connectives deep."""
    if depth and rng.random() < 0.7:
        op = ("not", "and", "or")[rng.integers(3)]
        width = 1 if op == "not" else rng.integers(2, 4)
        return (op, *[draw_predicate(rng, depth - 1) for _ in range(width)])
    kind = list(KINDS)[rng.integers(len(KINDS))]
    op = rng.choice(["<", "<=", "=", "<>", ">", ">=", "between", "in", "like", "null"])
    constants = [draw_constant(kind, rng) for _ in range(3)]
    match str(op):
        case "null":
            return ("null", kind)
        case "between":
            return ("between", kind, *constants[:2])
        case "in":
            return ("in", kind, constants[: rng.integers(4)])
        case "like":
            return ("like", "s", PATTERNS[rng.integers(len(PATTERNS))])
    return (str(op), kind, constants[0])


def blur(s, rng):
    """Return Stats that know less: counts forgotten, bounds forgotten or one wider."""
    known = rng.random(4) < 0.6
    nulls, nans = (n if k else None for n, k in zip(s[1:3], known[:2], strict=True))
    low, high = (v if k else None for v, k in zip(s[3:], known[2:], strict=True))
    if isinstance(low, int | float) and rng.random() < 0.5:
        low, high = low - 1, None if high is None else high + 1
    return type(s)(s.rows, nulls, nans, low, high)
