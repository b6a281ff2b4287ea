"""How the append builder does beside the least a Kaniko build must do with the same input.

    python bench/append.py [--model 2G] [--base 4G] [--folder DIR]

A registry is started on loopback and a base image of the stated size (unpacked, about half of that
compressed) is put there. Then, in this one run: the model is appended in a process of its own; and
the base's layers are unpacked and the model is compressed twice (once for the digest, once for the
upload), which any builder that unpacks its base does at least. Needs docker-registry, htpasswd,
openssl, tar and gzip, and free disk for three times both sizes. Prints a table, asserts nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from gitops_bridge.images.append import Recipe, append  # noqa: E402
from gitops_bridge.images.layer import describe  # noqa: E402
from gitops_bridge.registry.access import Access  # noqa: E402
from gitops_bridge.registry.client import MANIFESTS, Registry  # noqa: E402
from gitops_bridge.registry.credentials import keychain  # noqa: E402
from tests.servers import registry as servers  # noqa: E402 - found through the line above

MIB = 1 << 20
LAYERS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=size, default=size("2G"))
    parser.add_argument("--base", type=size, default=size("4G"))
    parser.add_argument("--folder", type=Path, help="where to work; default: the temporary folder")
    parser.add_argument("--worker", nargs=2, metavar=("HOST", "MODEL"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        return worker(*given.worker)
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        compare(Path(name), given.model, given.base)
    return None


def compare(folder: Path, model_size: int, base_size: int) -> None:
    model = folder / "model.mlpkg"
    with model.open("wb") as target:  # packages are zips: random bytes compress as little
        for _ in range(model_size // MIB):
            target.write(os.urandom(MIB))
    layers = make_layers(folder, base_size)
    with servers.serve(folder / "registry") as running:
        with client() as registry:
            put_base(registry, running.host, layers)
        done = subprocess.run(
            [sys.executable, __file__, "--worker", running.host, str(model)],
            check=True, capture_output=True,
        )  # fmt: skip
    appended = json.loads(done.stdout)
    unpacking = timed(lambda: unpack(layers, folder / "unpacked"))
    compressing = sum(timed(lambda: compress(model)) for _ in range(2))
    packed = sum(layer.stat().st_size for layer in layers)
    print(f"model {model_size / MIB:.0f} MiB, base {base_size / MIB:.0f} MiB "
          f"({packed / MIB:.0f} MiB compressed), {os.cpu_count()} CPUs\n")  # fmt: skip
    print(f"append                     {appended['seconds']:8.1f} s")
    print(f"unpack the base            {unpacking:8.1f} s")
    print(f"gzip -1 the model twice    {compressing:8.1f} s\n")
    over = appended["sent"] / appended["layer"] - 1
    faster = (unpacking + compressing) / appended["seconds"]
    report("bytes sent beyond the layer", "<= 1 %", f"{over:.4%}", abs(over) <= 0.01)
    report("peak memory", "< 200 MB", f"{appended['rss'] / 1e6:.0f} MB", appended["rss"] < 200e6)
    report("times faster", ">= 5", f"{faster:.1f}", faster >= 5)


def report(what: str, target: str, measured: str, met: bool) -> None:
    print(f"{what:28} target {target:>9}   measured {measured:>9}   {'MET' if met else 'MISSED'}")


def worker(host: str, model: str) -> None:
    """Append in this process; seconds, bytes sent (all of HTTP) and peak memory as JSON."""
    sent = 0
    send = http.client.HTTPConnection.send

    def counted(self: http.client.HTTPConnection, data: bytes) -> None:
        nonlocal sent
        sent += len(data)
        send(self, data)

    http.client.HTTPConnection.send = counted  # type: ignore[method-assign]
    recipe = Recipe(f"{host}/datarobot/pps:11.1.0", f"{host}/mlops/models:bench", "key", {})
    started = time.perf_counter()
    with client() as registry:
        append(registry, recipe, Path(model))
    seconds = time.perf_counter() - started
    # Not ru_maxrss: that one starts from what the parent had at its peak.
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
    layer = len(describe(Path(model), "model.mlpkg"))
    print(json.dumps({"seconds": seconds, "sent": sent, "rss": peak, "layer": layer}))


def client() -> Registry:
    return Registry(keychain(None, ""), Access())


def make_layers(folder: Path, total: int) -> list[Path]:
    """Compressed layers of files that compress to about a half, as an image's do."""
    layers = []
    for number in range(LAYERS):
        content = folder / f"content-{number}"
        content.mkdir()
        for index in range(total // LAYERS // MIB):
            (content / f"file-{index}").write_bytes(os.urandom(MIB // 2) + b"text" * (MIB // 8))
        layers.append(folder / f"layer-{number}.tar.gz")
        run("tar", "-C", content, "-I", "gzip -1", "-cf", layers[-1], ".")
        run("rm", "-r", content)
    return layers


def put_base(registry: Registry, host: str, layers: list[Path]) -> None:
    repository = f"{host}/datarobot/pps"
    described = []
    for layer in layers:
        content = layer.read_bytes()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        registry.push_blob(repository, digest, content)
        media_type = "application/vnd.oci.image.layer.v1.tar+gzip"
        described.append({"mediaType": media_type, "digest": digest, "size": len(content)})
    unknown = [layer["digest"] for layer in described]  # nobody unpacks this image
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": unknown}}
    ).encode()
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    registry.push_blob(repository, digest, config)
    media_type = "application/vnd.oci.image.config.v1+json"
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFESTS[0],
        "config": {"mediaType": media_type, "digest": digest, "size": len(config)},
        "layers": described,
    }
    registry.put_manifest(f"{repository}:11.1.0", json.dumps(manifest).encode(), MANIFESTS[0])


def unpack(layers: list[Path], target: Path) -> None:
    target.mkdir()
    for layer in layers:
        run("tar", "-C", target, "--overwrite", "--transform", f"s,^,{layer.stem}/,", "-xzf", layer)


def compress(model: Path) -> None:
    with open(os.devnull, "wb") as nowhere:
        subprocess.run(["gzip", "-1", "-c", str(model)], stdout=nowhere, check=True)


def run(*program: object) -> None:
    subprocess.run([str(part) for part in program], check=True)


def timed(task: Callable[[], None]) -> float:
    started = time.perf_counter()
    task()
    return time.perf_counter() - started


def size(text: str) -> int:
    """Bytes in `2G` or `500M`."""
    return int(text[:-1]) * {"M": MIB, "G": MIB << 10}[text[-1]]


if __name__ == "__main__":
    main()
