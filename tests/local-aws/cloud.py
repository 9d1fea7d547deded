"""ministack as all AWS services except EC2, on 127.0.0.1, with five additions.

CloudTrail: PutEvents accepts `aws.*` sources, which AWS reserves for its own services, so that events can match the
deployed rule on `aws.ec2`.

E-mail and http(s): messages that SNS would send outside are stored instead. ministack decides who receives what (filter
policies, the text for each protocol, the envelope); only the delivery is replaced. Subscriptions by http(s) are
confirmed as a subscriber does it, by following the link in the message.

Lambda's queue: an event from EventBridge is retried when the function fails, as with `invoke`; ministack itself would
run the function once. At most as many executions run at once as in a new account; further events wait.

Layers: functions with a custom runtime have the files of their layers. They are not in /opt, which belongs to this
machine, but in a temporary directory, and `file:/opt/` in the environment of the function becomes that directory.

Slack: the channel configuration of Amazon Q Developer (AWS::Chatbot) can be deployed. Like the real service, it
subscribes its endpoint to the topics by https.

  GET /_portcullis/inbox             [{"protocol", "endpoint", "subject", "message", "attributes", ...}, ...]
"""

import asyncio
import io
import json
import os
import resource
import socket
import sys
import tempfile
import threading
import time
import urllib.request
import zipfile

import lifeline

INBOX_PATH = "/_portcullis/inbox"
AMAZON_Q_ENDPOINT = "https://global.sns-api.chatbot.amazonaws.com"
# Lambda's quota of concurrent executions in a new account.
CONCURRENT_EXECUTIONS = 10
INBOX = []
INBOX_LOCK = threading.Lock()


def listen():
    """Opens a port before ministack is imported, because ministack reads its address from the environment."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    listener.set_inheritable(False)
    port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    os.environ.update(
        GATEWAY_PORT=str(port), MINISTACK_HOST="127.0.0.1", BIND_HOST="127.0.0.1", AWS_ENDPOINT_URL=url,
        # These servers would listen on all addresses of the machine.
        IOT_MTLS_ENABLED="0", SFTP_ENABLED="0",
    )
    return listener, port


def store_message(protocol, endpoint, message_id, subject, message, attributes, **more):
    with INBOX_LOCK:
        INBOX.append({
            "protocol": protocol, "endpoint": endpoint, "message_id": message_id, "subject": subject,
            "message": message, "attributes": attributes, "received": time.time(), **more,
        })


def accept_aws_sources():
    from ministack.services import eventbridge

    put_events = eventbridge._put_events
    eventbridge._put_events = lambda data, **_: put_events(data, allow_aws_source=True)


def retry_and_limit_executions():
    from ministack.services import eventbridge, lambda_svc

    executions = threading.BoundedSemaphore(CONCURRENT_EXECUTIONS)
    run = lambda_svc._execute_function_dispatch

    def run_when_possible(*arguments):
        with executions:
            return run(*arguments)

    def invoke(arn, payload):
        function, configuration, _ = lambda_svc._get_func_record_for_ref(arn)
        if function and configuration:
            record = lambda_svc._execution_record_for_config(function, configuration)
            lambda_svc.invoke_async_with_retry(record, json.loads(payload))

    lambda_svc._execute_function_dispatch = run_when_possible
    eventbridge._dispatch_to_lambda = invoke


def extract_layers():
    from ministack.services import lambda_svc

    build_environment = lambda_svc._provided_worker_env

    def build_with_layers(config, *arguments):
        environment = build_environment(config, *arguments)
        layers = config.get("Layers")
        if not layers:
            return environment
        directory = tempfile.mkdtemp(prefix="opt-")
        for layer in layers:
            with zipfile.ZipFile(io.BytesIO(lambda_svc._resolve_layer_zip(layer))) as archive:
                archive.extractall(directory)
        return {name: value.replace("file:/opt/", f"file:{directory}/") for name, value in environment.items()}

    lambda_svc._provided_worker_env = build_with_layers


def store_emails():
    from ministack.services import sns

    fanout = sns._fanout

    def fanout_and_store(
        topic_arn, message_id, message, subject, message_structure="", message_attributes=None, **more
    ):
        fanout(topic_arn, message_id, message, subject, message_structure, message_attributes, **more)
        attributes = message_attributes or {}
        for subscription in sns._topic_by_arn_any_scope(topic_arn)["subscriptions"]:
            protocol = subscription["protocol"]
            if protocol in ("sqs", "lambda", "http", "https") or not subscription.get("confirmed"):
                continue
            text = sns._resolve_message_for_protocol(message, message_structure, protocol)
            if sns._matches_filter_policy(subscription, attributes, text):
                plain = {name: value.get("StringValue", "") for name, value in attributes.items()}
                subject = subject or "AWS Notification Message"  # the default of SNS
                store_message(protocol, subscription["endpoint"], message_id, subject, text, plain)

    sns._fanout = fanout_and_store


def store_http_messages():
    from ministack.services import sns

    def post(endpoint, payload, kind):
        envelope = parse(payload)
        if kind == "SubscriptionConfirmation":
            with urllib.request.urlopen(envelope["SubscribeURL"], timeout=10) as answer:
                return answer.status
        if envelope.get("Type") != "Notification":  # RawMessageDelivery: the body is the message
            envelope = {"Message": payload}
        attributes = {name: value["Value"] for name, value in envelope.get("MessageAttributes", {}).items()}
        store_message(endpoint.split(":", 1)[0], endpoint, envelope.get("MessageId", ""), envelope.get("Subject", ""),
             envelope["Message"], attributes, body=payload)
        return 200

    sns._http_post_sync = post


def add_slack_channels():
    from ministack.core.responses import get_account_id
    from ministack.services import sns
    from ministack.services.cloudformation import provisioners

    def create(logical_id, properties, stack):
        name = properties["ConfigurationName"]
        for topic in properties.get("SnsTopicArns", []):
            subscription, _ = provisioners._sns_sub_create(
                logical_id, {"TopicArn": topic, "Protocol": "https", "Endpoint": AMAZON_Q_ENDPOINT}, stack
            )
            sns._find_subscription(topic, subscription)["confirmed"] = True
        arn = f"arn:aws:chatbot::{get_account_id()}:chat-configuration/slack-channel/{name}"
        return arn, {"Arn": arn}

    provisioners._RESOURCE_HANDLERS["AWS::Chatbot::SlackChannelConfiguration"] = {
        "create": create, "delete": lambda physical_id, properties: None,
    }


def wait_for_whole_logs():
    """ministack stops reading a function's output after 5 ms without output and adds the rest to the next invocation.
    On a busy machine, the last lines would be missing in the log."""
    from ministack.core import lambda_runtime

    drain = lambda_runtime.Worker._drain_stderr_bounded

    def drain_longer(self, first_line_wait=0.5, idle_confirm=0.1, hard_cap=3.0):
        return drain(self, max(first_line_wait, 0.5), idle_confirm, hard_cap)

    lambda_runtime.Worker._drain_stderr_bounded = drain_longer


def parse(payload):
    try:
        return json.loads(payload)
    except ValueError:
        return {}


async def send_inbox(send):
    with INBOX_LOCK:
        body = json.dumps({"messages": INBOX}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


def with_inbox(app):
    """Adds the inbox page to ministack and, if IAM is enabled, marks requests as sent by TLS."""

    async def serve(scope, receive, send):
        if scope["type"] == "http" and scope["path"] == INBOX_PATH:
            await send_inbox(send)
        elif scope["type"] == "http" and os.environ.get("AUTH") == "true":
            # The policies deny requests without TLS. Nothing leaves this machine.
            await app({**scope, "headers": [*scope["headers"], (b"x-forwarded-proto", b"https")]}, receive, send)
        else:
            await app(scope, receive, send)

    return serve


def main():
    listener, port = listen()
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack import app as ministack

    accept_aws_sources()
    retry_and_limit_executions()
    extract_layers()
    store_emails()
    store_http_messages()
    add_slack_channels()
    wait_for_whole_logs()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"
    lifeline.ready(port)
    lifeline.die_with_parent()
    asyncio.run(serve(with_inbox(ministack.app), config))


if __name__ == "__main__":
    sys.exit(main())
