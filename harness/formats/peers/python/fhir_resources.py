# fhir.resources: pydantic models of one release; JSON by `model_validate_json`, XML by `model_validate_xml`.
import importlib
import json

from lxml import etree
from pydantic import ValidationError
from worker import Refusal

NAME = "fhir.resources"
STRUCTURE = ("missing", "extra_forbidden", "union_tag", "model_type", "list_type", "dict_type", "none_required")


class Adapter:
    def __init__(self, module):
        self.model_of = importlib.import_module(module).get_fhir_model_class

    def read(self, form, data):
        try:
            model = self.model(form, data)
        except (KeyError, LookupError, AttributeError, TypeError):
            raise Refusal("structure", "no such resource type") from None
        xml = form == "fhir-xml"
        try:
            resource = model.model_validate_xml(data) if xml else model.model_validate_json(data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            kind = first["type"]
            layer = "syntax" if kind == "json_invalid" else "structure" if kind.startswith(STRUCTURE) else "value"
            raise Refusal(layer, f"{kind}: {first['msg']}") from None
        return resource.model_dump_json()

    def model(self, form, data):
        try:
            if form == "fhir-xml":
                return self.model_of(etree.QName(etree.fromstring(data)).localname)
            return self.model_of(json.loads(data)["resourceType"])
        except (etree.XMLSyntaxError, json.JSONDecodeError) as error:
            raise Refusal("syntax", str(getattr(error, "msg", error))) from None
        except UnicodeDecodeError as error:
            raise Refusal("encoding", error.reason) from None
