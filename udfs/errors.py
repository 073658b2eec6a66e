"""The errors a user can fix. Executors raise the same classes as the driver does.

    ClarifyError
    ├── ConfigError, CommandError   exit code 2   (clarify_spark.errors)
    │   └── ArgumentError           also a ValueError
    ├── DataError                   exit code 3
    ├── ModelError                  exit code 4
    │   └── RecordError             caused by one record
    └── OutputError                 exit code 5   (clarify_spark.errors)

An executor's error reaches the driver as text inside a Spark exception; ``clarify_spark.spark.failures`` turns it back
into its original class.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: From the position of a record in a model call to that of the row it was made of.
RowOf = Callable[[int], int]
#: The remedy for Python workers that run out of memory.
MORE_MEMORY = (
    "give Python workers more memory (spark.executor.memoryOverhead; spark.executor.pyspark.memory where it is set) "
    "or executors fewer cores"
)


class ClarifyError(Exception):
    """A failure that the user can fix; its text is one plain message: what is wrong, where, what to do."""

    exit_code = 70


class DataError(ClarifyError):
    """The data cannot be read as the config describes it."""

    exit_code = 3


class ModelError(ClarifyError):
    """The model could not be loaded or called, or its answer could not be read."""

    exit_code = 4


class RecordError(ModelError):
    """The model fails for one record: the one at ``position`` (from 0) among those sent."""

    def __init__(self, text: str, position: int) -> None:
        super().__init__(text)
        self.position = position


@contextmanager
def blaming(row_of: RowOf) -> Iterator[None]:
    """A context in which an error about a record becomes one about the row that the record was made of."""
    try:
        yield
    except RecordError as error:
        raise RecordError(str(error), row_of(error.position)) from error
