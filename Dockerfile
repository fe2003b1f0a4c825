# One image for all four services; the command says which: python -m intake, sla_monitor, followup or metrics.

FROM python:3.12-slim AS builder
RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
RUN pip install --no-cache-dir --disable-pip-version-check 'uv>=0.9,<1'
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PROJECT_ENVIRONMENT=/opt/rapport
WORKDIR /src
COPY pyproject.toml uv.lock README.md ./
COPY shared shared
COPY services services
COPY devkit/pyproject.toml devkit/
ARG SERVICES="--package intake --package sla-monitor --package followup --package metrics"
RUN --mount=type=cache,target=/root/.cache/uv uv sync --frozen --no-dev --no-editable --python "$(command -v python)" $SERVICES
COPY deploy/compile.py deploy/
RUN --mount=type=cache,target=/root/.cache/uv UV_PROJECT_ENVIRONMENT=/opt/compile uv sync --frozen --only-group compile --python "$(command -v python)" \
    && /opt/compile/bin/python deploy/compile.py "$(/opt/rapport/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" /opt/rapport/bin/python

FROM python:3.12-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin rapport
COPY --from=builder /opt/rapport /opt/rapport
COPY deploy/ready.py /usr/local/lib/ready.py
ENV PATH=/opt/rapport/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 RAPPORT_HOST=0.0.0.0
USER 10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "/usr/local/lib/ready.py"]
CMD ["python", "-c", "raise SystemExit('say which service: python -m intake, sla_monitor, followup or metrics')"]
