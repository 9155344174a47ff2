# %% [markdown]
# # Remote data science: the code travels, the data stay
#
# A hospital has a table of patients. A researcher has a question about them. The table may not leave the house.
# So the question goes there: as code, which a person at the hospital reads before it runs.
#
# After this lesson you will be able to
#
# - publish a mock of a private table by a rule that can give nothing away;
# - submit, review, approve, reject and run a job with PySyft, from both sides;
# - say what a review can't see, and smuggle a patient's number past one;
# - give out answers that are differentially private, from a budget that refuses when it is spent;
# - say which walls stand around a running job, and which don't.
#
# **Time:** about 40 minutes to read; the cells run in less than a minute. **Memory:** under 1 GB, all processes
# included. **Needs** Linux or macOS (on Windows: WSL or Binder); no account, no network.
#
# ## Who trusts whom with what
#
# | | the researcher | the hospital | the store between them |
# |---|---|---|---|
# | has | a question, written as code | the table | what the two send each other |
# | sees | the mock, the results | the table, the code | the mock; who writes to whom, when, how much |
# | should not learn | a patient's row | (the question is no secret) | a row, a result, the code |
#
# The researcher may be curious, and clever. The hospital trusts its own staff and its own Python packages. The store
# passes on what it is handed, and reads it if it can.

# %% tags=["imports"]
import base64
import io
import json
import tarfile

import numpy as np

from course_lib.exercises import check
from course_lib.figures import show
from course_lib.i18n import _, number
from course_lib.remote import pictures
from course_lib.remote.admissions import DICTIONARY
from course_lib.remote.parties import MachineError, introduce, open_drive, start_machine

# %% [markdown]
# ## Two machines and a store
#
# PySyft 0.10 lets two parties exchange files through a folder in Google Drive. That needs two Google accounts, so here a
# small process stands in for the store: it checks who asks, as the real one does, but it runs on your machine and is gone
# when you stop it. The rest is PySyft as it is.
#
# The hospital and Ada, the researcher, are processes of their own, each with its own folder and its own memory. With
# `hospital.run(function)` you have a function run *over there*; its first argument `here` is that machine, and what it
# returns comes back. It knows nothing of this notebook. So whenever a cell says `hospital.run`, you sit at the
# hospital's desk, and with `ada.run` you are Ada.
#
# At the end of the cell Ada asks to be the hospital's *peer*, and the hospital agrees. From then on, what they send each other is
# encrypted and signed.

# %%
HOSPITAL, ADA, EVE = "hospital@clinic.example", "ada@university.example", "eve@elsewhere.example"
store = open_drive([HOSPITAL, ADA, EVE])
hospital = start_machine(HOSPITAL, owner=True, drive=store)
ada = start_machine(ADA, owner=False, drive=store)
introduce(ada, hospital)
print(f"{hospital=}\n{ada=}")

# %% [markdown]
# ## The private table
#
# The hospital makes its table (in its own process; the model behind it is ours, so no real patient is in it). There are 6,000
# patients. You see three rows on the hospital's screen, and what they are there for: whether a patient stays more
# than a week depends on age, on how they came in, and on how often they were here before.


# %%
def make_table(here):
    from course_lib.remote.admissions import make_admissions

    table = make_admissions(6000, seed=11)
    table.to_csv(here.folder / "own" / "admissions.csv", index=False)
    return table.head(3).to_string(index=False)


print(hospital.run(make_table))

# %% [markdown]
# ## A mock that gives nothing away
#
# To write code for a table, Ada needs one that looks like it. A few real rows would be real patients; rows with some
# noise on them would still be somebody's. Our rule is stricter: **the mock never sees the table.** The hospital publishes
# a dictionary, which says what values each column may hold, and each value of the mock is drawn from it, by itself. So it has
# the right names, types and ranges, and no other truth: neither the averages nor what depends on what.
#
# ### Exercise 1
#
# Write the rule. `dictionary` maps a column's name to an array of the values that may stand there; return a dictionary of
# drawn arrays with `rows` values each.


# %% tags=["exercise"]
def draw_mock(dictionary, rows, random):
    ### BEGIN SOLUTION
    return {name: random.choice(values, size=rows) for name, values in dictionary.items()}
    ### END SOLUTION


check("remote_data_science.draw_mock", draw_mock)

# %% [markdown]
# Now the hospital publishes. In PySyft a **dataset** has two sides: the mock, which is sent to those it is shared
# with, and the private file, which stays. Ada fetches what is new and looks around: the last line is how many
# private files she finds.


# %%
def publish(here, users):
    from course_lib.remote.admissions import make_mock

    own = here.folder / "own"
    make_mock(2000, seed=12).to_csv(own / "mock.csv", index=False)
    here.client.create_dataset(
        name="admissions",
        mock_path=own / "mock.csv",
        private_path=own / "admissions.csv",
        summary="One row for each patient of the last year",
        users=users,
    )


def explore(here, owner):
    import pandas as pd

    dataset = here.client.datasets.get("admissions", datasite=owner)
    mock = pd.read_csv(dataset.mock_files[0])
    private = list(here.client.syftbox_folder.rglob("private/syft_datasets/**/*.csv"))
    return f"{dataset.summary}\n{mock.head(3).to_string(index=False)}\n{len(private)}"


hospital.run(publish, [ADA])
print(ada.run(explore, HOSPITAL))

# %% [markdown]
# ## A job
#
# Ada wants to know how long patients stay, by age and by how they came in. A **job** is a Python file. `syft.resolve_dataset_file_path`
# finds the mock when Ada runs it, and the private table when the hospital does: the same code for both. What is to
# leave is written into `outputs`; the desk at our hospital lets out one file, `result.json`.
#
# She tries it on the mock. The answer is nonsense, as it should be: everybody stays for 30 days, whatever their age. But it tells
# her that the code runs. Then she hands it in.

# %%
STAYS = """
import json
import pandas as pd
import syft

table = pd.read_csv(syft.resolve_dataset_file_path("admissions"))
table["group"] = pd.cut(table["age"], [0, 40, 55, 70, 85, 100], labels=["18-40", "41-55", "56-70", "71-85", "86+"])
answer = {}
for kind, part in {"planned": table[table["emergency"] == 0], "emergency": table[table["emergency"] == 1]}.items():
    answer[kind] = part.groupby("group", observed=False)["days"].mean().round(1).to_dict()
with open("outputs/result.json", "w") as file:
    json.dump(answer, file)
"""


def try_and_hand_in(here, owner, name, code):
    from course_lib.remote.research import hand_in, try_on_mock

    on_mock = try_on_mock(here.client, owner, code)
    hand_in(here.client, owner, name, code)
    return on_mock


on_mock = ada.run(try_and_hand_in, HOSPITAL, "stays", STAYS)
print(on_mock["emergency"])

# %% [markdown]
# ## The review
#
# At the hospital, somebody reads. Not only the one file that PySyft shows as `job.code`, but everything that was
# submitted: `run.sh` is the script that PySyft's own runner would start, and it too was written by Ada's client. It would build an
# environment for Python 3.12 with `uv`, for which it needs the network. Our desk ignores it and runs
# the code with the hospital's own Python and packages: it needs no network, and no package comes along that
# nobody reviewed.

# %%
def review(here, name):
    submission = here.desk.read(name)
    return {"from": submission.researcher, "digest": submission.digest, "files": submission.files}


read = hospital.run(review, "stays")
print(read["from"], list(read["files"]))
print(read["files"]["run.sh"])

# %% [markdown]
# The code reads one dataset, computes ten means over large groups, and writes nothing else. The reviewer approves, the hospital
# runs, Ada fetches. Two things are worth a look in `approve`: the approval is for *this* submission, by its digest (why, we
# shall see), and it names the dataset and how many seconds the job may take.


# %%
def approve_and_run(here, name, terms):
    submission = here.desk.read(name)
    here.desk.approve(submission, datasets=["admissions"], **terms)
    return here.desk.run()


def fetch_result(here, name):
    from course_lib.remote.research import fetch

    return fetch(here.client, name)


print(hospital.run(approve_and_run, "stays", {"seconds": 30}))
answer = ada.run(fetch_result, "stays")
print(answer["status"])
show(
    pictures.draw_answers(on_mock, answer["result"]),
    alt=_("Two charts: on the mock, stays of 30 days at every age; on the private table, 3 to 13 days, rising with age."),
)

# %% [markdown]
# ## Prove it to yourself
#
# What has left the house? We look for four things in three places: a row of the private table, the mock, the code,
# and the result. We look into Ada's whole folder, and into everything that lies in the store, as its operator could.
# (Messages there are packed; we unpack what can be unpacked.)
#
# The store can read the mock, which PySyft does not encrypt, and nothing else. Without encryption it could read
# code and results too; and PySyft's own `login` leaves it off in this version.

# %%
def traces(here):
    from course_lib.remote.admissions import make_admissions

    row = ",".join(map(str, make_admissions(6000, seed=11).iloc[0]))
    return {"row": row, "files": [str(path) for path in here.folder.rglob("*") if path.is_file()]}


def read_everything(here):
    files = [path for path in here.folder.rglob("*") if path.is_file()]
    return "\n".join(path.read_bytes().decode("latin-1") for path in files)


def unpack(content):
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            return b"".join(archive.extractfile(member).read() for member in archive)
    except tarfile.TarError:
        return content


in_store = [unpack(base64.b64decode(file["content"])) for file in store.everything()]
places = {
    _("the hospital"): hospital.run(read_everything),
    "Ada": ada.run(read_everything),
    _("the store"): b"\n".join(in_store).decode("latin-1"),
}
