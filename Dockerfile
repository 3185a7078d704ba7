# Image of the app. TORCH_INDEX is the address of PyTorch's index for processors, or for a version of CUDA, as its page
# "Get started" names it; without it torch is the one of pip's own index, on Linux that for NVIDIA cards (some 5 GB).
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
ARG TORCH_INDEX=
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/distillery/bin:$PATH
WORKDIR /source
RUN python -m venv /opt/distillery
# In a layer of its own, which is built again only where a requirement has changed.
COPY requirements.txt ./
RUN grep -E '^torch(vision)?>' requirements.txt > torch.txt \
    && pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} -r torch.txt \
    && pip install -r requirements.txt
COPY pyproject.toml README.md LICENSE CHANGELOG.md app.py ./
COPY .streamlit/config.toml .streamlit/config.toml
COPY static/.gitignore static/.gitignore
COPY kd_core kd_core
COPY pages pages
# The browser files are written now, since the user of the image may not write there. With -P Python finds the package
# where it is installed, and not in this folder.
RUN pip install --no-deps . \
    && cd "$(python -P -c 'from kd_core.cli.operations.app import app_file; print(app_file().parent)')" \
    && python -c 'from pathlib import Path; from pages.ui import components; components.publish(Path("static").absolute())' \
    && pip uninstall --yes pip

FROM python:${PYTHON}-slim
COPY --from=build /opt/distillery /opt/distillery
RUN useradd --uid 10001 --create-home distillery && mkdir /data && chown distillery /data
USER distillery
WORKDIR /home/distillery
# Without its welcome Streamlit does not ask another server for the address of this machine.
ENV PATH=/opt/distillery/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DISTILLERY_DATA=/data \
    DISTILLERY_LOG=json \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0 \
    STREAMLIT_LOGGER_HIDE_WELCOME_MESSAGE=true
VOLUME /data
EXPOSE 8501
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; from kd_core.cli.operations.app import health_address; urllib.request.urlopen(health_address(8501), timeout=4)"]
ENTRYPOINT ["distillery"]
CMD ["app"]
