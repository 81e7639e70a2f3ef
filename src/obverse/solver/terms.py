"""Z3 terms and checks without the Python layer's coercions, which cost more than the solving of small questions.

Only for terms that are Boolean and of one context: nothing here checks that.
"""

from __future__ import annotations

from collections.abc import Sequence

import z3


def all_of(formulas: Sequence[z3.BoolRef]) -> z3.BoolRef:
    """Their conjunction; at least one."""
    context = formulas[0].ctx
    return z3.BoolRef(z3.Z3_mk_and(context.ref(), len(formulas), _array(formulas)), context)


def any_of(formulas: Sequence[z3.BoolRef]) -> z3.BoolRef:
    """Their disjunction; at least one."""
    context = formulas[0].ctx
    return z3.BoolRef(z3.Z3_mk_or(context.ref(), len(formulas), _array(formulas)), context)


def opposite(formula: z3.BoolRef) -> z3.BoolRef:
    """Its negation."""
    return z3.BoolRef(z3.Z3_mk_not(formula.ctx.ref(), formula.as_ast()), formula.ctx)


def implied(condition: z3.BoolRef, formula: z3.BoolRef) -> z3.BoolRef:
    """That the one implies the other."""
    context = condition.ctx
    return z3.BoolRef(z3.Z3_mk_implies(context.ref(), condition.as_ast(), formula.as_ast()), context)


def hold(solver: z3.Solver, *formulas: z3.BoolRef) -> None:
    """Let these be true from now on."""
    context = solver.ctx.ref()
    for formula in formulas:
        z3.Z3_solver_assert(context, solver.solver, formula.as_ast())


def check(solver: z3.Solver, literals: Sequence[z3.BoolRef]) -> z3.CheckSatResult:
    """What the solver says under these assumptions."""
    found = z3.Z3_solver_check_assumptions(solver.ctx.ref(), solver.solver, len(literals), _array(literals))
    return z3.CheckSatResult(found)


def _array(formulas: Sequence[z3.BoolRef]) -> object:
    return (z3.Ast * len(formulas))(*(formula.as_ast() for formula in formulas))
