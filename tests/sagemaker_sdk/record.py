"""Record what the SageMaker SDK composes; run by hand, in an environment with one version of the SDK.

    python -m venv sdk2 && sdk2/bin/pip install 'sagemaker==2.257.*' jmespath pydantic
    sdk2/bin/python tests/sagemaker_sdk/record.py
    python -m venv sdk3 && sdk3/bin/pip install 'sagemaker>=3' jmespath pydantic    # or uv pip, in half a minute
    sdk3/bin/python tests/sagemaker_sdk/record.py

The upload and the job are replaced, so that nothing is sent; analysis_config.json is taken where it would be uploaded.
Each run writes composed-v2.json or composed-v3.json. It also gives the SDK's own objects to our processor, and ends
with an error where that composes something else.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from unittest.mock import Mock, patch

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent), str(HERE)]

from calls import CALLS, REFUSED, made  # noqa: E402

from clarify_spark.api.sagemaker.composing import composed  # noqa: E402
from clarify_spark.errors import ArgumentError  # noqa: E402
from clarify_spark.sagemaker import SparkClarifyProcessor  # noqa: E402

try:
    from sagemaker import clarify
    from sagemaker.processing import Processor
    from sagemaker.s3 import S3Uploader

    PARTS, LINE = ("sagemaker",), "v2"
except ImportError:
    from sagemaker.core import clarify
    from sagemaker.core.processing import Processor
    from sagemaker.core.s3 import S3Uploader

    PARTS, LINE = ("sagemaker", "sagemaker-core"), "v3"


#: What the SDK ends such calls with.
REFUSALS = (AssertionError, AttributeError, TypeError, ValueError)


class Composing(SparkClarifyProcessor):
    """Ours, stopped where it has the config."""

    def _run(self, call, *_):
        return composed(call)


def written(method, name, call):
    """The text of the analysis_config.json that the SDK would upload."""
    found = []

    def upload(local_path, **_):
        found.append(Path(local_path).read_text())
        return "s3://bucket/analysis_config.json"

    processor = clarify.SageMakerClarifyProcessor(
        role="arn:aws:iam::123456789012:role/clarify",
        instance_count=1,
        instance_type="ml.m5.xlarge",
        sagemaker_session=Mock(boto_region_name="us-east-1", sagemaker_config={}),
        skip_early_validation="refused by the schema" in name,
    )
    with patch.object(S3Uploader, "upload", upload), patch.object(Processor, "run", lambda *_, **__: None):
        made(call, clarify, getattr(processor, method))
    return found[0]


def main():
    """Write what the SDK composes, and compare what ours composes from the same objects."""
    configs, refusals, different = {}, {}, []
    for method, calls in CALLS.items():
        for name, call in calls.items():
            text = written(method, name, call)
            configs.setdefault(method, {})[name] = json.loads(text)
            ours = json.dumps(made(call, clarify, getattr(Composing(), method)))
            if ours != text:
                different.append(f"{method}, {name}:\n  SDK  {text}\n  ours {ours}")
    for method, calls in REFUSED.items():
        for name, call in calls.items():
            try:
                written(method, name, call)
            except REFUSALS as error:
                refusals.setdefault(method, {})[name] = type(error).__name__
            else:
                different.append(f"{method}, {name}: the SDK takes it")
            try:
                made(call, clarify, getattr(Composing(), method))
            except ArgumentError:
                continue
            except REFUSALS as error:  # the SDK's own classes refuse first
                if type(error).__name__ != refusals.get(method, {}).get(name):
                    raise
            else:
                different.append(f"{method}, {name}: ours takes it")
    found = {
        "written_by": ", ".join(f"{name} {version(name)}" for name in PARTS),
        "configs": configs,
        "refused": refusals,
    }
    (HERE / f"composed-{LINE}.json").write_text(json.dumps(found, indent=1) + "\n")
    calls = sum(map(len, configs.values()))
    print(f"{found['written_by']}: {calls} configs, {sum(map(len, refusals.values()))} refusals")  # noqa: T201
    if different:
        sys.exit("\n".join(different))
    print("The SDK's own objects compose the same text here.")  # noqa: T201


if __name__ == "__main__":
    main()
