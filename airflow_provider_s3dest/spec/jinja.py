"""What can be told of a text of Jinja before it is rendered. Jinja is loaded only where there is some."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from airflow_provider_s3dest.errors import Fault, short

if TYPE_CHECKING:
    import jinja2

OPENERS = ("{{", "{%", "{#")


def has_opener(text: str) -> bool:
    """Say whether Jinja would look into a text."""
    return any(opener in text for opener in OPENERS)


def syntax_fault(text: str, key: str, environment: jinja2.Environment | None = None) -> Fault | None:
    """Find whether a text is Jinja at all."""
    from jinja2 import TemplateSyntaxError

    try:
        _parsed(text, environment)
    except TemplateSyntaxError as error:
        return Fault(
            key, f"is no Jinja that can be read, line {error.lineno}: {error.message}", f"Correct {short(text)}."
        )
    return None


def undeclared_names(text: str, environment: jinja2.Environment | None = None) -> set[str]:
    """Give the names that a text takes from its context.

    :raises jinja2.TemplateSyntaxError: if it is no Jinja.
    """
    from jinja2.meta import find_undeclared_variables

    return find_undeclared_variables(_parsed(text, environment))


def evaluated_names(
    text: str, plain: Collection[str], keyed: Collection[str], environment: jinja2.Environment | None = None
) -> list[str]:
    """Give those of some names that a text does more with than to print them.

    :param plain: names that may be printed alone: ``{{NAME}}``.
    :param keyed: names of which a member may be printed: ``{{NAME.member}}``, ``{{NAME["member"]}}``.
    :raises jinja2.TemplateSyntaxError: if it is no Jinja.
    """
    from jinja2 import nodes

    def is_printed(node: Any) -> bool:
        if isinstance(node, nodes.Getitem):
            keyed_by_text = isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str)
            return keyed_by_text and isinstance(node.node, nodes.Name) and node.node.name in keyed
        if isinstance(node, nodes.Getattr):
            return isinstance(node.node, nodes.Name) and node.node.name in keyed
        return isinstance(node, nodes.Name) and node.name in plain

    found: dict[str, None] = {}
    changing = (nodes.FilterBlock, nodes.AssignBlock, nodes.Macro, nodes.CallBlock)  # they take the text they enclose
    waiting: list[tuple[Any, bool]] = [(_parsed(text, environment), True)]
    for node, prints in waiting:
        if isinstance(node, nodes.Name) and (node.name in plain or node.name in keyed):
            found[node.name] = None
        prints = prints and not isinstance(node, changing)
        leaves = prints and isinstance(node, nodes.Output)
        waiting += [(child, prints) for child in node.iter_child_nodes() if not (leaves and is_printed(child))]
    return list(found)


def _parsed(text: str, environment: jinja2.Environment | None) -> Any:
    from jinja2 import Environment

    return (environment or Environment()).parse(text)
