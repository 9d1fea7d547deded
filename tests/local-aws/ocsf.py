"""Validates findings in OCSF by the official schema and by the models that Prowler publishes.

Reads a list of findings from standard input. Prints one error a line and exits with 1, or prints the number of findings
if all are valid.
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

# Keys of the schema that the models (an incomplete version 1.5) do not have. The models ignore unknown keys, so a key
# that is unknown to them and not listed here is a typo.
NOT_IN_MODELS = {
    "cloud",
    "compliance.status",
    "resources.role",
    "resources.role_id",
    "resources.tags",
    "resources.uid_alt",
}


def enumeration_errors(schema, owner, value, at):
    """Each enumerated value must have its own caption next to it, and nothing may be deprecated. JSON Schema cannot
    express this. 99 (Other) may have any caption."""
    for key, inner in value.items():
        attribute = owner["attributes"].get(key, {})
        if "@deprecated" in attribute:
            yield f"{at}{key} is deprecated"
        below = schema["objects"].get(attribute.get("object_type"), {"attributes": {}})
        for one in inner if isinstance(inner, list) else [inner]:
            if below["attributes"] and isinstance(one, dict):
                yield from enumeration_errors(schema, below, one, f"{at}{key}.")
        if "enum" in attribute and "sibling" in attribute:
            caption = attribute["enum"].get(str(inner), {}).get("caption")
            text = value.get(attribute["sibling"])
            if text is None or (inner != 99 and text != caption):
                yield f"{at}{key}: {inner} is {caption}, but {attribute['sibling']} is {text}"


def model_in(annotation):
    """The model in an annotation, if there is one."""
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return annotation
    return next(filter(None, map(model_in, typing.get_args(annotation))), None)


def unknown_keys(model, value, at):
    """The keys that a model ignores."""
    for key, inner in value.items():
        field = model.model_fields.get(key)
        if field is None:
            yield f"{at}{key}"
            continue
        below = model_in(field.annotation)
        for one in inner if isinstance(inner, list) else [inner]:
            if below and isinstance(one, dict):
                yield from unknown_keys(below, one, f"{at}{key}.")


def find_errors(finding):
    schema = load(finding["metadata"]["version"])
    compiled = OcsfJsonSchemaEmbedded(schema)
    name = compiled.lookup_class_name_from_uid(finding["class_uid"])
    class_schema = compiled.get_class_schema(name, finding["metadata"]["profiles"])
    for error in jsonschema.Draft202012Validator(class_schema).iter_errors(finding):
        yield f"schema: {error.json_path}: {error.message}"
    for error in enumeration_errors(schema, schema["classes"][name], finding, ""):
        yield f"schema: {error}"
    for model, value in ((ComplianceFinding, finding), (Cloud, finding.get("cloud", {}))):
        try:
            model.model_validate(value)
        except pydantic.ValidationError as error:
            yield f"models: {error}"
        for key in unknown_keys(model, value, ""):
            if key not in NOT_IN_MODELS:
                yield f"models: {key} is unknown"


def main():
    findings = json.load(sys.stdin)
    found = [f"{number}: {one}" for number, finding in enumerate(findings) for one in find_errors(finding)]
    print("\n".join(found) if found else len(findings))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
