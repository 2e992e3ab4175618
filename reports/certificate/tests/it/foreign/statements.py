# Verifies envelopes with securesystemslib, and statements with in-toto's own classes: KEY.pem HINT SCHEMA BUNDLE…
import json
import sys

import google.protobuf.json_format as protobuf
import in_toto_attestation.predicates.test_result.v0.test_result_pb2 as test_result
import in_toto_attestation.v1.statement_pb2 as statement_pb2
import jsonschema
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

pem, hint, schema, *files = sys.argv[1:]
with open(pem, "rb") as file:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = SSlibKey.from_crypto(load_pem_public_key(file.read()), keyid=hint)
with open(schema) as file:
    schema = json.load(file)
validator = jsonschema.validators.validator_for(schema)
validator.check_schema(schema)


def judge(path):
    with open(path) as file:
        envelope = Envelope.from_dict(json.load(file)["dsseEnvelope"])
    envelope.verify([key], 1)
    assert envelope.payload_type == "application/vnd.in-toto+json", envelope.payload_type
    parsed = json.loads(envelope.payload)
    # Unknown fields of the statement are errors here.
    message = protobuf.ParseDict(parsed, statement_pb2.Statement())
    Statement.copy_from_pb(message).validate()
    kind = parsed["predicateType"]
    if kind == "https://in-toto.io/attestation/test-result/v0.1":
        protobuf.ParseDict(parsed["predicate"], test_result.TestResult())
    elif kind == "urn:autoclave:certificate:v1":
        validator(schema).validate(parsed)
    else:
        # No class for it: required fields as the specification of svr v0.2 lists them.
        predicate = parsed["predicate"]
        assert kind == "https://in-toto.io/attestation/svr/v0.2", kind
        assert isinstance(predicate["verifier"]["id"], str) and isinstance(predicate["verifier"]["policies"], list)
        assert isinstance(predicate["timeCreated"], str)
        assert all(isinstance(name, str) for name in predicate["properties"])
    return kind


for path in files:
    try:
        print("ok", judge(path))
    except Exception as error:  # Every way to refuse is fine; which one is printed.
        print("refused", type(error).__name__, str(error).replace("\n", " ")[:300])
