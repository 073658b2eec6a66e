"""The kinds of single values as bits, so that the kinds in a column are the OR of its values' bits."""

MISSING = 1
INTEGER = 2  # fits 64 bits
BIG = 4  # an integer that does not
FLOAT = 8
BOOLEAN = 16
TEXT = 32
DAMAGED = 64  # text with U+FFFD, which replaces bytes that are not UTF-8

#: What pandas.read_csv treats as missing by default, in addition to the empty field.
MISSING_TEXTS = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
BOOLEAN_TEXTS = ("True", "TRUE", "true", "False", "FALSE", "false")

#: A decimal number as pandas.read_csv reads it, for Java and Python; Java's own parser also accepts 1d, 1f and 0x1p3.
NUMBER = r"^[ \t\n\r\f\x0b]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t\n\r\f\x0b]*$"
INFINITY = r"^[+-]?([iI][nN][fF]|[iI][nN][fF][iI][nN][iI][tT][yY])$"
WHOLE = r"^[ \t\n\r\f\x0b]*[+-]?[0-9]+[ \t\n\r\f\x0b]*$"
