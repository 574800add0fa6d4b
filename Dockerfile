# The gateway as an image: `make image`, or `docker build .`, with podman and buildah just the same (docs/deployment.md).
#
# BASE     Debian 13 or newer; its own Python runs the gateway. For builds that are to repeat, name it by digest, and take a
#          newer one on purpose: --build-arg BASE=debian:trixie-slim@sha256:... (`docker buildx imagetools inspect
#          debian:trixie-slim` says which one it is today).
# BUILDER  what the first stage stands on, where building needs something that the image shall not have, such as the
#          certificate of a proxy or a pip.conf. The same Debian as BASE.
# EXTRAS   optional features, separated by commas: all, none, or their names.
ARG BASE=debian:trixie-slim
ARG BUILDER=${BASE}

FROM ${BUILDER} AS builder
# Sets are ordered by what Python hashes: with one seed two builds write the same byte-code.
ENV DEBIAN_FRONTEND=noninteractive PYTHONHASHSEED=0 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# hadolint ignore=DL3008
RUN apt-get update -q \
 && apt-get install -q -y --no-install-recommends ca-certificates gcc libc6-dev python3-dev python3-venv \
 && python3 -m venv /build/venv \
 && python3 -m venv --without-pip /opt/bearer-gateway
WORKDIR /build
COPY requirements-extras.txt requirements-build.txt ./
# hadolint ignore=DL3013
RUN venv/bin/pip install --no-deps --require-hashes -r requirements-build.txt \
 && venv/bin/pip --python /opt/bearer-gateway install --no-compile --no-deps --require-hashes \
    --report installed.json -r requirements-extras.txt
COPY . .
ARG EXTRAS=all
# A wheel in which nothing is compiled has another name: the build ends there.
RUN venv/bin/hatchling build -t wheel -d dist \
 && venv/bin/pip --python /opt/bearer-gateway install --no-compile --no-deps dist/bearer_gateway-*-cp3*.whl \
 && venv/bin/python deploy/image/trim.py /opt/bearer-gateway --extras "${EXTRAS}" --report installed.json


FROM ${BASE}
ARG BASE
ARG VERSION=0.1.0
ARG REVISION=""
LABEL org.opencontainers.image.title="Bearer Gateway" \
      org.opencontainers.image.description="An authenticating reverse proxy that lets only access tokens meant for your API through" \
      org.opencontainers.image.source="https://github.com/bearer-gateway/bearer-gateway" \
      org.opencontainers.image.documentation="https://github.com/bearer-gateway/bearer-gateway/blob/main/docs/deployment.md" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"
# What apt and dpkg write beside the packages says when it was, so it goes. Byte-code is made anew in a form that does not
# ask how old its source is: the root file system is read-only, and nobody could write a better one. No program lends
# anybody rights (setuid).
# hadolint ignore=DL3008
RUN apt-get update -q \
 && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends ca-certificates python3 \
 && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
 && find / -xdev -name __pycache__ -prune -exec rm -rf {} + \
 && library="$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
 && rm -rf "$library/ensurepip" "$library/idlelib" "$library/pydoc_data" "$library/test" "$library/tkinter" \
    "$library/turtledemo" /usr/bin/pydoc* \
 && PYTHONHASHSEED=0 python3 -m compileall -q -f --invalidation-mode unchecked-hash "$library" \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/cache/ldconfig/* /var/lib/dpkg/*-old \
    /var/log/apt /var/log/alternatives.log /var/log/bootstrap.log /var/log/dpkg.log /root/.cache
COPY --from=builder /opt/bearer-gateway /opt/bearer-gateway
COPY deploy/image/gateway.yaml /etc/bearer-gateway/gateway.yaml
ENV PATH=/opt/bearer-gateway/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    GATEWAY_CONFIG=/etc/bearer-gateway/gateway.yaml \
    PYTHONDONTWRITEBYTECODE=1
# It has started once, or there is no image: a BUILDER that does not fit its BASE ends here.
RUN ["bearer-gateway", "--version"]
USER 65532:65532
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
# Docker's; Kubernetes has probes of its own.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["bearer-gateway", "health"]
ENTRYPOINT ["bearer-gateway"]
CMD ["serve"]
