"""Airflow: a bias gate on EMR Serverless. Needs apache-airflow-providers-amazon."""

import json
from datetime import datetime, timedelta
from pathlib import Path

from airflow.providers.amazon.aws.operators.emr import EmrServerlessStartJobOperator
from airflow.sdk import DAG  # Airflow 2: from airflow import DAG

#: conf/emr-serverless-job.json of clarify_spark with your application, role and bucket, beside this file.
JOB = json.loads((Path(__file__).parent / "emr-serverless-job.json").read_text(encoding="utf-8"))
SUBMIT = JOB["jobDriver"]["sparkSubmit"]

with DAG(dag_id="clarify_emr_serverless", start_date=datetime(2026, 1, 1), schedule="@monthly", catchup=False):
    EmrServerlessStartJobOperator(
        task_id="analysis",
        application_id=JOB["applicationId"],
        execution_role_arn=JOB["executionRoleArn"],
        job_driver={
            "sparkSubmit": {
                **SUBMIT,
                "entryPointArguments": [
                    *("--config", "s3://bucket/clarify/analysis_config.json"),
                    *("--data", "s3://bucket/data/month={{ ds_nodash[:6] }}/"),
                    *("--output", "s3://bucket/results/{{ ds }}/"),
                    *("--fail-on", "outside"),
                ],
            }
        },
        configuration_overrides=JOB["configurationOverrides"],
        name="clarify-spark-{{ ds }}",
        wait_for_completion=True,
        waiter_max_attempts=720,  # with a minute between them: 12 hours
        waiter_delay=60,
        retries=2,  # a run that was interrupted continues
        retry_delay=timedelta(minutes=5),
    )
