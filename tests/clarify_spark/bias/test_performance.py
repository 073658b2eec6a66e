"""Model performance and the multi-class confusion matrix."""

from clarify_spark.bias.counts import Confusion
from clarify_spark.bias.performance import class_confusion, model_performance


def test_classes_are_those_of_the_labels_in_ascending_order():
    table = [(10, 2, 1), (2, 10, 4), (2, 2, 3), (10, 7, 5)]
    assert class_confusion(table) == {"2": {"2": 3.0, "10": 4.0}, "10": {"2": 1.0, "10": 0.0}}
    assert list(class_confusion(table)) == ["2", "10"]


def test_rows_without_a_label_or_without_a_prediction_count_nowhere():
    assert class_confusion([("a", "a", 1), (None, "a", 5), ("a", None, 5)]) == {"a": {"a": 1.0}}


def test_float_text_and_boolean_predictions_are_read_as_the_labels_are():
    expected = {"0": {"0": 3.0, "1": 0.0}, "1": {"0": 0.0, "1": 2.0}}
    assert class_confusion([(0, 0.0, 3), (1, 1.0, 2)]) == expected
    assert class_confusion([(0, "0", 3), (1, "1", 2)]) == expected
    assert class_confusion([("0", 0, 3), ("1", 1, 2)]) == expected
    assert class_confusion([(0, False, 3), (1, True, 2)]) == expected
    assert class_confusion([(False, 0, 3), (True, 1, 2)]) == {
        "False": {"False": 3.0, "True": 0.0},
        "True": {"False": 0.0, "True": 2.0},
    }


def test_continuous_labels_have_no_class_matrix():
    assert model_performance("y", Confusion(1, 0, 0, 1), None).confusion_matrix is None


def test_a_data_set_without_rows_has_zeros():
    section = model_performance("y", Confusion(0, 0, 0, 0), [])
    assert {result.value for result in section.metrics} == {0.0}
    assert section.binary_confusion_matrix == (0.0, 0.0, 0.0, 0.0)


def test_ratios_without_predictions_are_infinite():
    found = {result.name: result.value for result in model_performance("y", Confusion(0, 0, 3, 1), None).metrics}
    assert found["Conditional Acceptance"] == float("inf")
