# Any image with python3 >= 3.11, its venv module, and a shell.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
WORKDIR /src
RUN python3 -m venv /build && python3 -m venv --without-pip /app
# The dependencies, a layer that only a change of pyproject.toml makes anew.
COPY pyproject.toml ./
RUN python3 -c "import tomllib; told = tomllib.load(open('pyproject.toml', 'rb')); \
print(*told['project']['dependencies'], sep='\n', file=open('/build/app.txt', 'w')); \
print(*told['build-system']['requires'], sep='\n', file=open('/build/tools.txt', 'w'))" \
 && /build/bin/pip install --no-cache-dir -r /build/tools.txt \
 && /build/bin/pip --python /app/bin/python install --no-cache-dir -r /build/app.txt
COPY README.md LICENSE ./
COPY operator operator
RUN /build/bin/pip wheel --no-deps --no-build-isolation -w /build/dist . \
 && /build/bin/pip --python /app/bin/python install --no-cache-dir --no-deps /build/dist/*.whl

FROM ${BASE}
LABEL org.opencontainers.image.title=rampguard org.opencontainers.image.licenses=Apache-2.0
# What the base brings for building has no use at run time.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/pip* \
    /usr/local/lib/python3*/ensurepip /usr/bin/pip* /usr/lib/python3/dist-packages/pip*
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/app/bin/python", "-m", "rampguard"]
