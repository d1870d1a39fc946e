"""Now: which version answers, since when, from which run and data; the gate's and the monitor's verdict; each part."""

from flask import Blueprint, render_template

from console.pages.parts import gateway, section, settings
from console.sources import health, registry
from console.sources.registry import Version
from steps import warehouse
from steps.cli.settings import MODEL_NAME
from steps.warehouse import Cutover, LoadedMonth, MonitorRun

blueprint = Blueprint("now", __name__)


@blueprint.get("/")
def page() -> str:
    state = health.check(settings(), gateway())
    live = state.live.body.get("serving") or {}
    version = section(lambda: version_of(live.get("version")))
    return render_template(
        "now.html",
        health=state,
        warnings=state.live.body.get("warnings") or [],
        live=live,
        version=version,
        cutover=section(newest_cutover),
        month=section(newest_load),
        monitor=section(newest_verdict),
    )


def version_of(number: object) -> Version | None:
    """The version that serves; where nothing does, the one in Production."""
    versions = registry.all_versions()
    by_number = {version.number: version for version in versions}
    return by_number.get(str(number)) or registry.serving(versions)


def newest_cutover() -> Cutover | None:
    return next(reversed(warehouse.cutovers(MODEL_NAME)), None)


def newest_load() -> LoadedMonth | None:
    return next(iter(warehouse.loads()), None)


def newest_verdict() -> MonitorRun | None:
    return next(iter(warehouse.monitor_runs()), None)
