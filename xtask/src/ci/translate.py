"""Translates template.yaml to CloudFormation, as AWS's SAM transform does at deployment.

Usage: translate.py TEMPLATE OUTPUT

cfn-lint does not check the properties of AWS::Serverless::Function (a wrong runtime or a memory size of 12 passes), but
it does check the resources that the transform generates. Needs no credentials and no network.
"""

import json
import os
import sys

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class NoManagedPolicies:
    """The names of SAM policies cannot be resolved without an account, so the template must not use any."""

    def load(self):
        return {}


def role_names(template):
    resources = template["Resources"].items()
    return {name for name, body in resources if body["Type"] == "AWS::IAM::Role"}


def with_packaged_code(template):
    """Points to code in S3, as `sam package` does. The transform accepts nothing else."""
    for body in template["Resources"].values():
        if body["Type"] == "AWS::Serverless::Function":
            body["Properties"]["CodeUri"] = "s3://bucket/key"
    return template


def main(source, output):
    # The transform asks boto3 for the region; any region works.
    os.environ.pop("AWS_PROFILE", None)
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    with open(source, encoding="utf-8") as file:
        text = file.read()
    parameters = {
        name: str(body["Default"])
        for name, body in yaml_parse(text)["Parameters"].items()
        if "Default" in body
    }
    translated = transform(with_packaged_code(yaml_parse(text)), parameters, NoManagedPolicies())
    # A role that SAM generates has permissions that nobody wrote down or reviewed.
    generated = role_names(translated) - role_names(yaml_parse(text))
    if generated:
        sys.exit(f"the SAM transform generated the roles {sorted(generated)}: give each function its own Role")
    with open(output, "w", encoding="utf-8") as file:
        json.dump(translated, file, indent=2)


if __name__ == "__main__":
    main(*sys.argv[1:])
