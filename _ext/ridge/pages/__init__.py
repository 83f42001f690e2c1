"""The pieces of pages that are filled from data and from the build; what goes in is escaped."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from ..chinese import ZH, say

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.globals |= {"say": say, "zh": ZH}


def render(template, **parts):
    """Return the text of a template of this folder, with its parts filled in."""
    return TEMPLATES.get_template(template).render(**parts)
