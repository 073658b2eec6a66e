"""A toy analysis: how often the model predicts each label, for a limited number of labels."""

import pandas as pd
from pydantic import Field

from clarify_spark.cli.config_options import MethodOptions, Option
from clarify_spark.config.analyses import Analysis, Method, ResultsTable
from clarify_spark.config.rules.analysis import AnalysisRules
from clarify_spark.config.rules.findings import finding
from clarify_spark.config.values import Integer, Section
from clarify_spark.documents import section
from clarify_spark.report import blocks
from clarify_spark.report.part import ReportPart
from clarify_spark.run.analysis import AnalysisOutcome, Need, Preview, Steps
from clarify_spark.spark.scoring import with_model_predictions

ROW = Analysis(
    key="toy",
    methods=(Method("toy_labels", "toy_analysis:Toy", "How often each label is predicted"),),
    rules="toy_analysis:RULES",
    steps="toy_analysis:STEPS",
    report="toy_analysis:PART",
    options="toy_analysis:OPTIONS",
    sections=(("toy_labels", "toy_analysis:Counts"),),
    tables=(ResultsTable("toy_labels", "toy_analysis:table", ("label", "rows")),),
)
Counts = dict[str, int]


class Toy(Section):
    """How often the model predicts each label."""

    most: Integer = Field(10, description="How many labels are shown")


def _enough(config):
    asked = config.methods.of(Toy)
    if asked is not None and asked.most < 1:
        yield finding("methods.toy_labels.most", str(asked.most), "1 or more")


OPTIONS = MethodOptions((Option("--toy-labels", ("methods", "toy_labels"), "labels of the toy", read=None, bare={}),))
RULES = AnalysisRules(problems=(_enough,))


def _plan(run):
    return run.config.methods.of(Toy)


def _need(run, toy):
    return Need("toy labels", f"{run.dataset.rows:,} rows, each once", run.dataset.rows, run.dataset.rows)


def _preview(run, toy):
    return Preview(lines=(f"labels shown: {toy.most}",))


def _compute(run, toy, earlier):
    with run.progress.phase("Counting labels"):
        predicted = with_model_predictions(run.dataset, run.spec)
        label = predicted.column(predicted.predicted_label)
        rows = predicted.frame.groupBy(label.id).count().orderBy(label.id).limit(toy.most).collect()
    counts = {str(value): count for value, count in rows}
    found = section.DocumentSection(
        rows=run.dataset.rows,
        explained={"toy_labels": counts},
        details={"toy_labels": {"labels": len(counts), "after": list(earlier)}},
        lines=("Toy labels:", *(f"  {value}: {count}" for value, count in counts.items())),
        warnings=("toy labels are toys",),
    )
    return AnalysisOutcome(counts, found)


STEPS = Steps(plan=_plan, compute=_compute, need=_need, preview=_preview)


def table(analysis, details):
    return pd.DataFrame(list(analysis.explanations.toy_labels.items()), columns=["label", "rows"])


def _sections(analysis, details):
    counts = analysis.get("explanations", {}).get("toy_labels")
    if counts:
        rows = tuple((value, blocks.Number(f"{count:,}", count)) for value, count in counts.items())
        yield blocks.Section("Labels of the toy", (blocks.Table("Predicted labels", ("Label", "Rows"), rows),))


PART = ReportPart(
    names={"toy_labels": "toy labels"}, sections=_sections, glossary=(("Toy label", "A label of the toy."),)
)
