"""What a run prints or writes down names no password and no token."""

import pytest

from clarify_spark.redaction import without_secrets


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("s3a://key:pa55@bucket/x.csv: no", "s3a://***@bucket/x.csv: no"),
        ("https://h/x.csv?X-Amz-Signature=abc&b=c: there is no file", "https://h/x.csv?***: there is no file"),
        ("'abfss://box@account.dfs.core.windows.net/x?sig=a'", "'abfss://***@account.dfs.core.windows.net/x?***'"),
        ("s3://bucket/part-?.csv holds nothing", "s3://bucket/part-?.csv holds nothing"),
        ("mail a@b.c, file:/tmp/a?b=c", "mail a@b.c, file:/tmp/a?b=c"),
    ],
)
def test_the_user_part_and_the_query_of_a_uri_are_hidden(text, safe):
    assert without_secrets(text) == safe
