# syntax=docker/dockerfile:1
# Superset with the project's dashboards: the packages that `make dashboards` installs and `make test-dashboards` tries.
#   docker build -f deploy/dashboards.Dockerfile -t kaltura-room-warehouse-dashboards:0.1.0 .
# Not Superset's own image: that lacks psycopg2, and what it holds beside is pinned nowhere.
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS packages
COPY locks/dashboards.txt /requirements.txt
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /requirements.txt

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="Kaltura room warehouse: dashboards" \
      org.opencontainers.image.description="Superset with five dashboards over the Kaltura room warehouse." \
      org.opencontainers.image.authors="The Kaltura room warehouse authors" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 kaltura \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/superset --shell /usr/sbin/nologin kaltura \
    && install --directory --owner=10001 --group=10001 --mode=0750 /var/lib/superset
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY dashboards/set_up.py dashboards/superset_config.py deploy/dashboards.sh ./
# DASHBOARDS_SECRETS is the folder where they are mounted.
# hadolint ignore=DL3064
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONWARNINGS=ignore \
    SUPERSET_HOME=/var/lib/superset \
    DASHBOARDS_SECRETS=/run/secrets \
    SUPERSET_CONFIG_PATH=/app/superset_config.py \
    FLASK_APP="superset.app:create_app()"
USER 10001:10001
VOLUME ["/var/lib/superset"]
EXPOSE 8088
CMD ["sh", "dashboards.sh"]
HEALTHCHECK --interval=30s --timeout=10s --start-period=180s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8088/health', timeout=5)"]
