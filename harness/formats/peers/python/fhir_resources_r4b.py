# fhir.resources read as FHIR R4B.
from fhir_resources import NAME, Adapter

__all__ = ["NAME", "load", "read"]
adapter = None


def load():
    global adapter
    adapter = Adapter("fhir.resources.R4B")


def read(form, data):
    return adapter.read(form, data)
