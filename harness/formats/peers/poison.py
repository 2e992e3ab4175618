# A worker that does, word by word, everything that a worker must not do; the supervisor's tests give it the words.
import os
import signal
import struct
import sys
import time

PROTOCOL = 0


def read(size):
    data = b""
    while len(data) < size:
        piece = os.read(PROTOCOL, size - len(data))
        if not piece:
            sys.exit(0)
        data += piece
    return data


def frame(ident, status, body, printed=None):
    end = os.fstat(1).st_size if printed is None else printed
    return struct.pack("<IIIB", 9 + len(body), ident, end, status) + body


def send(data):
    while data:
        data = data[os.write(PROTOCOL, data):]


def misbehave(word, ident, size):
    if word == b"hang":
        time.sleep(600)
    elif word == b"spin":
        while True:
            pass
    elif word == b"exit":
        os._exit(3)
    elif word == b"abort":
        os.abort()
    elif word == b"crash-mid-reply":
        send(frame(ident, 0, b"x" * 1000)[:500])
        os._exit(4)
    elif word == b"gigabyte":
        send(struct.pack("<I", 1 << 30))
        while True:
            send(b"x" * 65536)
    elif word == b"garbage":
        send(b"Segmentation fault, they said\n" * 20)
    elif word == b"short-frame":
        send(struct.pack("<I", 2) + b"xx")
    elif word == b"wrong-id":
        return frame(ident + 1, 0, b"for somebody else")
    elif word == b"wrong-status":
        return frame(ident, 9, b"")
    elif word == b"wrong-layer":
        return frame(ident, 1, b"\xffcode")
    elif word == b"greeting":
        return frame(0, 0, b"again")
    elif word == b"print":
        os.write(1, b"name of a patient to stdout;")
        os.write(2, b"and to stderr;")
    elif word == b"flood":
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        while True:
            os.write(2, b"x" * 65536)
    elif word == b"lie":
        return frame(ident, 0, b"lied", printed=0xFFFFFFFF)
    elif word == b"eat":
        return frame(ident, 0, b"%d" % len(bytearray(8 << 30)))
    elif word == b"grandchild":
        if os.fork() == 0:
            time.sleep(600)
        os._exit(5)
    elif word == b"close":
        os.close(PROTOCOL)
        time.sleep(600)
    elif word == b"refuse":
        return frame(ident, 1, b"\x01unexpected 'SYN' at line 17, it can't be")
    elif word == b"large":
        return frame(ident, 0, b"%d" % size)
    elif word == b"pid":
        return frame(ident, 0, b"%d" % os.getpid())
    elif word == b"environment":
        return frame(ident, 0, " ".join(sorted(os.environ)).encode())
    return frame(ident, 0, b"took " + word)


def main(mode):
    if mode == "exit-at-start":
        sys.exit("cannot load the library")
    if mode == "silent":
        time.sleep(600)
    if mode == "once" and not os.path.exists(sys.argv[2]):
        open(sys.argv[2], "w").close()
        sys.exit("not the first time")
    send(frame(0, 0, b"another 2.0" if mode == "wrong-version" else b"poison 1.0"))
    while True:
        (length,) = struct.unpack("<I", read(4))
        request = read(length)
        (ident,) = struct.unpack("<I", request[:4])
        send(misbehave(request[5:].split(b" ")[0], ident, length - 5) or b"")


main(sys.argv[1])
