# Reads each YAML file with PyYAML, checks it against the schema named before it, prints it as one line of JSON.
import json
import sys

import jsonschema
import yaml


class Strict(yaml.SafeLoader):
    """PyYAML takes the last of two equal keys; here that is an error."""


def mapping(loader, node):
    keys = [loader.construct_object(key) for key, _ in node.value]
    assert len(set(keys)) == len(keys), f"a key twice: {keys}"
    return {loader.construct_object(k, deep=True): loader.construct_object(v, deep=True) for k, v in node.value}


Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)

pairs = sys.argv[1:]
for schema_path, path in zip(pairs[::2], pairs[1::2]):
    with open(schema_path) as file:
        schema = json.load(file)
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    with open(path) as file:
        document = yaml.load(file, Strict)
    errors = [error.message for error in validator(schema).iter_errors(document)]
    print(json.dumps({"errors": errors, "document": document}))
