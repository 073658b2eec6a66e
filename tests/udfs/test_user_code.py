"""What a model's code raises becomes one plain message."""

import warnings

import numpy as np
import pytest

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.predictors.user_code import LIBRARY_WARNINGS, calling_user_code


@pytest.mark.parametrize(
    ("error", "told"), [(EOFError(), "EOFError "), (ValueError("no  such\nvalue"), "ValueError: no such value ")]
)
def test_an_error_is_told_by_its_name_its_text_if_it_has_one_and_its_line(error, told):
    with pytest.raises(ModelError) as caught, calling_user_code("the model cannot be loaded"):
        raise error
    message = str(caught.value)
    assert message.startswith(f"the model cannot be loaded: {told}({__file__}:")


@pytest.mark.parametrize("category", LIBRARY_WARNINGS)
def test_what_a_models_libraries_warn_of_is_not_printed(recwarn, category):
    with calling_user_code("the model failed"):
        warnings.warn("X does not have valid feature names", category, stacklevel=1)
    assert list(recwarn) == []


def test_arithmetic_of_a_model_may_leave_what_floats_hold(recwarn):
    with calling_user_code("the model failed"):
        assert np.isinf(np.exp(np.array([1000.0])))
    assert list(recwarn) == []
