"""Run by the parser's own Python: read notices (files named here), print what it makes of them as JSON."""

import json
import sys
from pathlib import Path


def read(path: Path) -> list[dict[str, object]]:
    # Imported here: this environment does not have it, and pytest imports every file.
    from circuit_maintenance_parser import NotificationData, init_provider

    raw = path.read_bytes()
    if path.suffix == ".eml":
        data = NotificationData.init_from_email_bytes(raw)
    else:
        data = NotificationData.init_from_raw("ical", raw)
    return [json.loads(maintenance.to_json()) for maintenance in init_provider().get_maintenances(data)]


if __name__ == "__main__":
    json.dump({path.name: read(path) for path in map(Path, sys.argv[1:])}, sys.stdout)
