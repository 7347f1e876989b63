"""The path template: its placeholders, Jinja beside them, and what a key can't be."""

from __future__ import annotations

import time
from typing import Any

import jinja2
import pytest
from jinja2.nativetypes import NativeEnvironment
from jinja2.sandbox import SandboxedEnvironment

from airflow_provider_s3dest.errors import SpecError
from airflow_provider_s3dest.spec.path_template import (
    PLACEHOLDERS,
    PathTemplate,
    escape,
    faults,
    folder_of,
    has_foreign_jinja,
    has_jinja,
    is_placeholder,
    jinja_globals,
    misuses,
    names_a_run,
    placeholders,
    prefix_of_text,
)

VALUES = {name: f"<{name.lower()}>" for name in PLACEHOLDERS if name != "FIELD"}


def _problems(text: str, *, jinja: bool = False) -> list[str]:
    return [fault.problem for fault in faults(text, jinja=jinja)]


class TestRender:
    @pytest.mark.parametrize("name", VALUES)
    def test_each_placeholder_is_filled_in(self, name: str) -> None:
        assert PathTemplate.parse(f"a/{{{{{name}}}}}.b").render(VALUES) == f"a/<{name.lower()}>.b"

    @pytest.mark.parametrize("braces", ["{{TABLE}}", "{{ TABLE }}", "{{TABLE }}", "{{\tTABLE}}", "{{- TABLE -}}"])
    def test_spaces_inside_the_braces_make_no_difference(self, braces: str) -> None:
        assert PathTemplate.parse(f"raw/{braces}").render(VALUES) == "raw/<table>"

    def test_a_placeholder_may_come_twice_and_beside_another(self) -> None:
        assert (
            PathTemplate.parse("{{TABLE}}/{{YEAR}}{{MONTH}}/{{TABLE}}").render(VALUES)
            == "<table>/<year><month>/<table>"
        )

    def test_a_value_is_not_read_as_a_template(self) -> None:
        assert PathTemplate.parse("{{TABLE}}/{{UUID}}").render({"TABLE": "{{UUID}}", "UUID": "1"}) == "{{UUID}}/1"

    def test_a_path_without_placeholders_is_its_own_key(self) -> None:
        assert PathTemplate.parse("a b/ü.csv").render({}) == "a b/ü.csv"

    @pytest.mark.parametrize(("table", "size"), [("x" * 1024, 1024), ("ü" * 512, 1024)])
    def test_a_key_of_1024_bytes_is_the_longest(self, table: str, size: int) -> None:
        template = PathTemplate.parse("{{TABLE}}")
        assert len(template.render({"TABLE": table}).encode()) == size
        with pytest.raises(SpecError, match="gives a key of 1025 bytes, S3 takes 1024"):
            template.render({"TABLE": f"{table}x"})

    @pytest.mark.parametrize(
        ("text", "prefix"),
        [
            ("raw/{{TABLE}}/{{UUID}}.csv", "raw/<table>/"),
            ("raw/{{TABLE}}-{{UUID}}.csv", "raw/"),
            ("raw/{{UUID}}/{{TABLE}}/x.csv", "raw/"),
            ("raw/{{YEAR}}/{{BATCH}}-{{UUID}}", "raw/<year>/"),
            ("{{UUID}}", ""),
            ("{{TABLE}}.csv", ""),
            ("raw/{{TABLE}}.csv", "raw/"),
        ],
    )
    def test_the_prefix_is_the_folder_that_all_objects_of_a_table_share(self, text: str, prefix: str) -> None:
        assert PathTemplate.parse(text).prefix(VALUES) == prefix

    @pytest.mark.parametrize(
        ("text", "prefix"),
        [("a/b/{{TABLE}}", "a/b/"), ("a/b{{TABLE}}", "a/"), ("{{ ds }}/a", ""), ("a", ""), ("a/{b}/c", "a/")],
    )
    def test_the_folder_of_a_text_ends_before_the_first_brace(self, text: str, prefix: str) -> None:
        assert prefix_of_text(text) == prefix


class TestFaults:
    @pytest.mark.parametrize(
        "text",
        [
            *("a", "a/b", "a.b/c", ".a", "..a", "a..", "a/..b", "...", "a\\b", "a b", " a", "ü/ö", "a{b}", "{TABLE}"),
            *("{{TABLE}}.", "{{TABLE}}..", "s3:x"),
        ],
    )
    def test_a_plain_key_is_taken(self, text: str) -> None:
        assert PathTemplate.parse(text).text == text

    @pytest.mark.parametrize(
        "text", ["a//b", "//a", "./a", "../a", "a/./b", "a/../b", "a./b", ".", "..", "a/.", "a/..", "{{TABLE}}./x"]
    )
    def test_relative_parts_and_double_slashes_are_refused(self, text: str) -> None:
        assert any(problem.startswith("contains `//`, `./` or `../`") for problem in _problems(text))

    @pytest.mark.parametrize("text", ["/", "/a", "//a", "/{{TABLE}}"])
    def test_a_leading_slash_is_refused(self, text: str) -> None:
        assert any(problem.startswith("starts with `/`") for problem in _problems(text))

    @pytest.mark.parametrize("text", ["/", "a/", "{{TABLE}}/", "a//"])
    def test_a_trailing_slash_is_refused(self, text: str) -> None:
        assert any(problem.startswith("ends with `/`") for problem in _problems(text))

    @pytest.mark.parametrize("text", ["a\nb", "a\n", "\ta", "a\x00", "a\x7f", "{{TABLE}}\r\n"])
    def test_control_characters_are_refused(self, text: str) -> None:
        assert len(_problems(text)) == 1
        assert _problems(text)[0].startswith("contains a line end or another control character")

    def test_an_empty_path_is_refused(self) -> None:
        assert _problems("") == ["is empty."]

    @pytest.mark.parametrize("character", ["\ufffe", "\uffff"])
    def test_what_no_deletion_can_name_is_refused(self, character: str) -> None:
        assert _problems(f"a{character}") == [f"contains U+FFFE or U+FFFF: 'a\\u{ord(character):04x}'."]

    def test_half_a_surrogate_pair_is_refused(self) -> None:
        assert _problems("a/\ud800") == ["is no valid Unicode: 'a/\\ud800'."]

    @pytest.mark.parametrize("text", ["{{TABLE", "TABLE}}", "{{TABLE}/x", "a/{%", "a%}", "{#"])
    def test_braces_without_their_other_half_are_refused(self, text: str) -> None:
        assert any("without their other half" in problem for problem in _problems(text))

    @pytest.mark.parametrize("name", ["TABEL", "table", "Uuid", "SYNC_GROUP_ID", "ds", "TABLEX", "", "run_id | upper"])
    def test_an_unknown_name_is_refused_with_the_known_ones(self, name: str) -> None:
        (fault,) = faults(f"a/{{{{{name}}}}}")
        assert fault.problem == f"unknown placeholder {{{{{name}}}}}."
        assert all(f"{{{{{known}}}}}" in fault.remedy for known in VALUES)
        assert "{{FIELD.name}}" in fault.remedy

    @pytest.mark.parametrize(
        ("name", "meant"), [("TABEL", "TABLE"), ("table", "TABLE"), ("uid", "UUID"), ("SYNC_GROUP_ID", "SYNC_ID")]
    )
    def test_a_misspelt_name_is_guessed(self, name: str, meant: str) -> None:
        (fault,) = faults(f"{{{{{name}}}}}")
        assert fault.remedy.startswith(f"Did you mean {{{{{meant}}}}}? ")

    @pytest.mark.parametrize(
        "expression",
        ["TABLE | upper", "TABLE|lower", "TABLE.x", "TABLE ~ 'a'", "YEAR + 1", "UUID[:8]", "TABLE_HYPHEN()"],
    )
    def test_a_filter_on_a_placeholder_is_refused_as_such(self, expression: str) -> None:
        text = f"a/{{{{ {expression} }}}}"
        for found in (list(misuses(text)), list(faults(text)), list(faults(text, jinja=True))):
            assert [fault.problem.partition(":")[0] for fault in found] == [
                "filters and expressions don't work on a placeholder"
            ]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('a/{% if TABLE == "t" %}x{% endif %}', '{% if TABLE == "t" %}'),
            ("{% for x in UUID %}{% endfor %}", "{% for x in UUID %}"),
            ("{% set DAY = 1 %}", "{% set DAY = 1 %}"),
            ("{{ ds ~ TABLE }}", "{{ ds ~ TABLE }}"),
            ('{{ "x" if UUID }}', '{{ "x" if UUID }}'),
            ("{{ [FIELD.a] }}", "{{ [FIELD.a] }}"),
            ("{{ f(x=YEAR) }}/{{YEAR}}", "{{ f(x=YEAR) }}"),
            ("{% filter upper %}{{TABLE}}{% endfilter %}", "{% filter upper %}{{TABLE}}{% endfilter %}"),
            ("{% set x %}{{TABLE}}{% endset %}{{ x }}", "{% set x %}{{TABLE}}{% endset %}{{ x }}"),
        ],
    )
    def test_a_placeholder_that_jinja_would_evaluate_is_refused(self, text: str, message: str) -> None:
        for found in (list(misuses(text)), list(faults(text, jinja=True))):
            assert any(fault.problem.endswith(f"don't work on a placeholder: {message}.") for fault in found)

    @pytest.mark.parametrize(
        "text",
        [
            "{% if params.x %}{{TABLE}}{% else %}{{ UUID }}{% endif %}",
            "{% for x in [1] %}{{TABLE}}{{ x }}{% endfor %}",
            "{{ params.TABLE }}/{{ 'TABLE' }}/{{ f(TABLE=1) }}",
            "{# TABLE | upper #}{% raw %}{{ TABLE | upper }}{% endraw %}",
            "{{ d['UUID'] }}/{{ TABLE_NAME }}",
        ],
    )
    def test_a_placeholder_that_is_only_printed_or_not_meant_is_taken(self, text: str) -> None:
        assert list(misuses(text)) == []

    @pytest.mark.parametrize("expression", ["FIELD", "FIELD.a.b", "FIELD[0]", "FIELD.a|upper"])
    def test_a_field_without_one_name_is_refused_with_both_spellings(self, expression: str) -> None:
        (fault,) = faults(f"{{{{{expression}}}}}")
        assert fault.remedy == 'Write {{FIELD.name}} or {{FIELD["odd name"]}}.'

    @pytest.mark.parametrize(
        ("expression", "column"),
        [
            ("FIELD.region", "region"),
            ("FIELD._cq_id", "_cq_id"),
            ('FIELD["odd name"]', "odd name"),
            ("FIELD['a/b']", "a/b"),
        ],
    )
    def test_a_field_names_a_column(self, expression: str, column: str) -> None:
        assert is_placeholder(expression)
        assert _problems(f"{{{{{expression}}}}}") == []
        assert PathTemplate.parse(f"{{{{TABLE}}}}/{{{{ {expression} }}}}/{{{{UUID}}}}").fields == (column,)

    def test_fields_are_told_in_order_and_once(self) -> None:
        assert PathTemplate.parse('{{FIELD.b}}/{{FIELD.a}}/{{FIELD["b"]}}/{{UUID}}').fields == ("b", "a")

    def test_every_fault_is_told(self) -> None:
        with pytest.raises(SpecError) as caught:
            PathTemplate.parse("/a//{{TABEL}}/{{UUID|upper}}/\n/")
        assert len(caught.value.faults) == 6


class TestJinja:
    @pytest.mark.parametrize(
        "text",
        [
            "{{ ds }}",
            "{{TABLE}}/{{ ds_nodash }}",
            "{% if x %}a{% endif %}",
            "{# note #}a",
            "{{ params['a'] }}",
            "{{x\n}}",
        ],
    )
    def test_jinja_is_told_from_placeholders(self, text: str) -> None:
        assert has_jinja(text)

    @pytest.mark.parametrize(
        "text", ["", "raw", "{{TABLE}}/{{ UUID }}", "{{FIELD.region}}", '{{FIELD["a b"]}}', "{TABLE}", "a{b}c"]
    )
    def test_placeholders_alone_are_no_jinja(self, text: str) -> None:
        assert not has_jinja(text)

    @pytest.mark.parametrize(
        "text", ["raw/{{ ds }}/{{TABLE}}", "{% if a %}x{% endif %}", "{{ ti.map_index }}/{{UUID}}"]
    )
    def test_jinja_that_is_still_to_be_rendered_is_no_fault(self, text: str) -> None:
        assert _problems(text, jinja=True) == []
        assert _problems(text) != []

    @pytest.mark.parametrize(
        "text", ["{{YEAR}}", "{{ MONTH }}/a", "{{DAY}}", "{{HOUR}}", "{{MINUTE}}", "a/{{SYNC_ID}}", "{{ ds }}"]
    )
    def test_dates_sync_ids_and_jinja_name_a_run(self, text: str) -> None:
        assert names_a_run(text)

    @pytest.mark.parametrize("text", ["a", "{{TABLE}}.{{FORMAT}}", "{{BATCH}}", "{{UUID}}", "YEAR"])
    def test_other_placeholders_name_no_run(self, text: str) -> None:
        assert not names_a_run(text)


ENVIRONMENTS = [
    pytest.param(jinja2.Environment(), id="plain"),
    pytest.param(jinja2.Environment(undefined=jinja2.StrictUndefined), id="strict"),
    pytest.param(SandboxedEnvironment(), id="sandboxed"),
    pytest.param(NativeEnvironment(), id="native"),
]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
class TestRenderedByJinja:
    """What Jinja renders beside placeholders, with the globals that keep those standing."""

    @staticmethod
    def _rendered(environment: jinja2.Environment, text: str) -> Any:
        overlay = environment.overlay()
        overlay.globals = {**environment.globals, **jinja_globals()}
        return overlay.from_string(text).render(ds="2026-01-31", n=7)

    @pytest.mark.parametrize("name", VALUES)
    def test_each_placeholder_stays(self, environment: jinja2.Environment, name: str) -> None:
        rendered = self._rendered(environment, f"{{{{ {name} }}}}")
        assert rendered == f"{{{{{name}}}}}"
        assert PathTemplate.parse(rendered).render(VALUES) == VALUES[name]

    def test_jinja_is_rendered_beside_placeholders(self, environment: jinja2.Environment) -> None:
        text = "raw/{{ ds }}/{{TABLE}}/{% if n > 5 %}big{% endif %}-{{ n }}{# a note #}/{{ UUID }}.{{FORMAT}}"
        assert self._rendered(environment, text) == "raw/2026-01-31/{{TABLE}}/big-7/{{UUID}}.{{FORMAT}}"

    @pytest.mark.parametrize(
        ("written", "name"),
        [
            ("FIELD.region", "region"),
            ('FIELD["region"]', "region"),
            ("FIELD['odd name']", "odd name"),
            ("FIELD['items']", "items"),
            ("FIELD.items", "items"),
            ("FIELD['it\"s']", 'it"s'),
            ("FIELD['größe']", "größe"),
        ],
    )
    def test_a_field_stays_a_field_of_that_name(self, environment: jinja2.Environment, written: str, name: str) -> None:
        rendered = self._rendered(environment, f"{{{{ {written} }}}}/{{{{UUID}}}}")
        assert rendered == f'{{{{FIELD["{name}"]}}}}/{{{{UUID}}}}'
        assert not has_jinja(rendered)

    def test_no_placeholder_hides_jinja_s_own_globals(self, environment: jinja2.Environment) -> None:
        assert jinja_globals().keys() & environment.globals.keys() == set()


class TestEscape:
    @pytest.mark.parametrize(
        ("name", "escaped"),
        [
            ("orders", "orders"),
            ("a/b", "a%2Fb"),
            ("100%", "100%25"),
            ("a%2Fb", "a%252Fb"),
            ("a\nb\x00\x7f", "a%0Ab%00%7F"),
            ("../etc", "..%2Fetc"),
            ("größe 漢字 😀", "größe 漢字 😀"),
            ("a b+c&d=e", "a b+c&d=e"),
            ("", ""),
        ],
    )
    def test_only_what_would_break_a_key_is_encoded(self, name: str, escaped: str) -> None:
        assert escape(name) == escaped

    def test_no_two_names_become_one(self) -> None:
        names = ["a/b", "a%2Fb", "a%252Fb", "a%2fb", "a\nb", "a%0Ab"]
        assert len({escape(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    "text", ["{{" + " " * 100_000, "{{" * 50_000, "{%" * 50_000 + "{#" * 50_000, "{{-" * 30_000 + "}}"]
)
def test_braces_are_found_in_linear_time(text: str) -> None:
    began = time.process_time()
    placeholders(text)
    has_jinja(text)
    has_foreign_jinja(text)
    folder_of(text, {})
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{{ds}}{{ TABLE }}{{-UUID-}}", {"ds", "TABLE", "UUID"}),
        ("{{ {{ a }} }}", {"{{ a"}),
        ("{{}}}", {""}),
        ("{{{a}}", {"{a"}),
        ("{% {{a}} %}", {"a"}),
        ("{{ a", set()),
    ],
)
def test_an_expression_ends_at_the_first_closing_braces(text: str, found: set[str]) -> None:
    assert placeholders(text) == found
