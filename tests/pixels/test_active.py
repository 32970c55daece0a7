"""Which SVG files would act where they are opened, and which are only looked at."""

from __future__ import annotations

import re

import pytest

from nodes.errors import DecoderFault
from nodes.pixels import decode, objection

NAMESPACE = 'xmlns="http://www.w3.org/2000/svg"'
XHTML = "http://www.w3.org/1999/xhtml"


def svg(content: str = '<rect width="9" height="9"/>', attributes: str = "", before: str = "") -> bytes:
    return f"{before}<svg {NAMESPACE} {attributes}>{content}</svg>".encode()


@pytest.mark.parametrize(
    "picture",
    [
        svg(),
        b"\xef\xbb\xbf" + svg(before='<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n'),
        svg("<text>B\u00e4r</text>", before='<?xml version="1.0" encoding="utf-8"?>'),
        svg(before="<?xml version='1.0' encoding='ISO-8859-1'?>"),
        svg(
            before='<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">'
        ),
        svg("<!-- <script>alert(1)</script> --><desc>onload=alert(1)</desc><style>rect { fill: red }</style>"),
        svg("<g>" * 5000 + "</g>" * 5000),
        svg('<image href="data:image/png;base64,AAAA"/><use href="#a"/><a href="https://example.com"><rect/></a>'),
        svg(attributes='xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape" inkscape:version="1"'),
        svg('<image xlink:href="#undeclared"/>'),
    ],
)
def test_a_picture_is_handed_on(picture: bytes) -> None:
    assert objection(picture) is None


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (svg("<script>alert(1)</script>"), "script"),
        (svg(f'<svg:SCRIPT {NAMESPACE.replace("xmlns", "xmlns:svg")} href="https://example.com/a.js"/>'), "script"),
        (svg(f'<h:script xmlns:h="{XHTML}">alert(1)</h:script>'), "script|HTML"),
        (svg(attributes='onload="alert(1)"'), "onload"),
        (svg('<rect OnClick="alert(1)"/>'), "OnClick"),
        (svg('<a href="javascript:alert(1)"><rect/></a>'), "javascript"),
        (svg('<a xlink:href=" java&#10;script&#58;alert(1)"><rect/></a>'), "javascript"),
        (svg('<a><animate attributeName="href" values="#;javascript:alert(1)"/><rect/></a>'), "javascript"),
        (svg(f'<foreignObject><body xmlns="{XHTML}"><form/></body></foreignObject>'), "HTML"),
        (svg(before='<?xml-stylesheet type="text/xsl" href="data:,x"?>'), "stylesheet"),
        (svg("&a;", before='<!DOCTYPE svg [<!ENTITY a "&#60;script/>">]>'), "entities"),
        (svg("&x;", before='<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>'), "entities"),
        (svg(before='<!DOCTYPE svg [<!ENTITY % x SYSTEM "https://example.com/x.dtd"> %x;]>'), "entities"),
        (svg(before='<!DOCTYPE svg [<!ATTLIST svg onload CDATA "alert(1)">]>'), "attributes"),
    ],
)
def test_what_acts_is_not(picture: bytes, reason: str) -> None:
    found = objection(picture)
    assert found and re.search(reason, found)


LAUGHS = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
DEFAULTS = "".join(f'<!ATTLIST g a{n} CDATA "ha">' for n in range(500))


@pytest.mark.parametrize(("declared", "content"), [(LAUGHS, "&a11;"), (DEFAULTS, "<g/>" * 100_000)])
def test_a_file_without_end_is_not_waited_for(declared: str, content: str) -> None:
    picture = svg(content, before=f"<!DOCTYPE svg [{declared}]>")
    assert "declares" in (objection(picture) or "")
    with pytest.raises(DecoderFault, match="declares"):
        decode(picture)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (svg()[:-9], "damaged"),
        (svg("<g>"), "damaged"),
        (svg("<text>B\u00e4r</text>").decode().encode("latin-1"), "UTF-8"),
        (svg(before='<?xml version="1.0" encoding="utf-16"?>').decode().encode("utf-16"), "UTF-8"),
        (svg(before='<?xml version="1.0" encoding="shift_jis"?>'), "shift_jis"),
        (svg(before='<?xml version="1.0" encoding="no-such"?>'), "no-such"),
        (b"", "damaged"),
        (b"\x1f\x8b\x08\x00", "UTF-8"),
        (b"<html><body/></html>", "no SVG"),
    ],
)
def test_what_save_svg_could_not_read_is_not_either(content: bytes, reason: str) -> None:
    assert reason in (objection(content) or "")


@pytest.mark.parametrize("mark", ["\ufeff", ""])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_not_what_comfyui_reads(encoding: str, mark: str) -> None:
    assert "UTF-8" in str(objection((mark + svg().decode()).encode(encoding)))
