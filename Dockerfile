# The project with its tap and its loaders installed, run by a user without rights:
#
#   docker build --tag qonto .
#   docker run --rm qonto                          # the made-up company, into a file in the container
#   docker run --rm --env-file .env --volume qonto:/project/output qonto \
#     --environment=prod run tap-qonto target-duckdb
#
# Tables, documents and state lie in one volume. MELTANO_STATE_BACKEND_URI puts the state elsewhere.
FROM python:3.13-slim-bookworm

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PROJECT_ENVIRONMENT=/opt/qonto

RUN python -m pip install --no-cache-dir "uv==0.13.*" \
    && useradd --uid 1000 --create-home qonto \
    && install --directory --owner=qonto --group=qonto /project /opt/qonto

USER qonto
WORKDIR /project

# What changes rarely first, so that a change of the tap does not install everything again.
COPY --chown=qonto:qonto pyproject.toml uv.lock hatch_build.py README.md LICENSE ./
RUN uv sync --locked --no-default-groups --group deploy --no-install-project

COPY --chown=qonto:qonto meltano.yml ./
COPY --chown=qonto:qonto tap_qonto ./tap_qonto
RUN mkdir --parents output/state \
    && uv sync --locked --no-default-groups --group deploy \
    && /opt/qonto/bin/meltano install

ENV PATH="/opt/qonto/bin:$PATH" \
    MELTANO_STATE_BACKEND_URI=file:///project/output/state
VOLUME ["/project/output"]
ENTRYPOINT ["meltano"]
CMD ["run", "tap-qonto", "target-duckdb"]
