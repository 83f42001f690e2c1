"""What every Streamlit server does before it listens, done once: the fork server of streamlit_server.py imports this.

Streamlit searches all installed packages for components at each start. Here it searches once, and remembers.
"""

import importlib

from streamlit.components.v2 import manifest_scanner

for _name in (
    "streamlit.web.cli",
    "streamlit.web.bootstrap",
    "streamlit.hello",
    "uvicorn.main",
    "uvicorn.protocols.http.h11_impl",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
    "uvicorn.lifespan.on",
    "websockets.server",
    "starlette.applications",
    "starlette.staticfiles",
):
    try:
        importlib.import_module(_name)
    except ImportError:  # another version has other parts; it is only slower then
        pass

_found = manifest_scanner.scan_component_manifests()
manifest_scanner.scan_component_manifests = lambda *_, **__: list(_found)
