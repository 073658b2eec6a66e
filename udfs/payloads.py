"""Requests to models that speak bytes: features as CSV, JSON Lines or JSON, by the templates of the config.

Integers stay integers (1, never 1.0), missing values are empty cells in CSV and null in JSON, booleans are True/False
in CSV, as pandas writes them, and true/false in JSON. CSV quotes every text and nothing else, as the Clarify guide's
payloads do, so that an empty text differs from a missing one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.predictors.spec import Calling, PredictorSpec


@dataclass(frozen=True)
class Payload:
    """Records as UTF-8 texts, and what stands around and between those of one request; ``most`` bounds their number."""

    records: Sequence[bytes]
    before: bytes = b""
    between: bytes = b"\n"
    after: bytes = b""
    most: int | None = None

    def body(self, some: slice) -> bytes:
        """The body of the request that carries these records."""
        return self.before + self.between.join(self.records[some]) + self.after

    def requests(self, calling: Calling) -> list[slice]:
        """Consecutive records cut into requests, each filled up to the limits; one record may be larger than allowed.

        A function of the records and the limits alone, so that the same rows always go to a model in the same company.
        """
        most = min(calling.batch_records, self.most or calling.batch_records)
        room = calling.payload_bytes - len(self.before) - len(self.after) + len(self.between)
        ends = np.cumsum([len(record) + len(self.between) for record in self.records])
        found, start = [], 0
        while start < len(self.records):
            used = int(ends[start - 1]) if start else 0
            stop = int(np.searchsorted(ends, used + room, side="right"))
            stop = min(max(stop, start + 1), start + most)
            found.append(slice(start, stop))
            start = stop
        return found


#: From features, typed and in order, to their records.
Encode = Callable[[pd.DataFrame], Payload]
#: From the values of one record, each already JSON, to the text of the record.
_Render = Callable[[Sequence[str]], str]

_FEATURES = re.compile(r'"\$\{((?:[^"\\]|\\.)*)\}"|\$(features_kvp|feature_names|features)(?!\w)')
_PLACEHOLDER = re.compile(rf"{_FEATURES.pattern}|\$(records|record)(?!\w)")
_RECORDS = re.compile(r"\$(records|record|feature_names)(?!\w)")


def encoder(spec: PredictorSpec) -> Encode:
    """What turns features into requests; templates are read, and checked, once."""
    kind = content_type(spec)
    if kind == "text/csv":
        return lambda features: Payload(_utf8(_csv_lines(_columns(features, spec))))
    if kind == "application/jsonlines":
        render = _one_line(_record(_given(spec, "content_template"), "content_template", spec))
        return lambda features: Payload(_utf8(render(row) for row in _json_rows(_columns(features, spec))))
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
    values = ((name, text if _PLACEHOLDER.search(text) else _dumps(text)) for name, text in template)
    return f"{{{','.join(f'{_dumps(name)}:{text}' for name, text in values)}}}"


#: A feature: its name, and its values in plain Python types, None for a missing one.
_Column = tuple[str, list[Any]]


def _columns(features: pd.DataFrame, spec: PredictorSpec) -> list[_Column]:
    return [
        (name, _plain(features.iloc[:, position], kind))
        for position, (name, kind) in enumerate(zip(spec.feature_names, spec.feature_kinds, strict=True))
    ]


def _utf8(texts: Iterable[str]) -> list[bytes]:
    return [text.encode("utf-8") for text in texts]


def _plain(column: pd.Series, kind: str) -> list[Any]:
    values = column.tolist()
    missing = column.isna().tolist()
    cast: Callable[[Any], Any] = {"integer": int, "float": float, "boolean": bool}.get(kind, str)
    return [None if gone else cast(value) for value, gone in zip(values, missing, strict=True)]


def _csv_lines(columns: list[_Column]) -> list[str]:
    cells = [[_csv_cell(value) for value in values] for _, values in columns]
    # A line without any character would be no record at all to most readers.
    return [",".join(row) or '""' for row in zip(*cells, strict=True)]


def _csv_cell(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value.replace('"', '""') + '"'
    return "" if value is None else str(value)


def _json_rows(columns: list[_Column]) -> Iterator[tuple[str, ...]]:
    """The values of each record as JSON texts."""
    return zip(*([_json_value(value, name) for value in values] for name, values in columns), strict=True)


def _json_value(value: Any, name: str) -> str:
    if value in (float("inf"), float("-inf")):
        raise ModelError(f"feature {name!r} has an infinite value, which JSON cannot say; send CSV or mend the data")
    return _dumps(value)


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _record(template: str, key: str, spec: PredictorSpec) -> _Render:
    """What fills the template with the values of one record."""
    pieces: list[str | _Render] = []
    end = 0
    for slot in _FEATURES.finditer(template):
        pieces += [template[end : slot.start()], _slot(slot, key, spec)]
        end = slot.end()
    pieces.append(template[end:])
    if not any(callable(piece) for piece in pieces):
        raise ModelError(
            f'predictor.{key} {template!r} has no place for features: $features, $features_kvp or "${{name}}"'
        )

    def render(values: Sequence[str]) -> str:
        return "".join(piece if isinstance(piece, str) else piece(values) for piece in pieces)

    _expect_json(render(["null"] * len(spec.feature_names)), template, key)
    return render


def _slot(slot: re.Match[str], key: str, spec: PredictorSpec) -> str | _Render:
    """The text, or the function of a record's values, that takes the place of a placeholder."""
    names = [_dumps(name) for name in spec.feature_names]
    if slot[2] == "features":
        return lambda values: f"[{','.join(values)}]"
    if slot[2] == "features_kvp":
        return lambda values: f"{{{','.join(f'{name}:{value}' for name, value in zip(names, values, strict=True))}}}"
    if slot[2] == "feature_names":
        return f"[{','.join(names)}]"
    name = json.loads(f'"{slot[1]}"')
    if name not in spec.feature_names:
        raise ModelError(
            f"predictor.{key}: ${{{name}}} is no feature of the model; its features: {', '.join(spec.feature_names)}"
        )
    position = spec.feature_names.index(name)
    return lambda values: values[position]


def _one_line(render: _Render) -> _Render:
    """The same text on one line: a line break in a template stands between JSON tokens, values have none."""
    return lambda values: render(values).replace("\r", " ").replace("\n", " ")


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
    make: Callable[[list[bytes]], Payload] = partial(Payload, before=before, between=b"", after=after, most=1)
    if slots == ["records"]:
        make = partial(Payload, before=before + b"[", between=b",", after=b"]" + after)
    _expect_json(make([b"null"]).body(slice(1)).decode("utf-8"), template, "content_template")
    return lambda features: make(_utf8(record(row) for row in _json_rows(_columns(features, spec))))


def _around(template: str, spec: PredictorSpec) -> list[str]:
    """The texts before and after the records, with the feature names filled in."""
    names = _dumps(list(spec.feature_names))
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
