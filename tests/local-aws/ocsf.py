"""Holds findings in OCSF against others' idea of the format: the schema itself, and the models that Prowler publishes.

Reads a list of findings from standard input. Prints what is wrong, one complaint a line, and exits with 1; else prints
how many findings there were.
"""

import functools
import json
import sys
import typing

import jsonschema
import pydantic
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from py_ocsf_models.events.findings.compliance_finding import ComplianceFinding
from py_ocsf_models.objects.cloud import Cloud

load = functools.cache(get_ocsf_schema)

# What the schema has and the models (of 1.5, and not all of it) do not. They ignore such keys, so we count them: one
# that is not here is a typo.
NOT_IN_MODELS = {
    "cloud",
    "compliance.status",
    "resources.role",
    "resources.role_id",
    "resources.tags",
    "resources.uid_alt",
}


def enumerations(schema, owner, value, at):
    """Each enumerated value must stand beside its own caption, and nothing may be deprecated. The schema as JSON Schema
    does not say so. 99 (Other) leaves the words to us."""
    for key, inner in value.items():
        attribute = owner["attributes"].get(key, {})
        if "@deprecated" in attribute:
            yield f"{at}{key} is deprecated"
        below = schema["objects"].get(attribute.get("object_type"), {"attributes": {}})
        for one in inner if isinstance(inner, list) else [inner]:
            if below["attributes"] and isinstance(one, dict):
                yield from enumerations(schema, below, one, f"{at}{key}.")
        if "enum" in attribute and "sibling" in attribute:
            caption = attribute["enum"].get(str(inner), {}).get("caption")
            words = value.get(attribute["sibling"])
            if words is None or (inner != 99 and words != caption):
                yield f"{at}{key}: {inner} is {caption}, and {attribute['sibling']} says {words}"


def model_in(annotation):
    """The model that an annotation is about, if it is one."""
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return annotation
    return next(filter(None, map(model_in, typing.get_args(annotation))), None)


def unknown(model, value, at):
    """The keys that a model would ignore."""
    for key, inner in value.items():
        field = model.model_fields.get(key)
        if field is None:
            yield f"{at}{key}"
            continue
        below = model_in(field.annotation)
        for one in inner if isinstance(inner, list) else [inner]:
            if below and isinstance(one, dict):
                yield from unknown(below, one, f"{at}{key}.")


def complaints(finding):
    schema = load(finding["metadata"]["version"])
    compiled = OcsfJsonSchemaEmbedded(schema)
    name = compiled.lookup_class_name_from_uid(finding["class_uid"])
    wanted = compiled.get_class_schema(name, finding["metadata"]["profiles"])
    for error in jsonschema.Draft202012Validator(wanted).iter_errors(finding):
        yield f"schema: {error.json_path}: {error.message}"
    for complaint in enumerations(schema, schema["classes"][name], finding, ""):
        yield f"schema: {complaint}"
    for model, value in ((ComplianceFinding, finding), (Cloud, finding.get("cloud", {}))):
        try:
            model.model_validate(value)
        except pydantic.ValidationError as error:
            yield f"models: {error}"
        for key in unknown(model, value, ""):
            if key not in NOT_IN_MODELS:
                yield f"models: {key} is unknown"


def main():
    findings = json.load(sys.stdin)
    found = [f"{number}: {one}" for number, finding in enumerate(findings) for one in complaints(finding)]
    print("\n".join(found) if found else len(findings))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
