"""The types of PostgreSQL by their numbers (OIDs), which are the same in every database (``pg_type.dat``)."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_s3dest.sources.sql.column import ArrowType, Column, decimal_column, list_type, plain_type

JSON = (114, 3802)
NUMERIC, NUMERICS, TIME = 1700, 1231, 1083

_TIMESTAMP, _TIMESTAMPTZ = plain_type("timestamp", "us"), plain_type("timestamp", "us", "UTC")

_TYPES: Mapping[int, tuple[int, ArrowType]] = {
    16: (1000, plain_type("bool_")),
    17: (1001, plain_type("binary")),
    20: (1016, plain_type("int64")),
    21: (1005, plain_type("int16")),
    23: (1007, plain_type("int32")),
    26: (1028, plain_type("int64")),  # oid, an unsigned integer of four bytes
    # The shortest text of a float4 is a number that a float32 does not hold exactly, such as 0.1.
    700: (1021, plain_type("float64")),
    701: (1022, plain_type("float64")),
    1082: (1182, plain_type("date32")),
    1083: (1183, plain_type("time64", "us")),
    1114: (1115, _TIMESTAMP),
    1184: (1185, _TIMESTAMPTZ),
}
"""Types that Arrow has too, by the number of the type; each with the number of its array."""

_TEXTS: Mapping[int, int] = {
    18: 1002,  # "char"
    19: 1003,  # name
    25: 1009,  # text
    114: 199,  # json
    142: 143,  # xml
    600: 1017,  # point
    650: 651,  # cidr
    774: 775,  # macaddr8
    790: 791,  # money
    829: 1040,  # macaddr
    869: 1041,  # inet
    1042: 1014,  # char
    1043: 1015,  # varchar
    1186: 1187,  # interval
    1266: 1270,  # timetz
    1560: 1561,  # bit
    1562: 1563,  # varbit
    2249: 2287,  # record
    2950: 2951,  # uuid
    3802: 3807,  # jsonb
    3904: 3905,  # int4range
    3906: 3907,  # numrange
    3908: 3909,  # tsrange
    3910: 3911,  # tstzrange
    3912: 3913,  # daterange
    3926: 3927,  # int8range
    4451: 6150,  # int4multirange
    4532: 6151,  # nummultirange
    4533: 6152,  # tsmultirange
    4534: 6153,  # tstzmultirange
    4535: 6155,  # datemultirange
    4536: 6157,  # int8multirange
}
"""Types that are text in Arrow, each with the number of its array."""

AS_SERVER_TEXT: Mapping[int, int] = {
    number: array for number, array in _TEXTS.items() if number in (650, 869, 1186, 1266, 2249) or number >= 3904
}
"""Types whose values drivers turn into objects that hold less, or that have no form in JSON."""

DATES: Mapping[int, int] = {number: _TYPES[number][0] for number in (1082, 1083, 1114, 1184)}
"""Types with values that Python has not: infinity, years before 1 and after 9999, 24 o'clock."""

JSON_ARRAYS: Mapping[int, int] = {number: _TEXTS[number] for number in JSON}

_STRING = plain_type("string")
_ARROW: Mapping[int, ArrowType] = {
    **{number: arrow for number, (_, arrow) in _TYPES.items()},
    **{array: list_type(arrow) for array, arrow in _TYPES.values()},
    **dict.fromkeys(_TEXTS, _STRING),
    **dict.fromkeys(_TEXTS.values(), list_type(_STRING)),
}

_SPOILED: Mapping[int, str] = {
    **dict.fromkeys((*JSON, *JSON_ARRAYS.values()), "numbers in JSON"),
    **dict.fromkeys((1186, 1187), "months of intervals"),
}
"""What drivers change in values of some types, unless they are told not to."""


def column(name: str, number: int, precision: int | None, scale: int | None) -> Column:
    """Return a column of a type.

    :param number: the number of the type. Types that a database defines itself, such as enums, have others in each.
    :param precision: of ``numeric`` and its array; None: none was given in the definition of the column.
    """
    if number in (NUMERIC, NUMERICS):
        found = decimal_column(name, precision, scale)
        return Column(name, list_type(found.arrow)) if number == NUMERICS and found.arrow else found
    return Column(name, _ARROW.get(number), spoiled=_SPOILED.get(number, ""))


def is_python_date(text: str) -> bool:
    """Return whether Python has the date or the timestamp that PostgreSQL writes so, in its ISO style."""
    return text[4:5] == "-" and text[-1] != "C"


def is_python_time(text: str) -> bool:
    """Return whether Python has the time of day that PostgreSQL writes so."""
    return text[:2] != "24"
