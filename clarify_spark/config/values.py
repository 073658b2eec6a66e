"""The types that config keys are made of. JSON types are taken as written: neither true nor 100.0 is an integer."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Tag, create_model, field_validator
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """One JSON object of the config: frozen, without unknown keys and without nulls."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    @field_validator("*", mode="before")
    @classmethod
    def refuse_null(cls, value: object) -> object:
        """The value, unless it is null: a key without a value is left out."""
        if value is None:
            raise PydanticCustomError("null", "null is not allowed")
        return value


Made = TypeVar("Made", bound=BaseModel)


def remade(model: type[Made], fields: dict[str, Any]) -> type[Made]:
    """The same model with these fields added; they replace its own fields of the same names."""
    found: type[Made] = create_model(model.__name__, __base__=model, __module__=model.__module__, **fields)
    found.__doc__ = model.__doc__
    return found


def exactly(*types: type) -> BeforeValidator:
    """A validator that lets pass only values of these JSON types, without conversion."""

    def check(value: object) -> object:
        if type(value) not in types:
            raise PydanticCustomError("wrong_type", "wrong type")
        return value

    return BeforeValidator(check)


def _lowered(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


#: Put on a Literal: the choices are compared in lower case, as the reference does.
LOWERED = BeforeValidator(_lowered)

Text = Annotated[str, exactly(str)]
Integer = Annotated[int, exactly(int)]
Decimal = Annotated[float, exactly(float)]
Flag = Annotated[bool, exactly(bool)]
NameOrIndex = Annotated[str | int, exactly(str, int)]
Value = Annotated[int | float | str, exactly(int, float, str)]
ValueOrNull = Annotated[int | float | str | None, exactly(int, float, str, type(None))]


def json_kind(value: object) -> str | None:
    """Which branch of a union a JSON value belongs to: text, list or object; None for all others."""
    if isinstance(value, str):
        return "<text>"
    if isinstance(value, list | tuple):
        return "<list>"
    return "<object>" if isinstance(value, dict | BaseModel) else None


BY_JSON_KIND = Discriminator(json_kind)
TextBranch = Annotated[Text, Tag("<text>")]
ObjectBranch = Annotated[dict[str, Any], Tag("<object>")]

#: Marks our own keys in the JSON Schema.
EXTENSION: dict[str, Any] = {"x-clarify-spark-extension": True}
