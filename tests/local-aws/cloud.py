"""ministack as the rest of AWS on 127.0.0.1, with four additions.

CloudTrail: PutEvents may carry an `aws.*` source, which AWS keeps for its own services, so that the deployed,
unchanged rule on `aws.ec2` can be fired.

Mail and web: what SNS sends to anybody but a queue or a function is kept instead of sent. ministack decides who
receives what (filter policies, the text per protocol, the envelope); only the last step is taken over here. A
subscription by http(s) is confirmed as the subscriber would do it, by following the link in the message.

Lambda's queue: an event that EventBridge hands to a function comes again when the function fails, as one that was sent
by `invoke` does; ministack alone would run it once and forget it. And there are only as many environments at once as a
young account has: the events of a burst wait, and none is thrown away.

Chat: the Slack channel of Amazon Q Developer (AWS::Chatbot) can be deployed; like the original it subscribes its
address to the topics by https.

  GET /_portcullis/inbox             [{"protocol", "endpoint", "subject", "message", "attributes", ...}, ...]
"""

import asyncio
import json
import os
import resource
import socket
import sys
import threading
import time
import urllib.request

import lifeline

INBOX_PATH = "/_portcullis/inbox"
CHAT_ENDPOINT = "https://global.sns-api.chatbot.amazonaws.com"
# Lambda's quota of concurrent executions in a new account.
ENVIRONMENTS = 10
INBOX = []
INBOX_LOCK = threading.Lock()


def listen():
    """Takes a free port before ministack is imported: it reads its own address from the environment then."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    listener.set_inheritable(False)
    port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    os.environ.update(
        GATEWAY_PORT=str(port), MINISTACK_HOST="127.0.0.1", BIND_HOST="127.0.0.1", AWS_ENDPOINT_URL=url,
        # Servers that would listen on every address of the machine.
        IOT_MTLS_ENABLED="0", SFTP_ENABLED="0",
    )
    return listener, port


def keep(protocol, endpoint, message_id, subject, message, attributes, **more):
    with INBOX_LOCK:
        INBOX.append({
            "protocol": protocol, "endpoint": endpoint, "message_id": message_id, "subject": subject,
            "message": message, "attributes": attributes, "received": time.time(), **more,
        })


def play_cloudtrail():
    from ministack.services import eventbridge

    put_events = eventbridge._put_events
    eventbridge._put_events = lambda data, **_: put_events(data, allow_aws_source=True)


def play_lambda_queue():
    from ministack.services import eventbridge, lambda_svc

    environments = threading.BoundedSemaphore(ENVIRONMENTS)
    run = lambda_svc._execute_function_dispatch

    def run_when_one_is_free(*arguments):
        with environments:
            return run(*arguments)

    def take(arn, payload):
        function, configuration, _ = lambda_svc._get_func_record_for_ref(arn)
        if function and configuration:
            record = lambda_svc._execution_record_for_config(function, configuration)
            lambda_svc.invoke_async_with_retry(record, json.loads(payload))

    lambda_svc._execute_function_dispatch = run_when_one_is_free
    eventbridge._dispatch_to_lambda = take


def play_mailbox():
    from ministack.services import sns

    fanout = sns._fanout

    def fanout_and_mail(topic_arn, message_id, message, subject, message_structure="", message_attributes=None, **more):
        fanout(topic_arn, message_id, message, subject, message_structure, message_attributes, **more)
        attributes = message_attributes or {}
        for subscription in sns._topic_by_arn_any_scope(topic_arn)["subscriptions"]:
            protocol = subscription["protocol"]
            if protocol in ("sqs", "lambda", "http", "https") or not subscription.get("confirmed"):
                continue
            text = sns._resolve_message_for_protocol(message, message_structure, protocol)
            if sns._matches_filter_policy(subscription, attributes, text):
                plain = {name: value.get("StringValue", "") for name, value in attributes.items()}
                # Without a subject SNS writes this one.
                keep(protocol, subscription["endpoint"], message_id, subject or "AWS Notification Message", text, plain)

    sns._fanout = fanout_and_mail


def play_web():
    from ministack.services import sns

    def post(endpoint, payload, kind):
        envelope = parse(payload)
        if kind == "SubscriptionConfirmation":
            with urllib.request.urlopen(envelope["SubscribeURL"], timeout=10) as answer:
                return answer.status
        if envelope.get("Type") != "Notification":  # RawMessageDelivery: the body is the message
            envelope = {"Message": payload}
        attributes = {name: value["Value"] for name, value in envelope.get("MessageAttributes", {}).items()}
        keep(endpoint.split(":", 1)[0], endpoint, envelope.get("MessageId", ""), envelope.get("Subject", ""),
             envelope["Message"], attributes, body=payload)
        return 200

    sns._http_post_sync = post


def play_chat():
    from ministack.core.responses import get_account_id
    from ministack.services import sns
    from ministack.services.cloudformation import provisioners

    def create(logical_id, properties, stack):
        name = properties["ConfigurationName"]
        for topic in properties.get("SnsTopicArns", []):
            subscription, _ = provisioners._sns_sub_create(
                logical_id, {"TopicArn": topic, "Protocol": "https", "Endpoint": CHAT_ENDPOINT}, stack
            )
            sns._find_subscription(topic, subscription)["confirmed"] = True
        arn = f"arn:aws:chatbot::{get_account_id()}:chat-configuration/slack-channel/{name}"
        return arn, {"Arn": arn}

    provisioners._RESOURCE_HANDLERS["AWS::Chatbot::SlackChannelConfiguration"] = {
        "create": create, "delete": lambda physical_id, properties: None,
    }


def keep_logs_whole():
    """ministack takes a function's output for finished after 5 quiet milliseconds and hands the rest to the next
    invocation: on a busy machine the last lines would be missing from the log."""
    from ministack.core import lambda_runtime

    drain = lambda_runtime.Worker._drain_stderr_bounded

    def patiently(self, first_line_wait=0.5, idle_confirm=0.1, hard_cap=3.0):
        return drain(self, max(first_line_wait, 0.5), idle_confirm, hard_cap)

    lambda_runtime.Worker._drain_stderr_bounded = patiently


def parse(payload):
    try:
        return json.loads(payload)
    except ValueError:
        return {}


async def answer_inbox(send):
    with INBOX_LOCK:
        body = json.dumps({"messages": INBOX}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


def front(app):
    """What stands before ministack: the page of the inbox and, to IAM, the end of a TLS connection."""

    async def serve(scope, receive, send):
        if scope["type"] == "http" and scope["path"] == INBOX_PATH:
            await answer_inbox(send)
        elif scope["type"] == "http" and os.environ.get("AUTH") == "true":
            # Policies deny what does not come by TLS. It never leaves this machine.
            await app({**scope, "headers": [*scope["headers"], (b"x-forwarded-proto", b"https")]}, receive, send)
        else:
            await app(scope, receive, send)

    return serve


def main():
    listener, port = listen()
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack import app as ministack

    play_cloudtrail()
    play_lambda_queue()
    play_mailbox()
    play_web()
    play_chat()
    keep_logs_whole()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"
    lifeline.ready(port)
    lifeline.die_with_parent()
    asyncio.run(serve(front(ministack.app), config))


if __name__ == "__main__":
    sys.exit(main())
