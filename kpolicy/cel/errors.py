"""The one error of the language, with its phase and place, and how it is shown."""

from __future__ import annotations

from typing import Literal

from kpolicy.errors import KpolicyError, Problem

Phase = Literal["parse", "check", "evaluate"]


class CelError(KpolicyError):
    """A CEL expression that cannot be parsed or checked, or whose evaluation failed.

    `line` and `column` count from 1 in the expression's own source (0 = unknown); `hint` is the
    next step ("did you mean ..."). Library functions raise `CelError("message")`; the place is
    added by the program that called them.
    """

    def __init__(
        self,
        message: str,
        *,
        phase: Phase = "evaluate",
        line: int = 0,
        column: int = 0,
        hint: str = "",
        source: str = "",
    ) -> None:
        self.message = message
        self.phase: Phase = phase
        self.line = line
        self.column = column
        self.hint = hint
        self.source = source
        super().__init__(Problem(message, None, hint))

    def __str__(self) -> str:
        where = f"{self.line}:{self.column}: " if self.line else ""
        return f"{where}{self.message}" + (f" ({self.hint})" if self.hint else "")

    def excerpt(self) -> str:
        """Return the offending source line with a caret under the column, or ''."""
        lines = self.source.splitlines()
        if not 0 < self.line <= len(lines):
            return ""
        text = lines[self.line - 1].replace("\t", " ")
        return f"{text}\n{' ' * (self.column - 1)}^"


class BudgetExceeded(CelError):
    """An evaluation that costs more than its budget; it is never absorbed by `||` and the like."""

    def __init__(self, budget: int, line: int = 0, column: int = 0) -> None:
        super().__init__(
            f"cost budget exceeded: the evaluation costs more than {budget:,} steps",
            line=line,
            column=column,
            hint="loop over less, or compare by a key instead of nesting loops",
        )


class CelErrors(CelError):
    """Several problems of one expression (the checker finds all of them): `errors` holds each."""

    def __init__(self, errors: tuple[CelError, ...]) -> None:
        first = errors[0]
        super().__init__(
            first.message, phase=first.phase, line=first.line, column=first.column,
            hint=first.hint, source=first.source,
        )  # fmt: skip
        self.errors = errors
        self.problems = tuple(p for e in errors for p in e.problems)


def line_column(source: str, offset: int) -> tuple[int, int]:
    """Return line and column, both from 1, of an offset."""
    before = source.count("\n", 0, offset)
    return before + 1, offset - (source.rfind("\n", 0, offset) + 1) + 1
