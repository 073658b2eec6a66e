"""What a model's code raises becomes one plain message."""

import pytest

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.predictors.user_code import calling_user_code


@pytest.mark.parametrize(
    ("error", "told"), [(EOFError(), "EOFError "), (ValueError("no  such\nvalue"), "ValueError: no such value ")]
)
def test_an_error_is_told_by_its_name_its_text_if_it_has_one_and_its_line(error, told):
    with pytest.raises(ModelError) as caught, calling_user_code("the model cannot be loaded"):
        raise error
    message = str(caught.value)
    assert message.startswith(f"the model cannot be loaded: {told}({__file__}:")
