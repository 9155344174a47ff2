"""What tests of remote data science share: a drive, a hospital and researchers, as real processes."""

import contextlib
import json

from course_lib.remote import walls
from course_lib.remote.parties import introduce, open_drive, start_machine
from system_parts import do_without

HOSPITAL, ADA, EVE = "hospital@clinic.example", "ada@university.example", "eve@elsewhere.example"
TABLE = "patient,age,days\n483920,71,12\n555555,44,3\n612345,86,9\n"
MOCK = "patient,age,days\n1,20,60\n2,99,1\n3,50,30\n"

COUNT = """
import json, syft
lines = open(syft.resolve_dataset_file_path("admissions")).read().splitlines()
with open("outputs/result.json", "w") as file:
    json.dump({"rows": len(lines) - 1}, file)
"""


@contextlib.contextmanager
def house(*researchers, encryption=True):
    """A drive, the hospital with its dataset (shared with Ada), and machines for `researchers`, its peers."""
    with contextlib.ExitStack() as stack:
        drive = open_drive([HOSPITAL, ADA, EVE])
        stack.callback(drive.stop)
        machines = [
            stack.enter_context(
                start_machine(email, owner=email == HOSPITAL, drive=drive, encryption=encryption)
            )
            for email in (HOSPITAL, *researchers)
        ]
        for researcher in machines[1:]:
            introduce(researcher, machines[0])
        machines[0].run(publish, TABLE, MOCK, ADA)
        yield drive, *machines


def publish(here, table, mock, reader):
    own = here.folder / "own"
    (own / "admissions.csv").write_text(table)
    (own / "mock.csv").write_text(mock)
    here.client.create_dataset(
        name="admissions", mock_path=own / "mock.csv", private_path=own / "admissions.csv", users=[reader]
    )


def approve(here, name, terms):
    here.desk.approve(here.desk.read(name), datasets=["admissions"], **terms)


def run_approved(here):
    here.client.sync()
    return here.desk.run()


def approve_and_run(here, name, terms):
    here.desk.approve(here.desk.read(name), datasets=["admissions"], **terms)
    here.client.sync()
    return here.desk.run()[name]


def log_of(here, name):
    return here.desk.runner.logs[name]


def processes_below(here):
    return here.desk.runner.count_processes()


def writes(result: object) -> str:
    """A job that writes this result."""
    return f"open('outputs/result.json', 'w').write({json.dumps(result)!r})"


def require_landlock() -> None:
    """Skip the test, or with CI=true fail it, where the system has no Landlock."""
    if walls.landlock_version() == 0:
        do_without("Landlock (Linux 5.13 or newer)")
