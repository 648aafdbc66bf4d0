"""Git's smart HTTP: hands a request to `git http-backend` as CGI."""
from __future__ import annotations

import os
import subprocess
import tempfile


def spool(pieces):
    """The body in a temporary file: http-backend reads it as its standard input."""
    file = tempfile.TemporaryFile()
    for piece in pieces:
        file.write(piece)
    file.seek(0)
    return file


def answer(root: str, stream, request, body) -> bool:
    path, _, query = request.target.partition("?")
    environment = {
        "PATH": os.environ["PATH"], "HOME": root, "GIT_PROJECT_ROOT": root, "GIT_HTTP_EXPORT_ALL": "1",
        "REQUEST_METHOD": request.method, "PATH_INFO": path, "QUERY_STRING": query,
        "CONTENT_TYPE": request.fields.get("content-type", ""), "REMOTE_USER": "fixture", "REMOTE_ADDR": "192.0.2.1",
        "HTTP_CONTENT_ENCODING": request.fields.get("content-encoding", ""),
        "GIT_PROTOCOL": request.fields.get("git-protocol", ""), "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
        "CONTENT_LENGTH": str(os.fstat(body.fileno()).st_size),
    }
    with body:
        done = subprocess.run(["git", "http-backend"], stdin=body, capture_output=True, env=environment, check=False)
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    status, lines = b"200 OK", []
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"status:"):
            status = line.split(b":", 1)[1].strip()
        elif line:
            lines.append(line)
    lines.append(b"Content-Length: %d" % len(content))
    stream.sendall(b"HTTP/1.1 " + status + b"\r\n" + b"\r\n".join(lines) + b"\r\n\r\n" + content)
    return True
