"""Turns template.yaml into plain CloudFormation, as AWS's SAM transform would do when deploying.

Usage: translate.py TEMPLATE OUTPUT

cfn-lint does not look inside AWS::Serverless::Function (a wrong runtime or a memory size of 12 passes); it does look
inside what the transform makes of it. Needs no credentials and no network.
"""

import json
import os
import sys

from samtranslator.parser.parser import Parser
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class NoManagedPolicies:
    """SAM policy names cannot be resolved without an account; the template must not use any."""

    def load(self):
        return {}


def roles(template):
    resources = template["Resources"].items()
    return {name for name, body in resources if body["Type"] == "AWS::IAM::Role"}


def packaged(template):
    """What `sam package` does: the transform only accepts code that lies in S3."""
    for body in template["Resources"].values():
        if body["Type"] == "AWS::Serverless::Function":
            body["Properties"]["CodeUri"] = "s3://bucket/key"
    return template


def main(source, output):
    # The transform asks boto3 for the region; any will do.
    os.environ.pop("AWS_PROFILE", None)
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    with open(source, encoding="utf-8") as file:
        text = file.read()
    parameters = {
        name: str(body["Default"])
        for name, body in yaml_parse(text)["Parameters"].items()
        if "Default" in body
    }
    translated = transform(packaged(yaml_parse(text)), parameters, NoManagedPolicies())
    # A role that SAM makes by itself would carry permissions nobody wrote down or reviewed.
    invented = roles(translated) - roles(yaml_parse(text))
    if invented:
        sys.exit(f"the SAM transform invented roles: {sorted(invented)}; give each function its own Role")
    with open(output, "w", encoding="utf-8") as file:
        json.dump(translated, file, indent=2)


if __name__ == "__main__":
    main(*sys.argv[1:])
