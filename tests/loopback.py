#!/usr/bin/env python3
"""Sets the loopback up and runs a command: `unshare -n tests/loopback.py COMMAND
[ARGUMENT...]` gives it a network of its own, where every port is free."""
import fcntl
import os
import socket
import struct
import sys

SIOCSIFFLAGS, IFF_UP = 0x8914, 1  # netdevice(7)

with socket.socket() as s:
    fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh14s", b"lo", IFF_UP, b""))
os.execvp(sys.argv[1], sys.argv[1:])
