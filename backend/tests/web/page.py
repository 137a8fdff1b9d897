"""What a browser would make of a report: its tags, scripts, styles, words, tables and figures."""

import json
from html.parser import HTMLParser
from typing import Any


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": [], "title": [], "text": []}
        self.tables: dict[str, list[list[str]]] = {}
        self._within = "text"
        self._figure = ""
        self._in_cell = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in self.inside:
            self._within = tag
            self.inside[tag].append("")
        if tag == "figure":
            self._figure = dict(attrs).get("id") or ""
        if tag == "tr":
            self.tables.setdefault(self._figure, []).append([])
        if tag in {"td", "th"}:
            self.tables[self._figure][-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag == self._within:
            self._within = "text"
        if tag in {"td", "th"}:
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._within == "text":
            self.inside["text"].append(data)
        else:
            self.inside[self._within][-1] += data
        if self._in_cell:
            self.tables[self._figure][-1][-1] += data

    @property
    def ids(self) -> set[str]:
        return {found for _, attributes in self.tags if (found := attributes.get("id"))}

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.inside["text"]).split())

    @property
    def figures(self) -> dict[str, dict[str, Any]]:
        """The figures by their name, with their days put in place."""
        scripts = iter(self.inside["script"])
        found, name = {}, ""
        days: list[list[str]] = []
        for tag, attributes in self.tags:
            if tag == "figure":
                name = attributes.get("id") or ""
            if tag == "script":
                text = next(scripts)
                if attributes.get("id") == "days":
                    days = json.loads(text)
                elif attributes.get("type") == "application/json" and "id" not in attributes:
                    found[name] = json.loads(text)
        for figure in found.values():
            for trace in figure["data"]:
                if isinstance(trace.get("x"), str):
                    trace["x"] = days[int(trace["x"].removeprefix("days:"))]
        return found
