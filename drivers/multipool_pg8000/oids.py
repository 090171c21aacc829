"""The OIDs of PostgreSQL's own types that the adapter knows by heart."""

from __future__ import annotations

from typing import Final

#: What leaves the type of a parameter for the server to infer.
UNKNOWN: Final = 0

BOOL: Final = 16
BYTEA: Final = 17
INT8: Final = 20
INT2: Final = 21
INT4: Final = 23
TEXT: Final = 25
OID: Final = 26
JSON: Final = 114
CIDR: Final = 650
FLOAT4: Final = 700
FLOAT8: Final = 701
INET: Final = 869
BPCHAR: Final = 1042
VARCHAR: Final = 1043
DATE: Final = 1082
TIME: Final = 1083
TIMESTAMP: Final = 1114
TIMESTAMPTZ: Final = 1184
INTERVAL: Final = 1186
TIMETZ: Final = 1266
NUMERIC: Final = 1700
UUID: Final = 2950
JSONB: Final = 3802
INT4RANGE: Final = 3904
NUMRANGE: Final = 3906
TSRANGE: Final = 3908
TSTZRANGE: Final = 3910
DATERANGE: Final = 3912
INT8RANGE: Final = 3926

#: The name to cast a literal to.
NAME_OF: Final[dict[int, str]] = {
    BOOL: "bool",
    BYTEA: "bytea",
    INT8: "int8",
    INT2: "int2",
    INT4: "int4",
    TEXT: "text",
    OID: "oid",
    JSON: "json",
    CIDR: "cidr",
    FLOAT4: "float4",
    FLOAT8: "float8",
    INET: "inet",
    BPCHAR: "bpchar",
    VARCHAR: "varchar",
    DATE: "date",
    TIME: "time",
    TIMESTAMP: "timestamp",
    TIMESTAMPTZ: "timestamptz",
    INTERVAL: "interval",
    TIMETZ: "timetz",
    NUMERIC: "numeric",
    UUID: "uuid",
    JSONB: "jsonb",
    INT4RANGE: "int4range",
    NUMRANGE: "numrange",
    TSRANGE: "tsrange",
    TSTZRANGE: "tstzrange",
    DATERANGE: "daterange",
    INT8RANGE: "int8range",
}

#: The array type of each type. An array of unknown is an array of text, as a bare
#: ``ARRAY['a', 'b']`` is on the server.
ARRAY_OF: Final[dict[int, int]] = {
    UNKNOWN: 1009,
    BOOL: 1000,
    BYTEA: 1001,
    INT8: 1016,
    INT2: 1005,
    INT4: 1007,
    TEXT: 1009,
    OID: 1028,
    JSON: 199,
    CIDR: 651,
    FLOAT4: 1021,
    FLOAT8: 1022,
    INET: 1041,
    BPCHAR: 1014,
    VARCHAR: 1015,
    DATE: 1182,
    TIME: 1183,
    TIMESTAMP: 1115,
    TIMESTAMPTZ: 1185,
    INTERVAL: 1187,
    TIMETZ: 1270,
    NUMERIC: 1231,
    UUID: 2951,
    JSONB: 3807,
    INT4RANGE: 3905,
    NUMRANGE: 3907,
    TSRANGE: 3909,
    TSTZRANGE: 3911,
    DATERANGE: 3913,
    INT8RANGE: 3927,
}
NAME_OF.update({array: f"{NAME_OF[element]}[]" for element, array in ARRAY_OF.items() if element})

#: The element type of each array type.
ELEMENT_OF: Final[dict[int, int]] = {
    array: element for element, array in ARRAY_OF.items() if element
}

#: The types whose plain digits are a literal of their own.
NUMBERS: Final = frozenset([INT2, INT4, INT8, OID, FLOAT4, FLOAT8, NUMERIC])
