# hl7 (python-hl7): messages, batches and files as its own `is…` functions tell them apart; leaves as written.
import json

from worker import Refusal, field, text

NAME = "hl7"


def load():
    global hl7
    import hl7


def component(part):
    return [part] if isinstance(part, str) else [str(leaf) for leaf in part]


def repetition(part):
    return [[part]] if isinstance(part, str) else [component(each) for each in part]


def segment(part):
    name = str(part[0])
    if name in ("MSH", "FHS", "BHS"):
        return [name, str(part[1]), str(part[2]), *(field(map(repetition, each)) for each in part[3:])]
    return [name, *(field(map(repetition, each)) for each in part[1:])]


def read(_, data):
    try:
        message = hl7.parse_hl7(text(data))
    except hl7.HL7Exception as error:
        raise Refusal("structure", f"{type(error).__name__}: {error}") from None
    batches = message if isinstance(message, hl7.File) else [message]
    messages = [each for batch in batches for each in (batch if isinstance(batch, hl7.Batch) else [batch])]
    return json.dumps([[segment(part) for part in each] for each in messages])
