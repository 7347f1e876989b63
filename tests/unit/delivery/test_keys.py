"""Names of objects: the same for every attempt of a load, different for everything else."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_s3dest.delivery.keys import KeyBuilder, LoadIdentity, stable_prefix
from airflow_provider_s3dest.delivery.objects import QUARANTINE, BatchId
from airflow_provider_s3dest.delivery.partitions import partition_of
from airflow_provider_s3dest.errors import SpecError
from airflow_provider_s3dest.spec.path_template import PathTemplate

RUN = "scheduled__2026-01-31T00:00:00+00:00"
PLAIN = LoadIdentity.of_task_instance("shop", RUN, "load", -1)


def _names(path: str, identity: LoadIdentity = PLAIN, run_date: datetime | None = None) -> KeyBuilder:
    return KeyBuilder(PathTemplate.parse(path), "csv.gz", identity, run_date)


def _uuid(
    identity: LoadIdentity = PLAIN, table: str = "orders", batch: int = 0, partition: str = "", generation: int = 0
) -> str:
    return _names("{{UUID}}", identity).key(BatchId(table, partition, batch), generation=generation)


class TestUuid:
    """The literal values hold the derivation still: another one would make every retry a duplicate."""

    def test_a_plain_task_names_its_first_object_so(self) -> None:
        assert _uuid() == "fe6d310c-f38f-5eb5-8167-7a5f860b9528"

    def test_its_second_batch_so(self) -> None:
        assert _uuid(batch=1) == "49c17258-10bd-5ede-9890-490156971cc2"

    def test_its_next_generation_so(self) -> None:
        assert _uuid(generation=1) == "b986233d-96f3-5b5a-b1f6-7c81c7acfdc4"

    def test_a_partition_of_a_mapped_instance_so(self) -> None:
        mapped = LoadIdentity.of_task_instance("shop", RUN, "load", 3)
        assert _uuid(mapped, partition="region=eu") == "75c05bd4-3341-5da4-806c-f870a56a2dd4"

    def test_a_load_of_the_caller_s_own_id_so(self) -> None:
        assert _uuid(LoadIdentity.of_load_id("nightly"), table="größe") == "e8c9ec9f-702c-53da-9b6c-3fc37732afb1"

    def test_the_sync_ids_are_these(self) -> None:
        assert PLAIN.sync_id == "5d045c2d-f0bd-5bc2-9341-ff7cb4e33a51"
        assert LoadIdentity.of_load_id("nightly").sync_id == "660ed1d5-a472-5476-ab1b-92667aff6967"

    def test_another_attempt_gives_the_same_names(self) -> None:
        again = LoadIdentity.of_task_instance("shop", RUN, "load", -1)
        assert [_uuid(batch=number) for number in range(5)] == [_uuid(again, batch=number) for number in range(5)]

    def test_every_part_of_the_identity_makes_another_name(self) -> None:
        of = LoadIdentity.of_task_instance
        names = [
            _uuid(),
            _uuid(of("shop2", RUN, "load", -1)),
            _uuid(of("shop", f"{RUN}x", "load", -1)),
            _uuid(of("shop", RUN, "load2", -1)),
            _uuid(of("shop", RUN, "load", 0)),
            _uuid(of("shop", RUN, "load", 1)),
            _uuid(table="orders2"),
            _uuid(batch=1),
            _uuid(partition="region=eu"),
            _uuid(generation=1),
        ]
        assert len(set(names)) == len(names)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (("a", "b", "c"), ("a,b", "", "c")),
            (("a", "b", "c"), ("a", "b,c", "")),
            (("a", "b", "c"), ('a","b', "b", "c")),
            (("a", "b", "c"), ("b", "a", "c")),
            (("", "ab", ""), ("a", "b", "")),
        ],
    )
    def test_parts_do_not_run_into_one_another(self, one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
        assert _uuid(LoadIdentity.of_task_instance(*one, -1)) != _uuid(LoadIdentity.of_task_instance(*other, -1))

    def test_neighbouring_numbers_do_not_run_into_one_another(self) -> None:
        grid = [_uuid(batch=batch, generation=generation) for batch in range(12) for generation in range(12)]
        assert len(set(grid)) == 144

    def test_a_load_id_is_no_task_instance(self) -> None:
        assert _uuid(LoadIdentity.of_load_id("shop")) != _uuid(LoadIdentity.of_task_instance("shop", "", "", -1))

    def test_the_path_does_not_change_the_uuid(self) -> None:
        assert _names("raw/{{TABLE}}/{{UUID}}.csv").key(BatchId("orders", "", 0)) == f"raw/orders/{_uuid()}.csv"


class TestSyncId:
    def test_it_is_one_for_all_mapped_instances_of_a_run(self) -> None:
        instances = [LoadIdentity.of_task_instance("shop", RUN, "load", index) for index in (-1, 0, 1, 2)]
        assert {_names("{{SYNC_ID}}", one).key(BatchId("orders", "", 0)) for one in instances} == {PLAIN.sync_id}

    def test_it_differs_by_dag_run_and_task(self) -> None:
        of = LoadIdentity.of_task_instance
        ids = [PLAIN, of("shop2", RUN, "load", -1), of("shop", "manual__1", "load", -1), of("shop", RUN, "load2", -1)]
        assert len({one.sync_id for one in ids}) == 4

    def test_it_is_one_for_all_tables_and_batches(self) -> None:
        names = _names("{{SYNC_ID}}/{{UUID}}")
        assert {names.key(BatchId(table, "", batch)).partition("/")[0] for table in "ab" for batch in (0, 1)} == {
            PLAIN.sync_id
        }


class TestDates:
    PATH = "{{YEAR}}-{{MONTH}}-{{DAY}}T{{HOUR}}:{{MINUTE}}"

    @pytest.mark.parametrize(
        ("run_date", "text"),
        [
            (datetime(2026, 1, 31, 23, 59, 59, tzinfo=timezone.utc), "2026-01-31T23:59"),
            (datetime(2026, 2, 1, 0, 30, tzinfo=timezone(timedelta(hours=2))), "2026-01-31T22:30"),
            (datetime(2025, 12, 31, 20, 5, tzinfo=timezone(timedelta(hours=-5, minutes=-30))), "2026-01-01T01:35"),
            (datetime(987, 6, 5, 4, 3, tzinfo=timezone.utc), "0987-06-05T04:03"),
        ],
    )
    def test_they_are_in_utc_with_all_their_digits(self, run_date: datetime, text: str) -> None:
        assert _names(self.PATH, run_date=run_date).key(BatchId("orders", "", 0)) == text

    def test_a_date_without_an_offset_is_taken_as_utc(self) -> None:
        assert (
            _names(self.PATH, run_date=datetime(2026, 1, 31, 23, 59)).key(BatchId("orders", "", 0))
            == "2026-01-31T23:59"
        )

    @pytest.mark.parametrize("name", ["YEAR", "MONTH", "DAY", "HOUR", "MINUTE"])
    def test_a_date_is_refused_for_a_run_without_one_before_any_key(self, name: str) -> None:
        with pytest.raises(SpecError, match=rf"has \{{\{{{name}\}}\}}, but the run has neither a logical date"):
            _names(f"raw/{{{{ {name} }}}}/{{{{UUID}}}}")

    def test_no_moment_is_needed_without_a_date(self) -> None:
        assert _names("raw/{{SYNC_ID}}.csv", run_date=None).key(BatchId("orders", "", 0)) == f"raw/{PLAIN.sync_id}.csv"


class TestKeys:
    def test_the_placeholders_of_table_format_and_batch(self) -> None:
        names = _names("{{TABLE}}/{{TABLE_HYPHEN}}/{{BATCH}}.{{FORMAT}}")
        assert names.key(BatchId("order_items", "", 0)) == "order_items/order-items/000000.csv.gz"
        assert names.key(BatchId("order_items", "", 1_234_567)) == "order_items/order-items/1234567.csv.gz"

    def test_keys_of_batches_sort_in_order(self) -> None:
        names = _names("{{BATCH}}-{{UUID}}")
        keys = [names.key(BatchId("orders", "", batch)) for batch in (0, 1, 9, 10, 99, 100, 999_999)]
        assert keys == sorted(keys)

    @pytest.mark.parametrize(
        ("table", "key"),
        [
            ("a/b", "raw/a%2Fb.csv"),
            ("50%", "raw/50%25.csv"),
            ("a\nb", "raw/a%0Ab.csv"),
            ("../a", "raw/..%2Fa.csv"),
            ("größe 漢字 😀", "raw/größe 漢字 😀.csv"),
            ("{{UUID}}", "raw/{{UUID}}.csv"),
            ("...", "raw/....csv"),
            ("x" * 900, f"raw/{'x' * 900}.csv"),
        ],
    )
    def test_a_hostile_table_name_stays_one_part_of_the_key(self, table: str, key: str) -> None:
        assert _names("raw/{{TABLE}}.csv").key(BatchId(table, "", 0)) == key

    @pytest.mark.parametrize("table", ["", ".", "..", "\ud800", "a\ufffe", "\uffff", None, 5, b"a"])
    def test_a_table_name_that_no_key_can_hold_is_refused(self, table: str) -> None:
        for path in ("raw/{{TABLE}}/{{UUID}}", "raw/{{UUID}}"):
            with pytest.raises(SpecError, match="can't be part of a key"):
                _names(path).key(BatchId(table, "", 0))
            with pytest.raises(SpecError, match="can't be part of a key"):
                _names(path).prefix(table)

    def test_a_table_name_that_makes_the_key_too_long_is_refused(self) -> None:
        with pytest.raises(SpecError, match="gives a key of 2708 bytes, S3 takes 1024"):
            _names("raw/{{TABLE}}.csv").key(BatchId("/" * 900, "", 0))

    @pytest.mark.parametrize(
        ("path", "one", "other"), [("all.csv", "a", "b"), ("{{TABLE_HYPHEN}}.csv", "a_b", "a-b"), ("{{DAY}}", "a", "b")]
    )
    def test_two_tables_with_one_key_are_refused(self, path: str, one: str, other: str) -> None:
        names = _names(path, run_date=datetime(2026, 1, 31))
        names.key(BatchId(one, "", 0))
        with pytest.raises(SpecError, match=f"gives the tables '{one}' and '{other}' the same key"):
            names.key(BatchId(other, "", 0))

    def test_two_tables_in_one_folder_keep_apart_by_their_uuid(self) -> None:
        names = _names("raw/{{UUID}}.csv")
        assert names.key(BatchId("a", "", 0)) != names.key(BatchId("b", "", 0))

    def test_one_table_may_ask_for_its_key_again(self) -> None:
        names = _names("raw/{{TABLE}}.csv")
        assert names.key(BatchId("a", "", 0)) == names.key(BatchId("a", "", 0))

    @pytest.mark.parametrize(
        ("path", "prefix"),
        [
            ("raw/{{TABLE}}/{{ ds }}/{{UUID}}", "raw/a%2Fb_c/"),
            ("raw/{{ TABLE_HYPHEN }}/{{YEAR}}/{{UUID}}", "raw/a%2Fb-c/"),
            ("raw/{{TABLE}}/{{SYNC_ID}}/x", "raw/a%2Fb_c/"),
            ("raw/{{ ds }}/{{TABLE}}/{{UUID}}", "raw/"),
            ("raw/{{TABLE}}-{{ ds }}/{{UUID}}", "raw/"),
            ("raw/{% if a %}x{% endif %}/{{TABLE}}/{{UUID}}", "raw/"),
            ("{{ ds }}/{{UUID}}", ""),
            ("{{TABLE}}", ""),
        ],
    )
    def test_the_stable_prefix_is_what_no_run_changes(self, path: str, prefix: str) -> None:
        assert stable_prefix(path, "a/b_c") == prefix

    def test_a_partition_s_values_are_part_of_the_key(self) -> None:
        names = _names("raw/{{TABLE}}/region={{FIELD.region}}/{{ FIELD['a b'] }}-{{BATCH}}.csv")
        partition = partition_of(names.fields, ["e/u", None])
        assert names.key(BatchId("t", partition, 1)) == "raw/t/region=e%2Fu/__HIVE_DEFAULT_PARTITION__-000001.csv"
        assert names.prefix("t") == "raw/t/"

    def test_partitions_have_uuids_of_their_own(self) -> None:
        names = _names("{{FIELD.a}}{{FIELD.b}}/{{UUID}}")
        one, other = partition_of("ab", ["x", "yz"]), partition_of("ab", ["xy", "z"])
        assert names.key(BatchId("t", one, 0)) != names.key(BatchId("t", other, 0))

    def test_two_partitions_with_one_key_are_refused(self) -> None:
        names = _names("{{FIELD.a}}{{FIELD.b}}")
        names.key(BatchId("t", partition_of("ab", ["x", "yz"]), 0))
        with pytest.raises(SpecError, match="gives the partitions 'a=x/b=yz' and 'a=xy/b=z' the same key 'xyz'"):
            names.key(BatchId("t", partition_of("ab", ["xy", "z"]), 0))

    def test_the_prefix_is_that_of_the_keys(self) -> None:
        names = _names("raw/{{YEAR}}/{{TABLE}}/{{BATCH}}-{{UUID}}.csv", run_date=datetime(2026, 1, 31))
        assert names.prefix("a/b") == "raw/2026/a%2Fb/"
        assert names.key(BatchId("a/b", "", 0)).startswith(names.prefix("a/b"))


@pytest.mark.parametrize("field", ["path", "manifest_path", "ddl_path"])
def test_a_fault_is_that_of_the_field_which_gave_the_template(field: str) -> None:
    with pytest.raises(SpecError, match=rf"`{field}`: has \{{\{{DAY\}}\}}"):
        KeyBuilder(PathTemplate.parse("{{DAY}}"), "csv", LoadIdentity.of_load_id("load-1"), None, argument=field)


class TestOfBadRecords:
    def names(self, path: str = "bad/{{TABLE}}/{{UUID}}.{{FORMAT}}") -> KeyBuilder:
        data = PathTemplate.parse("out/{{TABLE}}/p={{FIELD.p}}/{{UUID}}.csv.gz")
        return KeyBuilder(data, "csv.gz", LoadIdentity.of_load_id("load-1"), None, PathTemplate.parse(path))

    def test_keys_follow_their_own_path_and_are_json(self) -> None:
        key = self.names().key(BatchId("orders", QUARANTINE, 0))
        assert key.startswith("bad/orders/")
        assert key.endswith(".json")
        assert self.names().quarantine_prefix("orders") == "bad/orders/"

    def test_keys_are_the_same_in_every_attempt_and_differ_by_batch_and_generation(self) -> None:
        keys = [self.names().key(BatchId("t", QUARANTINE, n), generation=g) for n in (0, 1) for g in (0, 1)]
        assert keys == [self.names().key(BatchId("t", QUARANTINE, n), generation=g) for n in (0, 1) for g in (0, 1)]
        assert len(set(keys)) == 4
