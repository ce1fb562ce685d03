"""What Python source does, as a text: its syntax tree without all that decides no result.

Two files have one meaning if they differ in nothing but comments, layout (blank lines, line breaks, quotes,
parentheses, trailing commas, how a number is written), docstrings and other constants that stand alone, `pass`, and
types: the annotations of functions, of their variables and of a module's, blocks under `if TYPE_CHECKING`, and imports
from typing and collections.abc that only these need. Left out are, too, what classes say of themselves in `summary` and
`reference`, where no code looks at it, the method `scorings`, by which plans guess, and the help of an `option(…)`.

Everything else counts: names, constants, texts that are data, the order of statements, decorators, bases, defaults, and
the annotated fields of classes, which are options. A function under a decorator that might read its annotations keeps
them (`singledispatch` chooses by them), and a variable that is declared without a value stays, as that makes it local.

The text is the same for every Python that can parse the file: fields of the tree that are empty do not show.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator

DISPLAYED = frozenset({"summary", "reference"})
"""Class attributes that the core shows to people and reads for nothing else."""
PLANNED = frozenset({"scorings"})
"""Methods of classes that the core asks for an estimate and for nothing else."""
SILENT = frozenset({"ctx", "kind", "type_comment"})
"""Fields of syntax trees that follow from others, or decide nothing."""
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
TYPES_ALONE = ("typing", "collections.abc")
"""Modules whose import does nothing but bind names."""
BLIND = frozenset(
    {
        "abstractmethod",
        "cache",
        "cached_property",
        "classmethod",
        "contextmanager",
        "hookimpl",
        "inference_mode",
        "lru_cache",
        "no_grad",
        "override",
        "property",
        "setter",
        "staticmethod",
        "wraps",
    }
)
"""Decorators that do not read a function's annotations."""


class Sign(str):
    """A piece of the text that is already written."""

    __slots__ = ()


def executed(text: str) -> ast.Module:
    """The syntax tree of a file without what has no part in running it; a SyntaxError where it cannot be parsed."""
    tree = ast.parse(text)
    typing, helpful = imported(tree, "typing", "TYPE_CHECKING"), imported(tree, "ticketbench", "option")
    waiting: list[tuple[ast.AST, bool]] = [(tree, False)]
    while waiting:
        node, in_class = waiting.pop()
        in_class = isinstance(node, ast.ClassDef) or (in_class and not isinstance(node, FUNCTIONS))
        if helpful and isinstance(node, ast.Call):
            drop_help(node)
        if isinstance(node, ast.JoinedStr):  # some Pythons end the format in f"{value:{width}}" with an empty text
            node.values = [part for part in node.values if not is_empty(part)]
        for _, value in ast.iter_fields(node):
            if isinstance(value, list):
                value[:] = [kept for item in value for kept in effective(item, in_class, typing)]
        waiting += [(child, in_class) for child in ast.iter_child_nodes(node)]
    drop_imports_for_types(tree)
    return tree


def meaning(tree: ast.Module, unseen: Collection[str] = ()) -> str:
    """The text of a tree; `unseen` are the class attributes that count for nothing: plain texts, and methods for plans.

    It is written with a list of what is to come, not by recursion: a long chain of `elif` is a deep tree.
    """
    words: list[str] = []
    waiting: list[object] = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Sign):
            words.append(item)
        elif isinstance(item, ast.AST):
            words.append(f"({type(item).__name__}")
            waiting.append(Sign(")"))
            for name, value in sorted(ast.iter_fields(item), reverse=True):
                if isinstance(item, ast.ClassDef) and name == "body":
                    value = [part for part in value if not is_of(part, unseen)]
                if value is not None and value != [] and name not in SILENT:
                    waiting += [value, Sign(f" {name}=")]
        elif isinstance(item, list):
            words.append("[")
            waiting.append(Sign("]"))
            for place, part in reversed(list(enumerate(item))):
                waiting += [part, Sign(" " if place else "")]
        else:  # Pythons differ in which characters they call printable, and refuse to print long integers in decimal
            words.append(hex(item) if type(item) is int else ascii(item))
    return "".join(words)


def mentioned(tree: ast.AST) -> set[str]:
    """Every name that is read, every attribute, and every text: whatever code could look up."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return found


def effective(item: object, in_class: bool, typing: bool) -> Iterator[object]:
    """What is left of an item of a list in a tree: nothing, itself, or what stands in its place."""
    match item:
        case ast.Pass() | ast.Expr(value=ast.Constant()) | ast.ImportFrom(module="__future__"):
            return
        case ast.If(test=ast.Name(id="TYPE_CHECKING")) if typing:
            for other in item.orelse:
                yield from effective(other, in_class, typing)
            return
        case ast.AnnAssign(target=target, value=None) if not in_class:
            yield ast.AnnAssign(target, ast.Constant(None), simple=item.simple)
            return
        case ast.AnnAssign(target=target, value=ast.expr() as value) if not in_class:
            yield ast.Assign([target], value)
            return
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            if all(last_name(decorator) in BLIND for decorator in item.decorator_list):
                drop_annotations(item)
    yield item


def drop_annotations(function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    """A function without the types of its arguments and of what it returns."""
    function.returns = None
    arguments = function.args
    stars = [star for star in (arguments.vararg, arguments.kwarg) if star]
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *stars):
        argument.annotation = None


def drop_help(call: ast.Call) -> None:
    """`option(default, "help", at_least=1)` without the help, where that is a text or a name for one."""
    if not isinstance(call.func, ast.Name) or call.func.id != "option":
        return
    if len(call.args) == 2 and is_plain(call.args[1]) and not isinstance(call.args[0], ast.Starred):
        del call.args[1]
    call.keywords = [word for word in call.keywords if word.arg != "help" or not is_plain(word.value)]


def drop_imports_for_types(tree: ast.Module) -> None:
    """Take out names that come from typing modules and that nothing left in the tree reads."""
    used = mentioned(tree)
    for node in ast.walk(tree):
        for _, value in ast.iter_fields(node):
            if isinstance(value, list):
                value[:] = [item for item in value if not is_import_for_types(item, used)]


def is_import_for_types(item: object, used: Collection[str]) -> bool:
    """Whether nothing is left of an import from a typing module without the names that nothing reads."""
    if not isinstance(item, ast.ImportFrom) or item.module not in TYPES_ALONE or item.level:
        return False
    item.names = [alias for alias in item.names if alias.name == "*" or (alias.asname or alias.name) in used]
    return not item.names


def imported(tree: ast.Module, module: str, name: str) -> bool:
    """Whether a name means, all over a file, what its one import from a module at the top level gives."""
    bound = [alias.name for alias in ast.walk(tree) if isinstance(alias, ast.alias) and alias.name == "*"]
    for node in ast.walk(tree):
        if isinstance(node, (ast.Attribute, ast.Constant, ast.ImportFrom, ast.keyword)):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            continue
        for _, value in ast.iter_fields(node):
            bound += [part for part in (value if isinstance(value, list) else [value]) if part == name]
    sources = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == module]
    plain = [alias for node in sources if not node.level for alias in node.names]
    return len(bound) == 1 and any(alias.name == name and not alias.asname for alias in plain)


def is_of(item: object, names: Collection[str]) -> bool:
    """Whether an item of a class's body gives a text to one of these attributes, or is one of these methods."""
    match item:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str())):
            return name in names and name in DISPLAYED
        case ast.FunctionDef(name=name, decorator_list=[]):
            return name in names and name in PLANNED
    return False


def is_plain(node: ast.expr) -> bool:
    """Whether an expression is a text or a name, which is nothing to compute."""
    return isinstance(node, ast.Name) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def is_empty(node: ast.expr) -> bool:
    """Whether an expression is the empty text."""
    return isinstance(node, ast.Constant) and node.value == ""


def last_name(decorator: ast.expr) -> str:
    """`setter` of `@shape.setter`, `lru_cache` of `@lru_cache(maxsize=1)`."""
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    if isinstance(called, ast.Attribute):
        return called.attr
    return called.id if isinstance(called, ast.Name) else ""
