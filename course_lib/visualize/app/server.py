"""From a notebook: start the app as a process, say where it is, show it.

Promises that the app answers when `start_app` returns, and that it ends when it is stopped, dropped, or when
the notebook's kernel ends. On JupyterHub and Binder the address leads through jupyter-server-proxy.
"""

from collections.abc import Mapping
from urllib.parse import urlencode

from IPython.display import IFrame

from course_lib.i18n import _, language
from course_lib.processes import ServerProcess, start_server


def start_app(*, port: int | None = None) -> ServerProcess:
    """Start the app, print its address and the command that starts it in a terminal, and return it.

    `port` is a free one unless given. It speaks the notebook's language to those who choose no other. Keep
    the returned object: when it is dropped, the app is stopped. Raises RuntimeError where it does not start.

    >>> with start_app() as app:  # doctest: +ELLIPSIS
    ...     app.running
    The app: http://...
    In a terminal: course app
    True
    """
    app = start_server(
        ["-m", "course_lib.visualize.app.run"],
        name=_("the app"),
        ready_path="/_stcore/health",
        port=port,
        env={"COURSE_LANG": language()},
    )
    print(_("The app: {address}").format(address=app_address(app)))
    print(_("In a terminal: {command}").format(command="course app"))
    return app


def app_address(app: ServerProcess, *, query: Mapping[str, str] | None = None) -> str:
    """The address for the reader's browser, in the notebook's language, with the choices in `query`.

    >>> from types import SimpleNamespace
    >>> app_address(SimpleNamespace(browser_url="/user/ada/proxy/8501"), query={"data": "wine"})
    '/user/ada/proxy/8501/?lang=en&data=wine'
    """
    # With the slash at the end, since the page looks for its parts below its own address.
    return f"{app.browser_url}/?{urlencode({'lang': language(), **(query or {})})}"


def show_app(app: ServerProcess, *, height: int = 800, query: Mapping[str, str] | None = None) -> IFrame:
    """The app inside the notebook, `height` pixels high.

    >>> from types import SimpleNamespace
    >>> show_app(SimpleNamespace(browser_url="http://127.0.0.1:8501")).src
    'http://127.0.0.1:8501/?lang=en'
    """
    return IFrame(app_address(app, query=query), width="100%", height=height)
