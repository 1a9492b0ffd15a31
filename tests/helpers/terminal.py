"""What a terminal shows of the output of a command."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

CODES = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|\x1b[=>()]\w?")


def shown(text, width=100):
    """Lines on the screen, with those that have scrolled off, after all of the text was written to a terminal."""
    rows, row, column, position = [[]], 0, 0, 0
    while position < len(text):
        code = CODES.match(text, position)
        position = code.end() if code else position + 1
        char = "" if code else text[position - 1]
        count = int(code[1]) if code and code[2] and code[1].isdigit() else 1
        action = code[2] if code and code[2] else char
        if action == "A":
            row = max(0, row - count)
        elif action == "B":
            row += count
        elif code and action == "K":
            rows[row] = [] if code[1] == "2" else rows[row][:column]
        elif char == "\r":
            column = 0
        elif char == "\n":
            row += 1
        elif char and char >= " ":
            if column == width:
                row, column = row + 1, 0
            rows.extend([] for _ in range(row + 1 - len(rows)))
            rows[row].extend(" " * (column + 1 - len(rows[row])))
            rows[row][column] = char
            column += 1
        rows.extend([] for _ in range(row + 1 - len(rows)))
    return ["".join(line).rstrip() for line in rows]


def on_terminal(args, folder, width=100):
    """Lines that `python args` leaves on a terminal; the command must succeed."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 60, width, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "CI")}
    environment["TERM"] = "xterm-256color"
    process = subprocess.Popen(
        [sys.executable, *args], stdin=its, stdout=its, stderr=its, cwd=folder, env=environment, close_fds=True
    )
    os.close(its)
    parts = []
    try:
        while part := os.read(ours, 65536):
            parts.append(part)
    except OSError:  # how a pty says that it was closed at the other end
        pass
    os.close(ours)
    text = b"".join(parts).decode()
    assert process.wait() == 0, text
    return shown(text, width)
