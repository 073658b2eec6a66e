"""Everywhere that a fault can be planted: cosmic-ray's operators, and two of our own for statements and arguments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import parso
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import MutationVisitor
from cosmic_ray.operators import (
    binary_operator_replacement,
    boolean_replacer,
    break_continue,
    comparison_operator_replacement,
    number_replacer,
    unary_operator_replacement,
)
from cosmic_ray.operators.operator import Example, Operator

#: Faults that a reader could overlook; cosmic-ray offers every pair, of which most raise a TypeError at once.
COMPARISONS = [
    "Eq_NotEq",
    "NotEq_Eq",
    "Lt_LtE",
    "LtE_Lt",
    "Gt_GtE",
    "GtE_Gt",
    "Lt_GtE",
    "GtE_Lt",
    "Is_IsNot",
    "IsNot_Is",
]
ARITHMETIC = ["Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "FloorDiv_Mul", "Mod_FloorDiv", "Pow_Mul"]
SETS = ["BitOr_BitAnd", "BitAnd_BitOr"]
UNARY = ["USub_UAdd", "Delete_Invert"]


class RemoveStatement(Operator):
    """Leaves out a call, a ``raise``, or an assignment to what exists before it."""

    def mutation_positions(self, node):
        """Where a statement could be left out and the names of the function would still be there."""
        if node.type == "simple_stmt" and _can_be_missing(node.children[0]):
            yield node.children[0].start_pos, node.children[0].end_pos

    def mutate(self, node, index):
        """The statement ``pass`` in its place."""
        first = node.children[0].get_first_leaf()
        node.children[0] = parso.python.tree.Keyword("pass", first.start_pos, first.prefix)
        return node

    @classmethod
    def examples(cls):
        """What cosmic-ray's own tests would use."""
        return (Example("call(x)\n", "pass\n"), Example("x += 1\n", "pass\n"))


def _can_be_missing(statement) -> bool:
    if statement.type == "atom_expr":
        return statement.children[-1].type == "trailer" and statement.children[-1].children[0].value == "("
    if statement.type == "expr_stmt":
        target, sign = statement.children[:2]
        return sign.type != "annassign" and (target.type == "atom_expr" or sign.get_code().strip() != "=")
    return statement.type == "raise_stmt"


class SwapArguments(Operator):
    """Exchanges the first two positional arguments of a call."""

    def mutation_positions(self, node):
        """Where a call has two that differ."""
        if node.type == "arglist" and node.parent.type == "trailer" and len(node.children) >= 3:
            first, second = node.children[0], node.children[2]
            named = "argument" in (first.type, second.type)
            if not named and first.get_code().strip() != second.get_code().strip():
                yield first.start_pos, second.end_pos

    def mutate(self, node, index):
        """The call with both exchanged, and the space before them as it was."""
        first, second = node.children[0], node.children[2]
        leaves = first.get_first_leaf(), second.get_first_leaf()
        leaves[0].prefix, leaves[1].prefix = leaves[1].prefix, leaves[0].prefix
        node.children[0], node.children[2] = second, first
        return node

    @classmethod
    def examples(cls):
        """What cosmic-ray's own tests would use."""
        return (Example("call(x, y)", "call(y, x)"),)


def _of(module, prefix: str, names: list[str]) -> list[Operator]:
    return [getattr(module, f"{prefix}_{name}")() for name in names]


#: By the kind of fault, the operators that make it.
OPERATORS: dict[str, list[Operator]] = {
    "comparison": _of(comparison_operator_replacement, "ReplaceComparisonOperator", COMPARISONS),
    "arithmetic": _of(binary_operator_replacement, "ReplaceBinaryOperator", ARITHMETIC + SETS)
    + _of(unary_operator_replacement, "ReplaceUnaryOperator", UNARY),
    "boolean": [
        boolean_replacer.ReplaceTrueWithFalse(),
        boolean_replacer.ReplaceFalseWithTrue(),
        boolean_replacer.ReplaceAndWithOr(),
        boolean_replacer.ReplaceOrWithAnd(),
        boolean_replacer.AddNot(),
        break_continue.ReplaceBreakWithContinue(),
        break_continue.ReplaceContinueWithBreak(),
    ],
    "constant": [number_replacer.NumberReplacer()],
    "removed not": _of(unary_operator_replacement, "ReplaceUnaryOperator", ["Delete_Not"]),
    "removed statement": [RemoveStatement()],
    "swapped arguments": [SwapArguments()],
}


@dataclass(frozen=True)
class Candidate:
    """A fault that could be planted: the ``occurrence``-th place of an operator in a file."""

    file: str
    line: int
    kind: str
    operator: Operator
    occurrence: int

    @property
    def name(self) -> str:
        """Of the operator."""
        return type(self.operator).__name__

    def planted(self, source: str) -> str:
        """The file's text with the fault."""
        return MutationVisitor.mutate_code(source, self.operator, self.occurrence)


def candidates(file: str, source: str) -> Iterator[Candidate]:
    """All faults that could be planted in the functions of a file."""
    nodes = list(ast_nodes(get_ast(source)))
    for kind, operators in OPERATORS.items():
        for operator in operators:
            places = [node for node in nodes for _ in operator.mutation_positions(node)]
            starts = [start for node in nodes for start, _ in operator.mutation_positions(node)]
            for occurrence, (node, (line, _)) in enumerate(zip(places, starts, strict=True)):
                if _runs_in_a_function(node):
                    yield Candidate(file, line, kind, operator, occurrence)


def _runs_in_a_function(node) -> bool:
    inside = False
    while node.parent is not None:
        if node.parent.type == "annassign" and node is node.parent.children[1]:
            return False
        inside = inside or (node.parent.type == "funcdef" and node is node.parent.children[-1])
        node = node.parent
    return inside
