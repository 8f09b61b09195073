"""Turns charts into SVG while the report is built, and into what Vega draws again in the page."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import vl_convert
from markupsafe import Markup, escape

from words import as_html

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

    from charts import Chart
    from formats import Formats

HIT: Final = "hit"
"""Name of marks that only catch the pointer: the drawing at build does without."""

WIDE: Final = 800
"""Pixels of a chart over the whole page, before a browser fits it in."""

HALF: Final = 430
"""Pixels of a chart beside another one."""

_FONT: Final = "Inter, system-ui, sans-serif"

_THEME: Final[Mapping[str, Any]] = {
    "aria": False,
    "background": "transparent",
    "padding": 2,
    "font": _FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--muted)",
        "titleColor": "var(--muted)",
        "labelFont": _FONT,
        "titleFont": _FONT,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": 400,
        "gridColor": "var(--grid)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelPadding": 6,
    },
    "axisX": {"grid": False, "tickSize": 4},
    "axisY": {"domain": False, "ticks": False},
    "text": {"font": _FONT, "fontSize": 12, "fill": "var(--ink)"},
    "bar": {"cornerRadiusEnd": 2},
}
"""Colours are the page's (CSS variables), so that one drawing is both light and dark."""

_HIT_GROUPS: Final = re.compile(
    rf'<g class="mark-rule role-mark [^"]*{HIT}_marks[^>]*>.*?</g>', re.DOTALL
)
_ROLES: Final = re.compile(r' (?:role="graphics-[a-z]+"|aria-roledescription="[^"]*")')
_EMPTY_PATHS: Final = re.compile(
    r'<path class="(?:background|foreground)" aria-hidden="true" d="[^"]*"[^>]*></path>'
    r'|<path class="(?:background|foreground)" aria-hidden="true" d="[^"]*"[^>]*/>'
)
_DEFAULTS: Final = re.compile(
    r' (?:font-family="[^"]*"|text-anchor="start"|stroke-miterlimit="10"|opacity="1"'
    r'|pointer-events="none"|aria-hidden="true"|fill-opacity="1")'
)
_TAGS: Final = re.compile(r"<(?:path|g|line|text)[^>]*>")
_DECIMALS: Final = re.compile(r"(\d\.\d\d)\d+")
_OPENING: Final = re.compile(r"<svg [^>]*?width=\"([\d.]+)\" height=\"([\d.]+)\"[^>]*>")


@dataclass(frozen=True)
class Said:
    """The words of a chart.

    Attributes:
        name: Begins the ids in its SVG; no other chart has it.
        title: Says what it shows.
        description: Says in words what it looks like.
    """

    name: str
    title: str
    description: str


@dataclass(frozen=True)
class Drawing:
    """A chart, drawn.

    Attributes:
        svg: For everybody.
        spec: For Vega, as JSON that can stand in a `script` element.
        config: The theme for Vega, the same for every chart.
    """

    svg: Markup
    spec: Markup
    config: Mapping[str, Any]


def draw(chart: Chart, width: int, said: Said, formats: Formats) -> Drawing:
    """Draw a chart.

    Args:
        chart: The chart, without a width.
        width: Its width in pixels.
        said: Its words.
        formats: Writes its numbers and days.
    """
    spec = chart.to_dict()
    spec["width"] = width
    spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    vega = vl_convert.vegalite_to_vega(spec, config=dict(_THEME))
    vega.pop("$schema", None)
    svg = vl_convert.vega_to_svg(
        vega,
        allowed_base_urls=[],
        format_locale=formats.number_locale,
        time_format_locale=formats.time_locale,
    )
    config = vega.pop("config")
    return Drawing(_tidy(svg, said), in_script(vega), config)


def _tidy(svg: str, said: Said) -> Markup:
    """Give the SVG its title and description, and leave out what nobody sees."""
    for unseen in (_HIT_GROUPS, _ROLES, _EMPTY_PATHS, _DEFAULTS):
        svg = unseen.sub("", svg)
    svg = _TAGS.sub(lambda tag: _DECIMALS.sub(r"\1", tag[0]), svg)
    name = said.name
    svg = svg.replace('id="clip', f'id="{name}-clip').replace("url(#clip", f"url(#{name}-clip")
    words = (
        f'<title id="{name}-t">{escape(said.title)}</title>'
        f'<desc id="{name}-d">{escape(said.description)}</desc>'
    )
    return as_html(  # Vega escapes the text that it draws, and the words are escaped
        _OPENING.sub(
            lambda found: (
                f'<svg class="chart" role="img" aria-labelledby="{name}-t {name}-d"'
                f' width="{found[1]}" height="{found[2]}" viewBox="0 0 {found[1]} {found[2]}">'
                f"{words}"
            ),
            svg,
            count=1,
        )
    )


def in_script(value: Any) -> Markup:
    """Return JSON that cannot end the `script` element in which it stands."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=float)
    for sign in "<>&\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return as_html(text)  # nothing is left in it that HTML reads


def start_library() -> Future[str]:
    """Begin to put Vega together as one script, beside everything else: it takes a second.

    Returns:
        What will be the script; it sets `window.vegaEmbed`.
    """
    pool = ThreadPoolExecutor(1)
    script = pool.submit(vl_convert.javascript_bundle, "window.vegaEmbed=vegaEmbed;")
    pool.shutdown(wait=False)
    return script
