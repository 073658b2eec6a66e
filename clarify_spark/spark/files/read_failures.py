"""Spark's failures to list or read a file, as messages that name the file and the remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.errors import PySparkException

from clarify_spark.errors import ClarifyError, DataError
from clarify_spark.spark.failures import WORKER_DIED, translate
from clarify_spark.udfs.errors import MORE_MEMORY

try:  # A Connect-only client has no py4j.
    from py4j.protocol import Py4JError
except ModuleNotFoundError:  # pragma: no cover
    Py4JError = PySparkException

_FILE = re.compile(
    r"(?:reading file|Path does not exist:|FileNotFoundException: File) (?P<path>\S.*?)(?=\.\s|\.?$| does not exist)",
    re.MULTILINE,
)

#: (what Spark's text contains, what is wrong, what to do); the first match wins.
_REASONS: tuple[tuple[str, str, str], ...] = (
    (
        rf"{WORKER_DIED}|(?<!OutOf)(?<!except )MemoryError",
        "a Python worker died while reading it, usually because it ran out of memory",
        MORE_MEMORY,
    ),
    (
        r"S3AFileSystem not found",
        "this Spark has no driver for s3a:// (hadoop-aws is not installed)",
        "add the hadoop-aws package that fits your Hadoop "
        "(spark-submit --packages org.apache.hadoop:hadoop-aws:<version>), "
        "or use a file system that Spark knows",
    ),
    (
        r'No FileSystem for scheme[^\n"]*"?([\w.+-]*)|ClassNotFoundException: Class (\S*FileSystem) not found',
        "this Spark has no driver for the URI's scheme",
        "add the file system's package to Spark (for Amazon S3 outside EMR write s3a:// and add hadoop-aws), "
        "or use another one",
    ),
    (
        r"UnknownStoreException|NoSuchBucket|bucket does not exist",
        "there is no such bucket",
        "check the URI's spelling, and the endpoint and the account that Spark uses",
    ),
    (
        r"bucket is null/empty|[Ii]nvalid bucket name",
        "the URI names no bucket, or an invalid one (with an underscore, for instance)",
        "check the URI's spelling",
    ),
    (
        r"AWSRedirectException|PermanentRedirect|Status Code: 301",
        "the bucket is not in the region that Spark uses",
        "name its region (spark.hadoop.fs.s3a.endpoint.region, or fs.s3a.bucket.<bucket>.endpoint.region)",
    ),
    (
        r"InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|InvalidClientTokenId|ExpiredToken|RequestTimeTooSkewed|"
        r"AuthFailure",
        "the credentials are not accepted",
        "check access key, secret key and session token, whether they have expired, and this machine's clock",
    ),
    (
        r"AccessControlException|AccessDenied|Access Denied|Permission denied|403 Forbidden|Status Code: 403|"
        r"[Nn]ot authorized",
        "access is refused",
        "check the credentials, and give the user or role that runs Spark permission to {rights}",
    ),
    (
        r"NoCredentials|Unable to load (AWS )?credentials|NoAuthWithAWSException",
        "there are no credentials for the file system",
        "configure them for Spark (an instance role, or the file system's own settings)",
    ),
    (
        r"UnknownHost|UnresolvedAddress",
        "the host of the URI cannot be found",
        "check the URI's spelling and the network",
    ),
    (
        r"ConnectException|Connection refused|ConnectTimeout|[Cc]onnect timed out|ApiCall\w*Timeout",
        "the file system does not answer",
        "check the URI and the network",
    ),
    (
        r"CANNOT_READ_FILE_FOOTER|is not a Parquet file|Could not read footer|ParquetDecodingException|"
        r"Unable to infer schema for Parquet|can not read class org\.apache\.parquet|expected magic number",
        "it is not a complete Parquet file",
        "write it again; if it is another format, set dataset_type accordingly",
    ),
    (
        r"Illegal Parquet type[^\n]*|PARQUET_TYPE_ILLEGAL|PARQUET_TYPE_NOT_SUPPORTED|PARQUET_TYPE_NOT_RECOGNIZED",
        "a column has a type that this Spark cannot read (timestamps in nanoseconds, for instance)",
        "write the file again with another type (timestamps in microseconds), or without the column",
    ),
    (
        r"EOFException|ZipException|[Uu]nexpected end of (input|ZLIB)|incorrect (data|header) check|"
        r"invalid (block|stored|distance)|not a gzip file|unknown compression method",
        "the compressed file is truncated or damaged",
        "copy or compress it again (test with gzip -t)",
    ),
    (r"PATH_NOT_FOUND|Path does not exist", "there is no such file or folder", "check the path"),
    (
        r"COLUMN_ALREADY_EXISTS",
        "two columns have the same name, or names that differ only in case",
        "rename one of them, or give Spark spark.sql.caseSensitive=true",
    ),
    (
        r"^UnsupportedOperationException",
        "a file system of this kind cannot be listed",
        "copy the data to one that can (a disk, S3, HDFS)",
    ),
    (
        r"FileNotFoundException|FILE_NOT_EXIST|No such file",
        "a file disappeared while it was being read",
        "do not change data during a run",
    ),
    (
        r"Malformed escape pair|URISyntaxException|Illegal character|Relative path in absolute URI|"
        r"Illegal file pattern|Unclosed group",
        "Spark cannot read this as a path",
        "check the URI's characters (brackets, braces and * ? are patterns)",
    ),
)


@contextmanager
def reading(uri: str) -> Iterator[None]:
    """Turn a Spark failure inside the block into a DataError that names the file, or ``uri`` when Spark names none."""
    try:
        yield
    except (PySparkException, Py4JError) as error:
        explained = storage_error(f"{type(error).__name__}: {error}", uri)
        if explained is None:
            raise
        raise explained from error


def storage_error(text: str, uri: str, rights: str = "list and read it") -> ClarifyError | None:
    """The user's error in the text of a Spark failure at ``uri``, None when the text contains no known one.

    ``rights``: what a user without access needs permission to do.
    """
    for pattern, wrong, remedy in _REASONS:
        if re.search(pattern, text):
            named = _FILE.search(text)
            path = named["path"] if named else uri
            return DataError(f"{path}: {wrong}; {remedy.format(rights=rights)}.")
    return translate(text)
