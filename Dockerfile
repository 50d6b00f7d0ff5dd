# One image for the API service, the worker and, in compose.yaml, the Prefect server; scripts/docker-entrypoint.sh tells them apart.
#
#   DOCKER_BUILDKIT=1 docker build --tag test-execution-system .
#
# On a closed network: scripts/base-image.sh makes a base to name with --build-arg BASE_IMAGE=..., and
# --secret id=ca,src=FILE gives pip the certificates to trust; they stay out of the image.
ARG BASE_IMAGE=python:3.12-slim

FROM ${BASE_IMAGE} AS build
WORKDIR /src
RUN python3 -m venv /opt/tes
# The requirements change more rarely than the code: a layer of their own.
COPY requirements/image.txt requirements/
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=secret,id=ca \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    /opt/tes/bin/pip install --disable-pip-version-check --require-hashes --requirement requirements/image.txt
COPY . .
RUN /opt/tes/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
    && /opt/tes/bin/pip install --disable-pip-version-check --no-deps /dist/*.whl

FROM ${BASE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Test Execution System" \
      org.opencontainers.image.description="Takes a revision from source to production and back" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# A fixed number, so that a cluster can check that it is not root and volumes keep their owner.
RUN groupadd --gid 10001 tes \
    && useradd --uid 10001 --gid tes --home-dir /var/lib/tes --create-home --shell /usr/sbin/nologin tes
COPY --from=build /opt/tes /opt/tes
COPY --chmod=0755 scripts/docker-entrypoint.sh /usr/local/bin/tes-entrypoint
ENV PATH=/opt/tes/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TES_HOME=/var/lib/tes \
    DO_NOT_TRACK=1
USER 10001:10001
WORKDIR /var/lib/tes
VOLUME /var/lib/tes
EXPOSE 8000
# urllib raises on any answer from 400 up. Another role names its own address, or turns the check off.
ENV TES_HEALTH_URL=http://127.0.0.1:8000/healthz
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(os.environ['TES_HEALTH_URL'], timeout=2)"]
ENTRYPOINT ["tes-entrypoint"]
CMD ["service"]
