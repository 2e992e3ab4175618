# The worker of a Python peer: frames on descriptor 0, as `peers/worker.rs` describes them; one adapter per peer.
import importlib
import importlib.metadata
import os
import struct
import sys

PROTOCOL = 0
PRINTED = 1
ACCEPTED, REFUSED, DIED = 0, 1, 2
LAYERS = ["encoding", "syntax", "structure", "value", "unknown"]
FORMATS = ["json", "fhir-json", "fhir-xml", "fhir-ndjson", "hl7v2"]


class Refusal(Exception):
    """An error of the peer's own, with the layer that it comes from."""

    def __init__(self, layer, message):
        super().__init__(message)
        self.layer = layer


def text(data):
    """Bytes as the standard wants them."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal("encoding", error.reason) from None


def only(parts):
    return parts[0] if len(parts) == 1 and isinstance(parts[0], str) else parts


def field(repetitions):
    """Repetitions in the short form: a part that has one leaf only is that leaf, and `null` a field that is empty."""
    short = [only([only(component) for component in components]) for components in repetitions]
    return None if short in ([""], []) else short


def read(size):
    data = bytearray()
    while len(data) < size:
        piece = os.read(PROTOCOL, min(size - len(data), 1 << 20))
        if not piece:
            os._exit(0)
        data += piece
    return bytes(data)


def write(ident, status, body):
    printed = os.fstat(PRINTED).st_size
    data = memoryview(struct.pack("<IIIB", 9 + len(body), ident, printed, status) + body)
    while data:
        data = data[os.write(PROTOCOL, data) :]


def answer(adapter, form, data):
    try:
        return ACCEPTED, adapter.read(FORMATS[form], data).encode("utf-8", "surrogatepass")
    except Refusal as error:
        return refused(error.layer, str(error))
    except RecursionError:
        return DIED, b"STACK"
    except MemoryError:
        os._exit(12)
    except Exception as error:
        return refused("unknown", f"{type(error).__name__}: {error}")


def refused(layer, message):
    return REFUSED, bytes([LAYERS.index(layer)]) + message[:1000].encode("utf-8", "replace")


def main():
    sys.modules["worker"] = sys.modules["__main__"]
    adapter = importlib.import_module(sys.argv[1].replace("-", "_").replace(".", "_"))
    adapter.load()
    write(0, ACCEPTED, f"{adapter.NAME} {importlib.metadata.version(adapter.NAME)}".encode())
    while True:
        (length,) = struct.unpack("<I", read(4))
        request = read(length)
        (ident,) = struct.unpack("<I", request[:4])
        status, body = answer(adapter, request[4], request[5:])
        write(ident, status, body)


main()
