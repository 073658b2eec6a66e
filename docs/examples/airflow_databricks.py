"""Airflow: a bias gate on Databricks. Needs apache-airflow-providers-databricks and the connection it uses."""

from datetime import datetime, timedelta

from airflow.providers.databricks.operators.databricks import DatabricksSubmitRunOperator
from airflow.sdk import DAG  # Airflow 2: from airflow import DAG

FOLDER = "/Volumes/main/default/clarify"

with DAG(dag_id="clarify_databricks", start_date=datetime(2026, 1, 1), schedule="@monthly", catchup=False):
    DatabricksSubmitRunOperator(
        task_id="analysis",
        tasks=[
            {
                "task_key": "analysis",
                "new_cluster": {
                    "spark_version": "16.4.x-scala2.12",
                    "node_type_id": "i3.xlarge",
                    "num_workers": 4,
                    "data_security_mode": "SINGLE_USER",
                },
                "libraries": [
                    {"whl": f"{FOLDER}/clarify_spark-0.1.0-py3-none-any.whl"},
                    {"pypi": {"package": "scikit-learn>=1.2"}},
                ],
                "python_wheel_task": {
                    "package_name": "clarify_spark",
                    "entry_point": "job",
                    "parameters": [
                        "analyze",
                        *("--config", f"{FOLDER}/analysis_config.json"),
                        *("--data", FOLDER + "/data/month={{ ds_nodash[:6] }}/"),
                        *("--output", FOLDER + "/results/{{ ds }}/"),
                        *("--fail-on", "outside"),
                    ],
                },
            }
        ],
        retries=2,  # a run that was interrupted continues
        retry_delay=timedelta(minutes=5),
    )
