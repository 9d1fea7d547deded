"""moto as EC2 on 127.0.0.1, with recorded calls and injected faults.

  GET  /_portcullis/calls            the calls: [{"action", "parameters", "key", "region", "status", "ended"}, ...]
  POST /_portcullis/faults  {...}    injects a fault, see Fault
  POST /_portcullis/prefix-lists     {"delay": SECONDS}: changes of prefix lists take effect later, as in EC2
  POST /_portcullis/reset            clears the calls, the faults and the delay; the resources stay

Calls with QUIET_AGENT in their User-Agent, which come from the tests themselves, are not recorded and get no faults.

Calls are served one after another, and a revoke removes all its rules or none, as in EC2 outside the default VPC. moto
itself stops at the first rule that does not exist, and its threads can overwrite each other's changes, so concurrent
runs on a group would lose rules.
"""

import io
import json
import logging
import threading
import time
import urllib.parse
from dataclasses import dataclass

import lifeline
from moto.ec2.models.managed_prefixes import ManagedPrefixListBackend
from moto.ec2.models.security_groups import SecurityGroup
from moto.ec2.responses.security_groups import SecurityGroups
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

CONTROL = "/_portcullis/"
QUIET_AGENT = "portcullis-harness"
REQUEST_ID = "59dbff89-35bd-4eac-99ed-be587ed81825"


@dataclass
class Fault:
    """Returns an error for the next `times` calls of `action` whose parameters contain `match`, in `region` if given.

    With `after` the call is performed, and only its response is replaced. `delay` (seconds) comes first; with an empty
    `code` there is no error.
    """

    action: str
    code: str = "InternalError"
    status: int = 500
    times: int = 1
    match: str = ""
    region: str = ""
    after: bool = False
    delay: float = 0.0


class PendingLists:
    """Changes of managed prefix lists that are not applied yet. EC2 answers such a call with the old version and the state
    modify-in-progress, and returns the old entries until the change is applied. moto applies it at once."""

    def __init__(self):
        self.delay = 0.0
        self.changes = []

    def apply_due(self):
        now = time.time()
        due = [change for at, change in self.changes if at <= now]
        self.changes = [(at, change) for at, change in self.changes if at > now]
        for change in due:
            change()


PENDING_LISTS = PendingLists()


class Recorder:
    """The WSGI middleware around moto."""

    def __init__(self, app):
        self.app = app
        self.lock = threading.Lock()
        self.turn = threading.Lock()
        self.calls = []
        self.faults = []

    def __call__(self, environ, start_response):
        path = environ.get("PATH_INFO", "")
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if path.startswith(CONTROL):
            return self.control(path.removeprefix(CONTROL), body, start_response)
        environ["wsgi.input"] = io.BytesIO(body)
        environ["wsgi.input_terminated"] = True
        if QUIET_AGENT in environ.get("HTTP_USER_AGENT", ""):
            return self.answer(environ, start_response)
        return self.serve(environ, body, start_response)

    def control(self, what, body, start_response):
        with self.lock:
            answer = {}
            if what == "calls":
                answer = {"calls": self.calls}
            elif what == "faults":
                self.faults.append(Fault(**json.loads(body)))
            elif what == "prefix-lists":
                PENDING_LISTS.delay = json.loads(body)["delay"]
            elif what == "reset":
                self.calls, self.faults, PENDING_LISTS.delay = [], [], 0.0
        return respond(start_response, "200 OK", "application/json", json.dumps(answer))

    def serve(self, environ, body, start_response):
        parameters = dict(urllib.parse.parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        action = parameters.pop("Action", "") or environ.get("PATH_INFO", "")
        key, region, service = signer(environ.get("HTTP_AUTHORIZATION", ""))
        call = {
            "action": action, "parameters": parameters, "key": key, "region": region, "service": service, "status": 0,
            "ended": 0.0,
        }
        with self.lock:
            self.calls.append(call)
        fault = self.take_fault(action, parameters, region)
        time.sleep(fault.delay if fault else 0.0)
        if fault and fault.code and not fault.after:
            return self.fail(fault, call, start_response)

        answer = []

        def note_status(status, headers, exc_info=None):
            call.update(status=int(status.split()[0]), ended=time.time())
            answer[:] = [status, headers]
            return lambda _: None

        content = self.answer(environ, note_status)
        if fault and fault.code:
            return self.fail(fault, call, start_response)
        start_response(*answer)
        return content

    def answer(self, environ, start_response):
        with self.turn:
            PENDING_LISTS.apply_due()
            return list(self.app(environ, start_response))

    def take_fault(self, action, parameters, region):
        text = json.dumps(parameters)
        with self.lock:
            for fault in self.faults:
                here = fault.region in ("", region)
                if fault.times > 0 and fault.action == action and fault.match in text and here:
                    fault.times -= 1
                    return fault
        return None

    def fail(self, fault, call, start_response):
        call.update(status=fault.status, ended=time.time())
        error = f"<Error><Code>{fault.code}</Code><Message>an injected fault</Message></Error>"
        answer = f"<Response><Errors>{error}</Errors><RequestID>{REQUEST_ID}</RequestID></Response>"
        if call["service"] == "sts":
            answer = f"<ErrorResponse>{error}<RequestId>{REQUEST_ID}</RequestId></ErrorResponse>"
        xml = '<?xml version="1.0" encoding="UTF-8"?>' + answer
        return respond(start_response, f"{fault.status} Fault", "text/xml", xml)


def signer(authorization):
    """The access key id, region and service of a signature: Credential=AKID/20261121/us-east-1/ec2/aws4_request, ..."""
    scope = authorization.partition("Credential=")[2].partition(",")[0].split("/")
    return (scope[0], scope[2], scope[3]) if len(scope) == 5 else ("", "", "")


def revoke_all_or_nothing():
    revoke = SecurityGroups.revoke_security_group_ingress

    def revoke_atomically(self):
        groups = [group for vpc in self.ec2_backend.groups.values() for group in vpc.values()]
        before = [group.ingress_rules for group in groups]
        try:
            return revoke(self)
        except Exception:
            for group, rules in zip(groups, before):
                group.ingress_rules = rules
            raise

    SecurityGroups.revoke_security_group_ingress = revoke_atomically


def apply_prefix_lists_later():
    modify = ManagedPrefixListBackend.modify_managed_prefix_list

    def modify_later(self, **request):
        if not PENDING_LISTS.delay:
            return modify(self, **request)
        changed = self.managed_prefix_lists[request["prefix_list_id"]]
        changed.state = "modify-in-progress"
        PENDING_LISTS.changes.append((time.time() + PENDING_LISTS.delay, lambda: modify(self, **request)))
        return changed

    ManagedPrefixListBackend.modify_managed_prefix_list = modify_later


def find_groups_by_prefix_list():
    """moto lacks the filter ip-permission.prefix-list-id of DescribeSecurityGroups."""

    def uses_one_of(self, lists):
        return any(rule.prefix_list_id in lists for rule in self.ingress_rules)

    SecurityGroup.filter_ip_permission__prefix_list_id = uses_one_of


def respond(start_response, status, kind, text):
    body = text.encode()
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]


def main():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    WSGIRequestHandler.protocol_version = "HTTP/1.1"  # keep-alive, as in AWS
    WSGIRequestHandler.disable_nagle_algorithm = True
    revoke_all_or_nothing()
    apply_prefix_lists_later()
    find_groups_by_prefix_list()
    server = make_server(
        "127.0.0.1", 0, Recorder(DomainDispatcherApplication(create_backend_app)), threaded=True
    )
    server.daemon_threads = True
    lifeline.ready(server.port)
    lifeline.die_with_parent()
    server.serve_forever()


if __name__ == "__main__":
    main()
