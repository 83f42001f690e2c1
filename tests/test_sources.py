"""Every fact leads to whoever says so: the bibliography, what is attributed to it, and the links beside it."""

import re
from functools import cache

import nbformat
import pytest
import yaml
from chapter_code import CHAPTERS, ROOT
from pybtex.database import parse_file

ENTRIES = parse_file(CHAPTERS / "references.bib").entries
NOTEBOOKS = sorted(CHAPTERS.glob("*.ipynb"))
CITE = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")
PRINTED = {"book", "incollection", "mastersthesis", "phdthesis", "techreport"}
SEEN = re.compile(r"\d{4}-\d\d-\d\d, (work|abstract|record)")


@cache
def words(path):
    """Return what the reader reads: the markdown cells of a notebook, or a page, as a list."""
    if path.suffix == ".md":
        return [path.read_text(encoding="utf-8")]
    cells = nbformat.read(path, 4).cells
    return [cell.source for cell in cells if cell.cell_type == "markdown"]


def cited(path):
    """Return the keys that a notebook or page cites."""
    found = CITE.findall("\n".join(words(path)))
    return {key.strip() for keys in found for key in keys.split(",")}


def test_every_entry_is_cited_and_every_citation_has_an_entry():
    everywhere = set().union(
        *(cited(path) for path in [*NOTEBOOKS, *CHAPTERS.glob("*.md")])
    )
    assert everywhere == set(ENTRIES)


def wrong_with(entry):
    """Return what is amiss with an entry: its address, or what it says of being seen."""
    fields, note = entry.fields, entry.fields.get("note", "")
    if not (entry.persons.get("author") and fields["title"] and fields["year"]):
        return "no author, title or year"
    printed = entry.type in PRINTED
    printed &= bool({"publisher", "institution", "school"} & set(fields))
    if not ({"doi", "eprint", "url"} & set(fields) or printed):
        if "no address known" not in note.lower():
            return "no address, and no word why"
    seen = SEEN.fullmatch(fields.get("seen", ""))
    if "seen" in fields and not seen:
        return "seen is a day and work, abstract or record"
    if bool(seen) == bool(re.search(r"\bnot seen\b", note, re.I)):
        return "an entry was seen, or its note says that it was not"
    read = bool(seen and seen[1] == "work")
    if ("urldate" in fields) != (read and "url" in fields):
        return "a page that was read has the day, and no other"


def test_every_entry_has_an_address_and_says_what_was_seen_of_it():
    wrong = {key: wrong_with(entry) for key, entry in ENTRIES.items()}
    assert not {key: why for key, why in wrong.items() if why}


def test_no_two_entries_have_one_label():
    """The list and the text call an entry by its authors and year; two of a year are told apart by a letter."""
    labels = {}
    for key, entry in ENTRIES.items():
        names = [
            " ".join(who.prelast_names + who.last_names)
            for who in entry.persons["author"]
        ]
        who = " and ".join(names) if len(names) < 3 else f"{names[0]} et al."
        labels.setdefault((who, entry.fields["year"]), []).append(key)
    assert not [keys for keys in labels.values() if len(keys) > 1]


def test_no_markup_shows_in_the_list():
    for key, entry in ENTRIES.items():
        shown = [str(who) for people in entry.persons.values() for who in people]
        fields = entry.fields
        shown += [fields[n] for n in ("title", "note", "booktitle") if n in fields]
        for text in shown:
            assert not re.search(
                r"\\(?![\"'^`~vc=_&#%{i])|\$[^$]*\$|``|''|^`|\s`", text
            ), key
            assert "http" not in text, f"{key}: an address stands in url"


def test_the_page_says_how_much_was_seen():
    """The sentence on the bibliography's page is counted from the file."""
    kinds = [SEEN.fullmatch(e.fields.get("seen", "")) for e in ENTRIES.values()]
    kinds = [match and match[1] for match in kinds]
    count = {kind: kinds.count(kind) for kind in ("work", "abstract", "record", None)}
    page = " ".join(words(CHAPTERS / "bibliography.md")[0].split())
    for part in (
        f"Of the {len(kinds)} entries, {len(kinds) - count[None]} were looked up",
        f"{count['work']} as the page, the discussion, the source or the paper itself,",
        f"{count['abstract']} as its abstract, and {count['record']} only as it stands in",
        f"The other {count[None]} are from memory",
    ):
        assert part in page, f"the bibliography's page has to say: {part}"


MOVES = re.compile(
    r"https?://[^\s)>\"]*(?:/(?:blob|tree|raw)/(?:main|master|dev|HEAD)\b|/en/latest/|/docs/stable/|docs\.python\.org/3/)"
)
DISCUSSED = re.compile(r"https?://github\.com/[^\s)>\"]+/(?:issues|pull)/\d+")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_evidence_is_pinned_and_stands_in_the_bibliography(path):
    """No link to a branch that moves; issues and pull requests are cited."""
    text = "\n".join(words(path))
    assert not MOVES.findall(text) + DISCUSSED.findall(text)


# What a chapter is about is cited at its head and then called "the paper".
SUBJECT = {"memory-jemalloc-2006": "evans2006"}
ATTRIBUTES = re.compile(
    r"\b(?:[Tt]he|[Ii]ts|[Tt]heir)(?: \w+)? (?:papers?|study|studies|abstract|authors|meta-analysis|panels?)\b"
)
NUMBER = re.compile(r"(?<![\w.§])(?!(?:19|20)\d\d\b)\d[\d.,]*")
POINTERS = re.compile(
    r"\{[^}]*\}`[^`]*`|`[^`]*`|\[[^]]*\]\([^)]*\)|\$[^$]*\$"
    r"|(?:§+|[Ss]ections?|[Tt]ables?|[Ff]igures?|[Cc]hapters?|[Rr]ow|[Ee]xercise|[Ll]ectures?) ?[\d.]+"
)


def attributed(path):
    """Yield the sentences that give a number to a paper without a citation in them."""
    for cell in words(path):
        for part in re.split(r"\n\s*\n|\n(?=[-*] )", cell):
            if part.lstrip().startswith((":", "|", "#", "$$", "**Proof")):
                continue
            for sentence in re.split(
                r"(?<=[.?!:])\)?\s+(?=[A-Z*(])", part.replace("\n", " ")
            ):
                bare = POINTERS.sub("", sentence)
                if ATTRIBUTES.search(bare) and NUMBER.search(bare):
                    if not CITE.search(sentence):
                        yield sentence


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_number_from_a_paper_stands_beside_its_citation(path):
    """A sentence that says "the paper", "the study", "its abstract" … and a number cites, unless the chapter is about that paper."""
    if path.stem in SUBJECT:
        assert SUBJECT[path.stem] in CITE.findall("\n".join(words(path)[:3]))
    else:
        assert not list(attributed(path))


def test_the_evidence_says_who_how_many_how_and_what_was_read():
    rows = yaml.safe_load((ROOT / "data/evidence.yml").read_text(encoding="utf-8"))
    for row in rows:
        assert re.search(r"\d", row["n"]) or re.search(
            r"\b(?:two|three|four|not|many|without a number)\b", row["n"]
        ), row
        assert re.search(r"abstract|account|summary|read", row["seen"]), row
        keys = cited(CHAPTERS / f"{row['chapter']}.ipynb")
        known = {
            (ENTRIES[k].persons["author"][0].last_names[0], ENTRIES[k].fields["year"])
            for k in keys
        }
        for one in row["source"].removeprefix("against it ").split("; "):
            name = re.match(r"(?:against it )?(\S+?),? ", one)[1]
            year = re.search(r"\d{4}$", one)[0]
            assert (name, year) in known, f"{one} is not among the chapter's sources"
