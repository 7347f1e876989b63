"""Builds the connection form for Airflow before 3.2, from the fields that ``get_provider_info`` lists for later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_s3dest.get_provider_info import get_provider_info


def form_widgets() -> dict[str, Any]:
    """Return the fields of the form, by name."""
    from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
    from flask_babel import lazy_gettext
    from wtforms import BooleanField, IntegerField, StringField
    from wtforms.validators import Optional, any_of

    def widget(field: Mapping[str, Any]) -> Any:
        json_type, *_ = field["schema"]["type"]
        label, description = lazy_gettext(field["label"]), field.get("description", "")
        if json_type == "boolean":
            return BooleanField(label, description=description)
        validators = [Optional()]  # an empty field passes, and no other validator sees it
        if "enum" in field["schema"]:
            validators.append(any_of(field["schema"]["enum"]))
        field_class = IntegerField if json_type == "integer" else StringField
        return field_class(label, validators=validators, description=description, widget=BS3TextFieldWidget())

    return {name: widget(field) for name, field in _connection_type()["conn-fields"].items()}


def field_behaviour() -> dict[str, Any]:
    """Return which fields of the form are hidden or renamed, and which show examples."""
    return {name.replace("-", "_"): value for name, value in _connection_type()["ui-field-behaviour"].items()}


def _connection_type() -> Mapping[str, Any]:
    connection_type: Mapping[str, Any] = get_provider_info()["connection-types"][0]
    return connection_type
