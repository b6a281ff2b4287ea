"""git over ssh: a real OpenSSH server on a loopback port, for whoever runs the tests.

Debian's `openssh-server` must be installed; without it the tests fail.
"""

import contextlib
import getpass
import shutil
import socket
import subprocess
import time
from pathlib import Path


class SshServer:
    """`folder` gets host keys and `authorized_keys`; `key` may log in, `stranger` may not."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True)
        self.key, self.stranger, self.host_key = map(self._key, ("user", "stranger", "host"))
        shutil.copy(f"{self.key}.pub", self.folder / "authorized_keys")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.known_hosts = self._known_hosts("known_hosts", self.host_key)
        self.log = self.folder / "log"

    def url(self, path):
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{path}"

    def _key(self, name):
        path = self.folder / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
        return str(path)

    def _known_hosts(self, name, key):
        kind, public, *_ = Path(f"{key}.pub").read_text().split()
        path = self.folder / name
        path.write_text(f"[127.0.0.1]:{self.port} {kind} {public}\n")
        return str(path)

    def impostor(self):
        """A known hosts file that expects another key of this server."""
        return self._known_hosts("impostor", self.stranger)

    def logins(self):
        return self.log.read_text().count("Accepted publickey")

    def __enter__(self):
        program = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin")
        assert program, "install openssh-server"
        with contextlib.suppress(PermissionError):  # only a server run by root needs it
            Path("/run/sshd").mkdir(exist_ok=True)
        options = {
            "ListenAddress": f"127.0.0.1:{self.port}",
            "HostKey": self.host_key,
            "AuthorizedKeysFile": self.folder / "authorized_keys",
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "MaxStartups": "100",
            "LogLevel": "INFO",
        }
        words = [word for name, value in options.items() for word in ("-o", f'{name}="{value}"')]
        command = [program, "-D", "-f", "/dev/null", "-E", str(self.log), *words]
        self._process = subprocess.Popen(command)
        for _ in range(500):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return self
            time.sleep(0.01)
        self.__exit__()
        raise AssertionError(self.log.read_text())

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()
