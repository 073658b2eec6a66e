"""Airflow: a bias gate with spark-submit, on YARN or Kubernetes as the connection ``spark_default`` says.

Needs apache-airflow-providers-apache-spark and apache-airflow-providers-standard, and clarify-spark where tasks run.
"""

from datetime import datetime, timedelta

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG  # Airflow 2: from airflow import DAG

FOLDER = "s3a://bucket/clarify"

with DAG(dag_id="clarify_spark_submit", start_date=datetime(2026, 1, 1), schedule="@monthly", catchup=False):
    config = BashOperator(
        task_id="config",
        bash_command="clarify-spark config --from /opt/clarify/analysis_config.json"
        " --dataset-uri s3a://bucket/data/month={{ ds_nodash[:6] }}/ --output /tmp/clarify-{{ ds_nodash }}.json",
    )
    analysis = SparkSubmitOperator(
        task_id="analysis",
        application="/opt/clarify/analyze.py",
        application_args=[
            *("--config", "/tmp/clarify-{{ ds_nodash }}.json"),
            *("--output", FOLDER + "/results/{{ ds }}/"),
            *("--fail-on", "outside"),
        ],
        archives=FOLDER + "/environment.tar.gz#environment",
        conf={
            "spark.executorEnv.PYSPARK_PYTHON": "./environment/bin/python",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.caseSensitive": "true",
            "spark.speculation": "false",
        },
        retries=2,  # a run that was interrupted continues
        retry_delay=timedelta(minutes=5),
    )
    config >> analysis
