#!/bin/sh
# Superset's own database brought up to date, the bundle in it, and Superset: what its container runs.
set -eu
cd "$(dirname "$SUPERSET_CONFIG_PATH")"
python set_up.py "$SUPERSET_HOME/bundle.zip"
exec gunicorn --bind 0.0.0.0:8088 --workers 1 --worker-class gthread --threads 8 --timeout 120 'superset.app:create_app()'
