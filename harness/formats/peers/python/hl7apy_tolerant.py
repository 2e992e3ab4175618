# hl7apy: `parse_message`, tolerant and without groups; parts by the positions in their names, leaves as it writes them.
import json

import worker

NAME = "hl7apy"


def load():
    global parse_message, HL7apyException
    from hl7apy.exceptions import HL7apyException
    from hl7apy.parser import parse_message


def placed(parts, read):
    """Parts by position; those whose name holds none come one after the other."""
    at = {}
    for order, part in enumerate(parts):
        number = (part.name or "").rsplit("_", 1)[-1]
        at.setdefault(int(number) if number.isdigit() else order + 1, []).append(read(part))
    return [at.get(position, []) for position in range(1, max(at, default=0) + 1)]


def parts(part, read, nothing):
    return [each[0] if each else nothing for each in placed(part.children, read)] or [nothing]


def field(part):
    return parts(part, lambda component: parts(component, lambda leaf: leaf.to_er7(), ""), [""])


def segment(part):
    fields = [worker.field(repetitions) for repetitions in placed(part.children, field)]
    if part.name == "MSH":
        fields[:2] = [part.msh_1.to_er7(), part.msh_2.to_er7()]
    return [part.name, *fields]


def read(_, data):
    try:
        return json.dumps([[segment(part) for part in parse_message(worker.text(data), find_groups=False).children]])
    except HL7apyException as error:
        raise worker.Refusal("structure", f"{type(error).__name__}: {error}") from None
