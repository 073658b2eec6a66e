"""A page as tests read it: what a browser's parser makes of it."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "input", "br", "img", "link"}


@dataclass
class Element:
    """One element with its attributes and children; ``text`` is all text in it."""

    tag: str
    attributes: dict
    children: list = field(default_factory=list)

    @property
    def text(self):
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def all(self, tag=None, **attributes):
        """The elements below with that tag and those attributes, in order."""
        for child in self.children:
            if isinstance(child, str):
                continue
            if tag in (None, child.tag) and all(child.attributes.get(key) == want for key, want in attributes.items()):
                yield child
            yield from child.all(tag, **attributes)


class _Builder(HTMLParser):
    def __init__(self):
        super().__init__()
        self.root = Element("root", {})
        self.open = [self.root]

    def handle_starttag(self, tag, attrs):
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.open[-1].children.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data):
        self.open[-1].children.append(data)


def parsed(page):
    """The root of the page; every element must be closed by its own end tag."""
    builder = _Builder()
    builder.feed(page)
    builder.close()
    assert builder.open == [builder.root]
    return builder.root


def table_rows(root):
    """(caption, row) of every table outside of figures, the row as cells."""
    figures = {id(table) for figure in root.all("figure") for table in figure.all("table")}
    for table in root.all("table"):
        if id(table) in figures:
            continue
        (caption,) = table.all("caption")
        (body,) = table.all("tbody")
        for row in body.all("tr"):
            yield caption.text, [cell for cell in row.children if not isinstance(cell, str)]
