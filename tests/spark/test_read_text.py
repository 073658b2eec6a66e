"""Texts of file systems that are not the operating system's, as a config or a former result may be one."""

import pytest

from clarify_spark.errors import CommandError
from clarify_spark.spark.files.output import read_text


def test_a_remote_text_comes_whole_without_its_byte_order_mark(spark, tmp_path, remote_uri):
    (tmp_path / "config.json").write_bytes('\ufeff{\n"label": "bewilligt: ja, ärgerlich"\n}\n'.encode())
    assert read_text(remote_uri(tmp_path / "config.json"), spark) == '{\n"label": "bewilligt: ja, ärgerlich"\n}\n'


def test_a_remote_text_that_is_not_utf8_is_told_and_not_guessed(spark, tmp_path, remote_uri):
    (tmp_path / "config.json").write_bytes(b'{"label": "caf\xe9"}')
    with pytest.raises(CommandError, match=r"config\.json cannot be read: .*codec can't decode byte 0xe9"):
        read_text(remote_uri(tmp_path / "config.json"), spark)


def test_a_remote_text_that_is_not_there_is_told(spark, tmp_path, remote_uri):
    with pytest.raises(CommandError, match=r"none\.json cannot be read\. "):
        read_text(remote_uri(tmp_path / "none.json"), spark)
