"""The statements of a package as they are executed here: `is` and decorators ask whether a stand-in is there."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable
from typing import Any

from .names import is_jit
from .stand_ins import is_absent, is_nothing, is_same

SAME, DECORATOR = "__warpbook_is_same__", "__warpbook_decorator__"


def decorator(root: Callable[[], Any], whole: Callable[[], Any]) -> Any:
    """A decorator of a package; one of a module that is not there leaves its function alone."""

    def alone(function: Any) -> Any:
        return function

    try:
        base = root()
    except NameError:
        base = None
    if is_nothing(base) or is_absent(base):
        return alone
    found = whole()
    return alone if is_nothing(found) else found


# What the rewritten statements call.
NAMES = {SAME: is_same, DECORATOR: decorator}


class Rewriter(ast.NodeTransformer):
    """Rewrites a statement."""

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if len(node.ops) != 1 or not isinstance(node.ops[0], ast.Is | ast.IsNot):
            return node
        call: ast.expr = ast.Call(ast.Name(SAME, ast.Load()), [node.left, node.comparators[0]], [])
        if isinstance(node.ops[0], ast.IsNot):
            call = ast.UnaryOp(ast.Not(), call)
        return ast.copy_location(call, node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        # Triton reads a jitted function's own text; only what is around it is executed here.
        if not is_jit(node):
            self.generic_visit(node)
        node.decorator_list = [wrapped(each) for each in node.decorator_list]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.generic_visit(node)
        node.decorator_list = [wrapped(each) for each in node.decorator_list]
        return node


def wrapped(node: ast.expr) -> ast.expr:
    """A decorator whose module is asked for first."""
    root: ast.expr = node
    while isinstance(root, ast.Call | ast.Attribute | ast.Subscript):
        root = root.func if isinstance(root, ast.Call) else root.value
    if not isinstance(root, ast.Name):
        return node
    empty = ast.arguments([], [], None, [], [], None, [])
    bodies: list[ast.expr] = [ast.Lambda(empty, ast.Name(root.id, ast.Load())), ast.Lambda(empty, node)]
    return ast.copy_location(ast.Call(ast.Name(DECORATOR, ast.Load()), bodies, []), node)


def statement(node: ast.stmt) -> ast.stmt:
    """A statement as it is executed. The file's own tree stays as it is."""
    rewritten: ast.stmt = ast.fix_missing_locations(Rewriter().visit(copy.deepcopy(node)))
    return rewritten


def expression(node: ast.expr) -> ast.expr:
    """An expression as it is evaluated."""
    rewritten: ast.expr = ast.fix_missing_locations(Rewriter().visit(copy.deepcopy(node)))
    return rewritten
