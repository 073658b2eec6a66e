"""Requests to models called with bodies: features as CSV, JSON Lines or JSON, by the templates of the config.

``cells`` defines how values are written. CSV quotes every text and nothing else, like the Clarify guide's payloads,
so that an empty text differs from a missing one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.model_spec import Calling, PredictorSpec
from clarify_spark.udfs.requests.cells import Form, cells_of, dumped


@dataclass(frozen=True, eq=False)
class Payload:
    """Records as UTF-8 texts in one piece of memory, and the text around and between those of one request.

    ``text`` has the records with ``between`` behind each, ``ends`` (n,) where each ends, ``between`` included; ``most``
    limits the number of records in a request.
    """

    text: memoryview
    ends: NDArray[np.int64]
    before: bytes = b""
    between: bytes = b"\n"
    after: bytes = b""
    most: int | None = None

    @classmethod
    def of(cls, records: Sequence[bytes], *, between: bytes = b"\n", **around: Any) -> Payload:
        """The payload of some records; ``around`` are the other fields."""
        ends = np.cumsum([len(record) + len(between) for record in records], dtype=np.int64)
        return cls(memoryview(b"".join(record + between for record in records)), ends, between=between, **around)

    def body(self, some: slice) -> bytes:
        """The body of the request with these records, at least one."""
        stop = int(self.ends[some.stop - 1]) - len(self.between)
        return b"".join((self.before, self.text[self._start(some.start) : stop], self.after))

    def requests(self, calling: Calling) -> list[slice]:
        """Consecutive records split into requests, each filled up to the limits; a single record may exceed them.

        A function of the records and the limits alone, so that the same rows always go to a model together.
        """
        most = min(calling.batch_records, self.most or calling.batch_records)
        room = calling.payload_bytes - len(self.before) - len(self.after) + len(self.between)
        found, start = [], 0
        while start < len(self.ends):
            stop = int(np.searchsorted(self.ends, self._start(start) + room, side="right"))
            stop = min(max(stop, start + 1), start + most)
            found.append(slice(start, stop))
            start = stop
        return found

    def _start(self, record: int) -> int:
        return int(self.ends[record - 1]) if record else 0


#: From features, typed and in order, to their records.
Encode = Callable[[pd.DataFrame], Payload]
#: The parts of a record: texts, and the columns of cells between them.
_Piece: TypeAlias = "str | pa.Array"
#: From the cells of all features, each already JSON, to the pieces of the records.
_Render = Callable[[Sequence[_Piece]], list[_Piece]]

_FEATURES = re.compile(r'"\$\{((?:[^"\\]|\\.)*)\}"|\$(features_kvp|feature_names|features)(?!\w)')
_PLACEHOLDER = re.compile(rf"{_FEATURES.pattern}|\$(records|record)(?!\w)")
_RECORDS = re.compile(r"\$(records|record|feature_names)(?!\w)")


def encoder(spec: PredictorSpec) -> Encode:
    """What turns features into requests; templates are read, and checked, once."""
    kind = content_type(spec)
    if kind == "text/csv":
        return lambda features: _payload([_csv_lines(_cells(features, spec, "csv"))])
    if kind == "application/jsonlines":
        # A line break in a template is between JSON tokens; values have none.
        template = _given(spec, "content_template").replace("\r", " ").replace("\n", " ")
        render = _record(template, "content_template", spec)
        return lambda features: _payload(render(_cells(features, spec, "json")))
    if kind == "application/json":
        return _json_encoder(spec)
    raise ModelError(
        f"predictor.content_type {kind!r} is not for tabular data; "
        "allowed: text/csv, application/jsonlines, application/json"
    )


def content_type(spec: PredictorSpec) -> str:
    """The media type of requests, CSV when none is given."""
    return (spec.content_type or "text/csv").partition(";")[0].strip().lower()


def _given(spec: PredictorSpec, key: str) -> str:
    """The template as a text.

    The object form of content_template is the JSON object of its keys; a value with a placeholder is a template, and
    any other is a text of JSON.
    """
    template = getattr(spec, key)
    if template is None:
        raise ModelError(f"predictor.{key} is missing; content_type {content_type(spec)} needs it")
    if isinstance(template, str):
        return template
    values = ((name, text if _PLACEHOLDER.search(text) else dumped(text)) for name, text in template)
    return f"{{{','.join(f'{dumped(name)}:{text}' for name, text in values)}}}"


def _cells(features: pd.DataFrame, spec: PredictorSpec, form: Form) -> list[_Piece]:
    return [cells_of(features.iloc[:, position], kind, form) for position, kind in enumerate(spec.feature_kinds)]


def _payload(pieces: Sequence[_Piece], between: bytes = b"\n", **around: Any) -> Payload:
    """The payload of the records formed by concatenating pieces."""
    joined = pc.binary_join_element_wise(*pieces, between.decode(), "").cast(pa.large_string())
    _, offsets, text = joined.buffers()
    ends = np.frombuffer(offsets, np.int64)[joined.offset : joined.offset + len(joined) + 1]
    start = int(ends[0])
    view = memoryview(b"") if text is None else memoryview(text)[start:]
    return Payload(view, ends[1:] - start, between=between, **around)


def _csv_lines(cells: Sequence[_Piece]) -> _Piece:
    if len(cells) > 1:
        return pc.binary_join_element_wise(*cells, ",")
    # Most readers would not treat an empty line as a record.
    return pc.if_else(pc.equal(cells[0], ""), '""', cells[0])


def _record(template: str, key: str, spec: PredictorSpec) -> _Render:
    """The function that fills the template with the values of records."""
    parts: list[str | _Render] = []
    end = 0
    for slot in _FEATURES.finditer(template):
        parts += [template[end : slot.start()], _slot(slot, key, spec)]
        end = slot.end()
    parts.append(template[end:])
    if not any(callable(part) for part in parts):
        raise ModelError(
            f'predictor.{key} {template!r} has no placeholder for features: $features, $features_kvp or "${{name}}"'
        )

    def render(cells: Sequence[_Piece]) -> list[_Piece]:
        return [piece for part in parts for piece in ([part] if isinstance(part, str) else part(cells))]

    nothing = render(["null"] * len(spec.feature_names))
    _expect_json("".join(piece for piece in nothing if isinstance(piece, str)), template, key)
    return render


def _slot(slot: re.Match[str], key: str, spec: PredictorSpec) -> str | _Render:
    """The text, or the pieces from the cells of the features, that replace a placeholder."""
    names = [dumped(name) for name in spec.feature_names]
    if slot[2] == "features":
        return lambda cells: ["[", *_separated(cells), "]"]
    if slot[2] == "features_kvp":
        return lambda cells: [
            "{", *chain.from_iterable(zip(_prefixed(names), cells, strict=True)), "}"
        ]  # fmt: skip
    if slot[2] == "feature_names":
        return f"[{','.join(names)}]"
    name = json.loads(f'"{slot[1]}"')
    if name not in spec.feature_names:
        raise ModelError(
            f"predictor.{key}: ${{{name}}} is not a feature of the model; its features: {', '.join(spec.feature_names)}"
        )
    position = spec.feature_names.index(name)
    return lambda cells: [cells[position]]


def _separated(cells: Sequence[_Piece]) -> list[_Piece]:
    return [piece for cell in cells for piece in (",", cell)][1:]


def _prefixed(names: Sequence[str]) -> list[str]:
    return [f"{',' if place else ''}{name}:" for place, name in enumerate(names)]


def _json_encoder(spec: PredictorSpec) -> Encode:
    """``$record`` makes one request per record, ``$records`` one for all."""
    template = _given(spec, "content_template")
    record = _record(_given(spec, "record_template"), "record_template", spec)
    slots = [slot[1] for slot in _RECORDS.finditer(template) if slot[1] != "feature_names"]
    if len(slots) != 1:
        raise ModelError(
            f"predictor.content_template {template!r} must hold either $record or $records, once; it holds {len(slots)}"
        )
    before, after = (piece.encode("utf-8") for piece in _around(template, spec))
    around: dict[str, Any] = {"before": before, "between": b"", "after": after, "most": 1}
    if slots == ["records"]:
        around = {"before": before + b"[", "between": b",", "after": b"]" + after}
    _expect_json(Payload.of([b"null"], **around).body(slice(0, 1)).decode("utf-8"), template, "content_template")
    return lambda features: _payload(record(_cells(features, spec, "json")), **around)


def _around(template: str, spec: PredictorSpec) -> list[str]:
    """The texts before and after the records, with the feature names filled in."""
    names = dumped(list(spec.feature_names))
    pieces = [""]
    end = 0
    for slot in _RECORDS.finditer(template):
        pieces[-1] += template[end : slot.start()]
        if slot[1] == "feature_names":
            pieces[-1] += names
        else:
            pieces.append("")
        end = slot.end()
    pieces[-1] += template[end:]
    return pieces


def _expect_json(text: str, template: str, key: str) -> None:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise ModelError(f"predictor.{key} {template!r} does not make JSON ({error}): {text[:200]}") from error
