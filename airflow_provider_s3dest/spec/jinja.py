"""Analyzes a Jinja template before it is rendered; imports Jinja only if there is a template."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from airflow_provider_s3dest.errors import Fault, short

if TYPE_CHECKING:
    import jinja2

OPENERS = ("{{", "{%", "{#")


def has_opener(text: str) -> bool:
    """Return whether Jinja would find anything in a text."""
    return any(opener in text for opener in OPENERS)


def syntax_fault(text: str, key: str, environment: jinja2.Environment | None = None) -> Fault | None:
    """Return what is wrong with the syntax of a template; None if Jinja can read it."""
    from jinja2 import TemplateSyntaxError

    try:
        _parsed(text, environment)
    except TemplateSyntaxError as error:
        return Fault(
            key, f"is no Jinja that can be read, line {error.lineno}: {error.message}", f"Correct {short(text)}."
        )
    return None


def undeclared_names(text: str, environment: jinja2.Environment | None = None) -> set[str]:
    """Return the names that a template takes from its context.

    :raises jinja2.TemplateSyntaxError: if Jinja can't read the template.
    """
    from jinja2.meta import find_undeclared_variables

    return find_undeclared_variables(_parsed(text, environment))


def evaluated_names(
    text: str, plain: Collection[str], keyed: Collection[str], environment: jinja2.Environment | None = None
) -> list[str]:
    """Return the names that a template uses in any way other than printing them unchanged.

    :param plain: names to look for, that may be printed alone: ``{{NAME}}``.
    :param keyed: names to look for, of which a member may be printed: ``{{NAME.member}}``, ``{{NAME["member"]}}``.
    :raises jinja2.TemplateSyntaxError: if Jinja can't read the template.
    """
    from jinja2 import nodes

    def is_printed(node: Any) -> bool:
        if isinstance(node, nodes.Getitem):
            keyed_by_text = isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str)
            return keyed_by_text and isinstance(node.node, nodes.Name) and node.node.name in keyed
        if isinstance(node, nodes.Getattr):
            return isinstance(node.node, nodes.Name) and node.node.name in keyed
        return isinstance(node, nodes.Name) and node.name in plain

    evaluated: dict[str, None] = {}  # as an ordered set
    # Blocks that change the text they enclose: what is printed inside them is not printed unchanged.
    changing = (nodes.FilterBlock, nodes.AssignBlock, nodes.Macro, nodes.CallBlock)
    waiting: list[tuple[Any, bool]] = [(_parsed(text, environment), True)]
    for node, prints in waiting:
        if isinstance(node, nodes.Name) and (node.name in plain or node.name in keyed):
            evaluated[node.name] = None
        prints = prints and not isinstance(node, changing)
        leaves = prints and isinstance(node, nodes.Output)
        waiting += [(child, prints) for child in node.iter_child_nodes() if not (leaves and is_printed(child))]
    return list(evaluated)


def _parsed(text: str, environment: jinja2.Environment | None) -> Any:
    from jinja2 import Environment

    return (environment or Environment()).parse(text)
