"""The driver: starts the local AWS and calls it. Reads a JSON request a line and writes a JSON response a line.

  {"op": "start", "cloud": true, "auth": false, "region": "eu-central-1"}  ->  {"ok": {"ec2": url, "cloud": url}}
  {"op": "call", "at": "ec2", "service": "ec2", "call": "create_vpc", "args": {...}}  ->  {"ok": ...} or
                                                        {"error": {"code": "...", "message": "..."}}

The other requests are the functions with @op. Everything that is started here ends with this process, and this process
ends when its standard input is closed.
"""

import base64
import datetime
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile

import boto3
import botocore.config
import botocore.exceptions

HERE = pathlib.Path(__file__).parent
ACCOUNT = "111122223333"
QUIET_AGENT = "portcullis-harness"
BUCKET = "portcullis-artifacts"
OPS = {}


class Failure(Exception):
    """A response of the form {"error": ...}."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def op(function):
    OPS[function.__name__] = function
    return function


class Servers:
    """The started processes, their addresses and logs, and the boto3 clients for them."""

    def __init__(self, scratch):
        self.scratch = pathlib.Path(scratch)
        self.region = "us-east-1"
        self.urls = {}
        self.processes = {}
        self.clients = {}
        self.queues = {}
        self.received = []

    def launch(self, name, **environment):
        """Starts a server of this directory and waits until it responds."""
        temporary = self.scratch / name
        temporary.mkdir()
        log = self.log(name).open("w")
        process = subprocess.Popen(
            [sys.executable, "-B", "-u", HERE / f"{name}.py"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            start_new_session=True, text=True, env={**clean_environment(), "TMPDIR": str(temporary), **environment},
        )
        self.processes[name] = process
        port = process.stdout.readline().strip()
        if not port:
            process.wait()
            raise Failure("StartFailed", f"{name} ended during its start:\n{tail(self.log(name))}")
        self.urls[name] = f"http://127.0.0.1:{port}"
        self.wait_for_response(name)

    def wait_for_response(self, name):
        request = urllib.request.Request(self.urls[name] + "/", headers={"User-Agent": QUIET_AGENT})
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.processes[name].poll() is None:
            try:
                urllib.request.urlopen(request, timeout=10).close()
                return
            except urllib.error.HTTPError:
                return  # an error is a response, too
            except OSError:
                time.sleep(0.05)
        raise Failure("StartFailed", f"{name} does not respond:\n{tail(self.log(name))}")

    def log(self, name):
        return self.scratch / f"{name}.log"

    def client(self, at, service, quiet=True, region=None):
        key = (at, service, quiet, region)
        if key not in self.clients:
            self.clients[key] = boto3.client(
                service, endpoint_url=self.urls[at], region_name=region or self.region, aws_access_key_id="test",
                aws_secret_access_key="test",
                config=botocore.config.Config(
                    retries={"total_max_attempts": 1}, read_timeout=120, max_pool_connections=20,
                    user_agent_extra=QUIET_AGENT if quiet else "",
                ),
            )
        return self.clients[key]

    def cloud(self, service):
        return self.client("cloud", service)

    def stop(self):
        for process in self.processes.values():
            process.stdin.close()
        for process in self.processes.values():
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                pass
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except OSError:
                pass  # the process group has ended


def clean_environment():
    """The environment without the user's AWS settings, so that nothing reaches a real account."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOTO_", "MINISTACK_"))}
    return {**kept, "AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def tail(path, lines=40):
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


@op
def start(servers, cloud=True, auth=False, region="us-east-1", log_level="WARNING"):
    servers.region = region
    if not auth:
        servers.launch("ec2", MOTO_ACCOUNT_ID=ACCOUNT, AWS_DEFAULT_REGION=region)
    if cloud:
        environment = {
            "MINISTACK_ACCOUNT_ID": ACCOUNT, "MINISTACK_REGION": region, "AWS_DEFAULT_REGION": region,
            "LOG_LEVEL": log_level, "AUTH": str(auth).lower(), "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        if not auth:
            environment["AWS_ENDPOINT_URL_EC2"] = servers.urls["ec2"]
        servers.launch("cloud", **environment)
    return {
        "ec2": servers.urls.get("ec2", servers.urls.get("cloud")), "cloud": servers.urls.get("cloud"),
        "account": ACCOUNT, "region": region, "directory": str(servers.scratch),
        "pids": [process.pid for process in servers.processes.values()],
    }


@op
def call(servers, service, call, at="cloud", args=None, quiet=True, region=None):
    """Any call of any service, by the name that boto3 uses."""
    if at not in servers.urls:
        at = "cloud"  # with `auth`, ministack provides EC2
    answer = getattr(servers.client(at, service, quiet, region), call)(**(args or {}))
    answer.pop("ResponseMetadata", None)
    return answer


@op
def control(servers, at, path, body=None):
    """A request to a control page of a server."""
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(servers.urls[at] + path, data=data), timeout=30) as answer:
        return json.load(answer)


@op
def rules(servers, group, region=None):
    """The ingress rules of a group from all pages, ordered by id."""
    at = "ec2" if "ec2" in servers.urls else "cloud"
    paginator = servers.client(at, "ec2", region=region).get_paginator("describe_security_group_rules")
    pages = paginator.paginate(Filters=[{"Name": "group-id", "Values": [group]}])
    found = [rule for page in pages for rule in page["SecurityGroupRules"] if not rule["IsEgress"]]
    return sorted(found, key=lambda rule: rule["SecurityGroupRuleId"])


@op
def deploy(servers, template, stack, bootstraps, parameters=None):
    """Deploys a SAM template as `sam package` and `sam deploy` do: the code is in S3, the transform runs there."""
    body = package(servers, template, stack, bootstraps)
    formation = servers.cloud("cloudformation")
    formation.create_stack(
        StackName=stack, TemplateBody=json.dumps(body, default=str),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in (parameters or {}).items()],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    state = wait_for_stack(formation, stack)
    if state["StackStatus"] != "CREATE_COMPLETE":
        raise Failure("DeployFailed", f"{stack}: {state['StackStatus']}\n{failures(formation, stack)}")
    return {
        "outputs": {output["OutputKey"]: output["OutputValue"] for output in state.get("Outputs", [])},
        "resources": {
            resource["LogicalResourceId"]: {"id": resource["PhysicalResourceId"], "type": resource["ResourceType"]}
            for resource in formation.describe_stack_resources(StackName=stack)["StackResources"]
        },
    }


def package(servers, template, stack, bootstraps):
    """The template with each function's local code replaced by an object in S3."""
    from samtranslator.yaml_helper import yaml_parse

    body = yaml_parse(pathlib.Path(template).read_text())
    storage = servers.cloud("s3")
    make_bucket(storage, servers.region)
    for name, resource in body["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::Function" and isinstance(properties.get("CodeUri"), str):
            key = f"{stack}/{name}.zip"
            storage.put_object(Bucket=BUCKET, Key=key, Body=zip_bootstrap(choose(resource, bootstraps)))
            properties["CodeUri"] = {"Bucket": BUCKET, "Key": key}
    return body


def make_bucket(storage, region):
    # S3 rejects a LocationConstraint for us-east-1.
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        storage.create_bucket(Bucket=BUCKET, **place)
    except storage.exceptions.BucketAlreadyOwnedByYou:
        pass  # created for another stack


def choose(resource, bootstraps):
    """The executable of a function: the one for the binary in its build metadata, or the one for all functions."""
    binary = resource.get("Metadata", {}).get("BuildProperties", {}).get("Binary")
    if binary in bootstraps:
        return bootstraps[binary]
    if "*" in bootstraps:
        return bootstraps["*"]
    raise Failure("NoBootstrap", f"no bootstrap was given for the binary {binary!r}; given: {sorted(bootstraps)}")


def zip_bootstrap(path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        archive.writestr(entry, pathlib.Path(path).read_bytes())
    return buffer.getvalue()


def wait_for_stack(formation, stack):
    while True:
        state = formation.describe_stacks(StackName=stack)["Stacks"][0]
        if not state["StackStatus"].endswith("_IN_PROGRESS"):
            return state
        time.sleep(0.05)


def failures(formation, stack):
    events = formation.describe_stack_events(StackName=stack)["StackEvents"]
    return "\n".join(
        f"{event['LogicalResourceId']} ({event['ResourceType']}): {event.get('ResourceStatusReason', '')}"
        for event in reversed(events) if "FAILED" in event["ResourceStatus"]
    )


@op
def delete_stack(servers, stack):
    formation = servers.cloud("cloudformation")
    formation.delete_stack(StackName=stack)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if wait_for_stack(formation, stack)["StackStatus"] == "DELETE_COMPLETE":
                return {}
        except botocore.exceptions.ClientError:
            return {}  # the stack no longer exists
    raise Failure("DeleteFailed", failures(formation, stack))


@op
def subscribe(servers, topic, protocol, endpoint=""):
    """Subscribes to a topic. For `sqs` a queue is created, and its messages are in the inbox, too."""
    if protocol == "sqs":
        endpoint = make_queue(servers, topic)
    arn = servers.cloud("sns").subscribe(
        TopicArn=topic, Protocol=protocol, Endpoint=endpoint, ReturnSubscriptionArn=True
    )["SubscriptionArn"]
    deadline = time.monotonic() + 10
    while pending(servers, topic, endpoint):
        if time.monotonic() > deadline:
            raise Failure("NotConfirmed", f"{protocol} {endpoint} was not confirmed")
        time.sleep(0.02)
    return {"subscription": arn}


def make_queue(servers, topic):
    queues = servers.cloud("sqs")
    url = queues.create_queue(QueueName=f"portcullis-inbox-{len(servers.queues)}")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
        "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }]}
    queues.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    servers.queues[url] = arn
    return arn


def pending(servers, topic, endpoint):
    subscriptions = servers.cloud("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    return any(
        one["SubscriptionArn"] == "PendingConfirmation" for one in subscriptions if one["Endpoint"] == endpoint
    )


@op
def inbox(servers):
    """All messages received so far, of all protocols, in the order of arrival."""
    for url, arn in servers.queues.items():
        drain(servers, url, arn)
    delivered = control(servers, "cloud", "/_portcullis/inbox")["messages"]
    return sorted(delivered + servers.received, key=lambda message: message["received"])


def drain(servers, url, arn):
    queues = servers.cloud("sqs")
    while found := queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in found:
            envelope = json.loads(message["Body"])
            servers.received.append({
                "protocol": "sqs", "endpoint": arn, "message_id": envelope["MessageId"],
                "subject": envelope.get("Subject", ""), "message": envelope["Message"], "body": message["Body"],
                "attributes": {name: one["Value"] for name, one in envelope.get("MessageAttributes", {}).items()},
                "received": time.time(),
            })
            queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


@op
def logs(servers, function):
    """The log lines of a function, oldest first."""
    configuration = servers.cloud("lambda").get_function_configuration(FunctionName=function)
    group = configuration.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{function}"
    try:
        events = servers.cloud("logs").filter_log_events(logGroupName=group)["events"]
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return []
        raise
    return [event["message"].rstrip() for event in sorted(events, key=lambda event: event["timestamp"])]


@op
def server_log(servers, name):
    return tail(servers.log(name), 200)


def plain(value):
    """Converts what JSON cannot represent: times, bytes and response bodies."""
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if hasattr(value, "read"):
        value = value.read()
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode()
    return str(value)


def respond(servers, line):
    request = json.loads(line)
    try:
        return {"ok": OPS[request.pop("op")](servers, **request)}
    except Failure as error:
        return {"error": {"code": error.code, "message": str(error)}}
    except botocore.exceptions.ClientError as error:
        reason = error.response["Error"]
        return {"error": {"code": reason.get("Code", ""), "message": reason.get("Message", "")}}
    except Exception as error:  # for example a wrong argument or a stopped server; the caller decides
        return {"error": {"code": type(error).__name__, "message": str(error)}}


def main():
    responses = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # keeps other output out of the responses
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="portcullis-", ignore_cleanup_errors=True) as scratch:
        servers = Servers(scratch)
        try:
            for line in sys.stdin:
                responses.write(json.dumps(respond(servers, line), default=plain) + "\n")
                responses.flush()
        finally:
            servers.stop()


if __name__ == "__main__":
    main()
