# kpolicy as an image: slim, no root, nothing to write, the same bytes from the same sources.
#
#   docker build --build-arg SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) -t kpolicy .
#   docker run --rm --read-only --network none -v "$PWD:/work:ro" kpolicy scan .
#
# For a build that can be repeated, pin PYTHON to a digest: python:3.13-slim@sha256:...
ARG PYTHON=python:3.13-slim

FROM ${PYTHON} AS build
ARG SOURCE_DATE_EPOCH=0
ENV SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH} PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY policies policies
COPY kpolicy kpolicy
# Bytecode is made once, here, and checked by content: the image's files cannot be written later.
RUN python -m venv /opt/kpolicy \
    && /opt/kpolicy/bin/pip install --no-compile . \
    && /opt/kpolicy/bin/pip uninstall --yes pip \
    && python -m compileall -q --invalidation-mode unchecked-hash /opt/kpolicy/lib

FROM ${PYTHON}
# git reads the base of a comparison. Its version is that of the pinned base image's distribution.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --no-install-recommends --yes git \
    && rm -rf /var/lib/apt/lists/* /var/log/* /var/cache/* \
    && git config --system --add safe.directory '*'
COPY --from=build /opt/kpolicy /opt/kpolicy
# Nothing is kept between runs, unless a directory is mounted and named here.
ENV PATH=/opt/kpolicy/bin:$PATH PYTHONDONTWRITEBYTECODE=1 KPOLICY_CACHE_DIR=""
USER 65532:65532
WORKDIR /work
ENTRYPOINT ["kpolicy"]
CMD ["scan", "."]
