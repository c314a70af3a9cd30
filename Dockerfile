# Two stages: the first builds the wheel and installs it with the locked run-time dependencies, the second holds only that.
FROM python:3.13-slim AS build
WORKDIR /source
RUN python -m venv /build && python -m venv /opt/runner-diagnostics
COPY requirements/build.lock requirements/runtime.lock requirements/
RUN /build/bin/pip install --no-cache-dir --require-hashes --requirement requirements/build.lock \
 && /opt/runner-diagnostics/bin/pip install --no-cache-dir --require-hashes --requirement requirements/runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY app app
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
 && /opt/runner-diagnostics/bin/pip install --no-cache-dir --no-deps /wheel/*.whl

FROM python:3.13-slim
RUN useradd --system --no-create-home --shell /usr/sbin/nologin runner-diagnostics
COPY --from=build /opt/runner-diagnostics /opt/runner-diagnostics
ENV PATH="/opt/runner-diagnostics/bin:$PATH" PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER runner-diagnostics
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/livez', timeout=2)"]
CMD ["runner-diagnostics", "serve", "--host", "0.0.0.0", "--port", "8000"]
