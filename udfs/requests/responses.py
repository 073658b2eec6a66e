"""Responses of models called with bodies: labels and scores from CSV, JSON Lines or JSON, by the keys of the config."""

from __future__ import annotations

import ast
import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import jmespath
import numpy as np

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.model_answer import Answer, labels_of, scores_of
from clarify_spark.udfs.model_formats import SPEAKING_BYTES
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.requests.payloads import content_type

#: From a response and the number of records sent to the answer.
Decode = Callable[[bytes | str, int], Answer]

_INTEGER = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|nan|NaN")
_TRUTHS = {"True": True, "true": True, "TRUE": True, "False": False, "false": False, "FALSE": False}


def accept_type(spec: PredictorSpec) -> str:
    """The media type of responses, by default that of requests."""
    return (spec.accept_type or content_type(spec)).partition(";")[0].strip().lower()


def speaks_csv(spec: PredictorSpec) -> bool:
    """Whether responses are CSV, where labels are texts that may look like numbers."""
    return spec.format in SPEAKING_BYTES and accept_type(spec) == "text/csv"


def decoder(spec: PredictorSpec) -> Decode:
    """The reader for responses of the configured type."""
    kind = accept_type(spec)
    if kind not in _DECODERS:
        raise ModelError(f"predictor.accept_type {kind!r} is not for tabular data; allowed: {', '.join(_DECODERS)}")
    return _DECODERS[kind](spec)


# CSV


def _csv_decoder(spec: PredictorSpec) -> Decode:
    label, probability = _index(spec.label, "label"), _index(spec.probability, "probability")

    def decode(body: bytes | str, sent: int) -> Answer:
        text = _text(body)
        if label is None and not probability and (numbers := _one_number_a_line(text, sent)) is not None:
            return Answer(None, scores_of(numbers, "the model's response"))
        rows = _csv_rows(text)
        if len(rows) == 1 and sent > 1 and len(rows[0]) == sent and (label or probability or 0) == 0:
            # One line may answer all records; only the number of records sent shows it.
            rows = [[cell] for cell in rows[0]]
        _expect_count(len(rows), sent, text)
        if label is None and probability is None:
            return Answer(None, _scores(rows if len(rows[0]) > 1 else [row[0] for row in rows], text))
        names = None if label is None else _csv_column(rows, label, "label", text)
        scores = None if probability is None else _csv_column(rows, probability, "probability", text)
        return _combined(None if names is None else _typed(names), scores, text)

    return decode


def _one_number_a_line(text: str, sent: int) -> list[float] | None:
    """The numbers of the most common response, None for any other: it is read much faster than general CSV."""
    if "," in text or '"' in text:
        return None
    lines = text.strip().split("\n")
    try:
        return list(map(float, lines)) if len(lines) == sent else None
    except ValueError:
        return None


def _index(value: str | int | None, key: str) -> int | None:
    if isinstance(value, str) or (value is not None and value < 0):
        raise ModelError(
            f"predictor.{key} {value!r}: a CSV response has no names; give the index of the column, from 0"
        )
    return value


def _csv_rows(text: str) -> list[list[str]]:
    try:
        return [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error as error:
        raise _unreadable(f"is not CSV ({error})", text) from error


def _csv_column(rows: list[list[str]], index: int, key: str, text: str) -> list[Any]:
    """The cells of one column; those that are Python lists in text form become lists."""
    short = next((number for number, row in enumerate(rows) if len(row) <= index), None)
    if short is not None:
        raise _unreadable(f"has no column {index} (predictor.{key}) in line {short + 1}", text)
    return [_listed(row[index], text) for row in rows]


def _listed(cell: str, text: str) -> Any:
    if not (cell.startswith("[") and cell.endswith("]")):
        return cell
    try:
        # Literals only: nothing in the text is executed.
        return list(ast.literal_eval(cell))
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise _unreadable(f"has a list that cannot be read: {cell[:80]!r}", text) from error


def _typed(values: list[Any]) -> list[Any]:
    """Texts as integers, floats or booleans if all of them are, as pandas reads a column; empty ones are missing."""
    texts = [value for value in values if value != ""]
    if not all(isinstance(text, str) for text in texts):
        return values
    casts: list[tuple[Callable[[str], object], Callable[[str], Any]]] = [
        (_INTEGER.fullmatch, int),
        (_FLOAT.fullmatch, float),
        (_TRUTHS.__contains__, _TRUTHS.__getitem__),
    ]
    cast = next((cast for fits, cast in casts if all(fits(text) for text in texts)), str)
    return [None if value == "" else cast(value) for value in values]


# JSON


def _jsonlines_decoder(spec: PredictorSpec) -> Decode:
    label, probability = _path(spec.label, "label"), _path(spec.probability, "probability")

    def decode(body: bytes | str, sent: int) -> Answer:
        text = _text(body)
        lines = [_json(line, text) for line in text.split("\n") if line.strip()]
        _expect_count(len(lines), sent, text)
        if label is None and probability is None:
            return Answer(None, _scores(lines, text))
        labels = None if label is None else [_search(label, line, text) for line in lines]
        scores = None if probability is None else [_search(probability, line, text) for line in lines]
        return _combined(_found(labels, "label", spec, text), _found(scores, "probability", spec, text), text)

    return decode


def _json_decoder(spec: PredictorSpec) -> Decode:
    label, probability = _path(spec.label, "label"), _path(spec.probability, "probability")

    def decode(body: bytes | str, sent: int) -> Answer:
        text = _text(body)
        document = _json(text, text)
        if label is None and probability is None:
            return Answer(None, _scores(_per_record(document, sent, text), text))
        labels = None if label is None else _per_record(_search(label, document, text), sent, text, "label", spec)
        scores = (
            None
            if probability is None
            else _per_record(_search(probability, document, text), sent, text, "probability", spec)
        )
        return _combined(_found(labels, "label", spec, text), _found(scores, "probability", spec, text), text)

    return decode


def _path(value: str | int | None, key: str) -> Any:
    """The compiled JMESPath; an index selects that item of each list."""
    if value is None:
        return None
    if isinstance(value, int):
        raise ModelError(f'predictor.{key} {value!r}: a JSON response needs a JMESPath, such as "predictions[*].{key}"')
    try:
        return jmespath.compile(value)
    except jmespath.exceptions.JMESPathError as error:
        raise ModelError(f"predictor.{key} {value!r} is not a JMESPath: {' '.join(str(error).split())}") from error


def _search(path: Any, document: Any, text: str) -> Any:
    try:
        return path.search(document)
    except jmespath.exceptions.JMESPathError as error:
        raise _unreadable(f"does not fit {path.expression!r} ({error})", text) from error


def _json(part: str, text: str) -> Any:
    try:
        return json.loads(part)
    except json.JSONDecodeError as error:
        raise _unreadable(f"is not JSON ({error})", text) from error


def _per_record(
    found: Any, sent: int, text: str, key: str | None = None, spec: PredictorSpec | None = None
) -> list[Any]:
    """One item per record sent; a response to a single record may leave out the outer list."""
    if found is None and key is not None:
        raise _unreadable(f"has nothing at predictor.{key} {getattr(spec, key)!r}", text)
    if sent == 1 and (not isinstance(found, list) or (len(found) > 1 and not any(_is_list(item) for item in found))):
        return [found]
    if not isinstance(found, list):
        raise _unreadable(f"holds one {type(found).__name__} where {sent} records were sent", text)
    _expect_count(len(found), sent, text)
    return found


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _found(values: list[Any] | None, key: str, spec: PredictorSpec, text: str) -> list[Any] | None:
    """The values, none of which may be missing."""
    if values is not None and any(value is None for value in values):
        record = [value is None for value in values].index(True)
        raise _unreadable(f"has nothing at predictor.{key} {getattr(spec, key)!r} for record {record + 1}", text)
    return values


# both


def _combined(labels: list[Any] | None, scores: list[Any] | None, text: str) -> Answer:
    """The answer; lists of labels name the scores, of which the largest is chosen."""
    numbers = None if scores is None else _scores(scores, text)
    if labels is None or not any(_is_list(label) for label in labels):
        return Answer(None if labels is None else labels_of(labels), numbers)
    if numbers is None:
        raise _unreadable(
            "has a list of labels per record; predictor.probability must state where their scores are", text
        )
    widths = {len(label) if _is_list(label) else 1 for label in labels}
    if widths != {numbers.shape[1]}:
        raise _unreadable(f"has {max(widths)} labels but {numbers.shape[1]} scores per record", text)
    best = np.asarray(numbers.argmax(axis=1)).tolist()
    missing = np.asarray(np.isnan(numbers).any(axis=1)).tolist()
    winners = [None if gone else names[place] for names, place, gone in zip(labels, best, missing, strict=True)]
    return Answer(labels_of(winners), numbers, label_is="class")


def _scores(values: Sequence[Any], text: str) -> Any:
    """The scores (n, k); texts that are numbers count as numbers, booleans do not."""
    if any(isinstance(value, bool) for value in _flat(values)):
        raise _unreadable("has true or false where a score is expected; set predictor.label for labels", text)
    try:
        return scores_of([list(map(float, v)) if _is_list(v) else float(v) for v in values], "the model's response")
    except (TypeError, ValueError, ModelError) as error:
        raise _unreadable(
            "has scores that are not numbers, or not the same number per record; set predictor.label or "
            "predictor.probability to state where they are",
            text,
        ) from error


def _flat(values: Sequence[Any]) -> list[Any]:
    return [item for value in values for item in (value if _is_list(value) else [value])]


def _text(body: bytes | str) -> str:
    if isinstance(body, str):
        return body.removeprefix("\ufeff")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelError(f"the model's response is not UTF-8 text ({error}): {body[:200]!r}") from error


def _expect_count(answered: int, sent: int, text: str) -> None:
    if answered != sent:
        raise _unreadable(f"answers {answered} records, but {sent} were sent", text)


def _unreadable(problem: str, text: str) -> ModelError:
    return ModelError(f"the model's response {problem}: {text[:200]!r}{'…' if len(text) > 200 else ''}")


_DECODERS: dict[str, Callable[[PredictorSpec], Decode]] = {
    "text/csv": _csv_decoder,
    "application/jsonlines": _jsonlines_decoder,
    "application/json": _json_decoder,
}
