"""An S3 service on loopback that checks signatures and policies, and the jars with which Spark speaks to it."""

import json
import logging
import os
import re
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import boto3
import pyspark
import pytest
from botocore.auth import S3SigV4Auth
from botocore.compat import HTTPHeaders

#: What every test here may notice a change of (tests/layers.py).
PATHS = ("clarify_spark/spark/files", "clarify_spark/spark/object_stores.py", "clarify_spark/spark/session.py")
REGION = "eu-west-1"
BUCKET = "loans"
#: Where files of the tests that are got from the network stay.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clarify-spark-tests"
RESOLVE = """
import sys
from pyspark.sql import SparkSession
conf = {"spark.jars.packages": sys.argv[1], "spark.jars.excludes": sys.argv[2], "spark.jars.ivy": sys.argv[3],
        "spark.ui.enabled": "false", "spark.driver.bindAddress": "127.0.0.1"}
builder = SparkSession.builder.master("local[1]")
for name, value in conf.items():
    builder = builder.config(name, value)
builder.getOrCreate().stop()
"""


def packages():
    """What docs/object-storage.md tells users to add to this Spark, and what it leaves out: some MB, not 300 or 600."""
    found = next(Path(pyspark.__file__).parent.glob("jars/hadoop-client-api-*.jar"))
    hadoop = re.fullmatch(r"hadoop-client-api-(.+)\.jar", found.name)[1]
    if hadoop.startswith("3.3."):
        sdk = [f"com.amazonaws:aws-java-sdk-{part}:1.12.262" for part in ("s3", "dynamodb", "sts")]
        bundle = "com.amazonaws:aws-java-sdk-bundle"
    else:
        sdk = [f"software.amazon.awssdk:{part}:2.35.4" for part in ("s3", "s3-transfer-manager", "sts")]
        bundle = "software.amazon.awssdk:bundle"
    return ",".join([f"org.apache.hadoop:hadoop-aws:{hadoop}", *sdk]), bundle


@pytest.fixture(scope="session")
def s3a_jars():
    """hadoop-aws and what it needs, got once with Spark's own resolver from Maven Central (or a mirror of it)."""
    folder = CACHE / f"s3a-spark-{pyspark.__version__}"
    whole = folder / "whole"
    if not whole.exists():
        environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
        command = [sys.executable, "-c", RESOLVE, *packages(), str(folder)]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=500)
        if ran.returncode != 0:
            told = pytest.fail if os.environ.get("CI") else pytest.skip
            told(f"hadoop-aws cannot be got from Maven Central (a cache is at {folder}): {ran.stderr[-500:]}")
        whole.touch()
    return ",".join(sorted(map(str, folder.glob("jars/*.jar"))))


@dataclass(frozen=True)
class Keys:
    """The access key of a user."""

    access: str
    secret: str

    @property
    def environment(self):
        """The variables in which every SDK looks for them."""
        return {"AWS_ACCESS_KEY_ID": self.access, "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_REGION": REGION}


@dataclass(frozen=True)
class Store:
    """The service, and what its owner can do there."""

    url: str
    owner: Keys

    def client(self, service="s3"):
        """A client of the owner."""
        session = boto3.session.Session(self.owner.access, self.owner.secret, region_name=REGION)
        return session.client(service, endpoint_url=self.url)

    def user(self, name, *statements):
        """The keys of a new user who may do what the statements (actions, resources) say."""
        return new_user(self.client("iam"), name, statements)

    def put(self, key, data):
        """Put an object into the bucket."""
        self.client().put_object(Bucket=BUCKET, Key=key, Body=data)

    def keys(self, prefix=""):
        """The keys below a prefix, without the empty objects that stand for folders."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        found = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        return [key for key in found if not key.endswith("/")]

    def files(self, prefix):
        """The objects below a prefix, by the rest of their keys."""
        client = self.client()
        return {
            key.removeprefix(prefix): client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            for key in self.keys(prefix)
        }

    @property
    def conf(self):
        """Where Spark finds the service."""
        return {
            "spark.hadoop.fs.s3a.endpoint": self.url,
            "spark.hadoop.fs.s3a.endpoint.region": REGION,
            "spark.hadoop.fs.s3a.path.style.access": "true",
            "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
        }


def new_user(iam, name, statements):
    iam.create_user(UserName=name)
    rules = [{"Effect": "Allow", "Action": actions, "Resource": resources} for actions, resources in statements]
    policy = json.dumps({"Version": "2012-10-17", "Statement": rules})
    iam.put_user_policy(UserName=name, PolicyName="only", PolicyDocument=policy)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return Keys(made["AccessKeyId"], made["SecretAccessKey"])


class AsSigned(S3SigV4Auth):
    """Computes signatures over all signed headers: botocore leaves out user-agent, and SDK 1 of Java signs it."""

    def headers_to_sign(self, request):
        names = HTTPHeaders()
        for name, value in request.headers.items():
            names[name.lower()] = value
        return names


@pytest.fixture(scope="module")
def store():
    """A service with one empty bucket; who has no right to something is refused."""
    from moto.iam.access_control import S3IAMRequest
    from moto.server import ThreadedMotoServer

    S3IAMRequest._create_auth = lambda request, keys: AsSigned(keys, request._service, request._region)
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    open_door = boto3.session.Session("nobody", "nothing", region_name=REGION)
    owner = new_user(open_door.client("iam", endpoint_url=url), "owner", [("*", "*")])
    started = Store(url, owner)
    started.client().create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    guard(url, "0")
    yield started
    guard(url, "inf")
    urllib.request.urlopen(f"{url}/moto-api/reset", data=b"", timeout=60).close()
    server.stop()


def guard(url, unguarded_requests):
    """Let so many requests pass unchecked, and check all others."""
    text = {"Content-Type": "text/plain"}
    request = urllib.request.Request(f"{url}/moto-api/reset-auth", unguarded_requests.encode(), text)
    urllib.request.urlopen(request, timeout=60).close()


@pytest.fixture(scope="session")
def spark_environment(s3a_jars):
    """A function of keys and of Spark's conf: the environment of a process in which Spark speaks S3."""

    def environment(keys, conf):
        options = [word for name, value in conf.items() for word in ("--conf", f"{name}={value}")]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYSPARK_", "AWS_"))}
        return {
            **inherited,
            **keys.environment,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PYSPARK_PYTHON": sys.executable,
            "PYSPARK_SUBMIT_ARGS": " ".join(["--jars", s3a_jars, *options, "pyspark-shell"]),
        }

    return environment
