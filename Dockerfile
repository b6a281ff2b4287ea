# The image of gitops-bridge: what build Jobs run to fetch a model or append it, and the command
# line for CI. Non-root; needs no writable root file system, only the volumes it is given.
# How to build and push it: docs/how-to/build-the-bridge-image.md

ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/gitops-bridge
COPY . /source
RUN /opt/gitops-bridge/bin/pip install --require-hashes --only-binary=:all: -r /source/image.lock \
 && /opt/gitops-bridge/bin/pip install --no-deps --no-index --no-build-isolation /source \
 && /opt/gitops-bridge/bin/pip uninstall --yes \
      hatchling hatch-fancy-pypi-readme pathspec pluggy tomlkit trove-classifiers \
 && /opt/gitops-bridge/bin/pip uninstall --yes pip \
 && /opt/gitops-bridge/bin/python -m compileall -q /opt/gitops-bridge/lib

FROM ${PYTHON_IMAGE}
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates git openssh-client \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 65532 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin bridge
COPY --from=build /opt/gitops-bridge /opt/gitops-bridge
ENV PATH=/opt/gitops-bridge/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["gitops-bridge"]
CMD ["--help"]
