"""The form of the connection before Airflow 3.2, made of the one that ``get_provider_info`` gives to later versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_s3dest.get_provider_info import get_provider_info


def form_widgets() -> dict[str, Any]:
    """Give the fields of the form, by name."""
    from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
    from flask_babel import lazy_gettext
    from wtforms import BooleanField, IntegerField, StringField
    from wtforms.validators import Optional, any_of

    def widget(field: Mapping[str, Any]) -> Any:
        kind, *_ = field["schema"]["type"]
        label, description = lazy_gettext(field["label"]), field.get("description", "")
        if kind == "boolean":
            return BooleanField(label, description=description)
        validators = [Optional()]  # it lets an empty field be, and asks no further
        if "enum" in field["schema"]:
            validators.append(any_of(field["schema"]["enum"]))
        made = IntegerField if kind == "integer" else StringField
        return made(label, validators=validators, description=description, widget=BS3TextFieldWidget())

    return {name: widget(field) for name, field in _connection_type()["conn-fields"].items()}


def field_behaviour() -> dict[str, Any]:
    """Give what of the form is hidden, named otherwise and filled with examples."""
    return {name.replace("-", "_"): value for name, value in _connection_type()["ui-field-behaviour"].items()}


def _connection_type() -> Mapping[str, Any]:
    described: Mapping[str, Any] = get_provider_info()["connection-types"][0]
    return described
