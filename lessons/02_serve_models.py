# %% [markdown]
# # Serve a model, and watch it
#
# A model that stands in a notebook helps nobody. In this lesson it becomes a service: it is trained in a way that can
# be looked up later, kept in a registry, answers over HTTP, is exchanged while people ask, and raises an alarm when
# the world no longer looks as it did in training.
#
# After this lesson you will be able to
#
# - log training runs on an MLflow server, compare them, and register the best models under an alias;
# - serve a model with MLflow, and with a FastAPI service of your own, and call both;
# - exchange the model of a running service without losing a request, and take the exchange back;
# - watch a service with Prometheus metrics, and say when and why a drift alarm rises;
# - say why a model file from somewhere else may be a program, and what to load instead.
#
# **Time:** about 45 minutes to read; the cells run in less than two minutes. **Memory:** under 1.5 GB, all servers
# included.
#
# ## Who trusts whom with what
#
# | | who trains | the tracking server | the service | who asks |
# |---|---|---|---|---|
# | has | the training data | runs, models, aliases | the champion, with the training wines inside an SVR; the newest 200 wines | their own wines |
# | sees | all of it | parameters, errors, two example rows, the distribution of each measurement and, inside the SVR, about two thirds of the training wines | every question and answer, in the clear | the answers, the model's version |
# | is trusted | to be honest about the errors | not to exchange a model for another one | not to keep or pass on the questions | with nothing |
#
# Nothing is encrypted here. Whoever runs the service reads every question, and whoever may write to the tracking
# server decides what everybody is answered. The rest of the course is about doing with less trust than that.

# %% tags=["imports"]
import os
import sys
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

# MLflow reports how it is used unless it is told not to; the other settings keep the notebook quiet.
os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_LOGGING_LEVEL": "ERROR"}
os.environ |= {"MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}
os.environ |= {"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from sklearn.model_selection import KFold, cross_val_predict
from tqdm import tqdm

from course_lib.exercises import check
from course_lib.figures import show
from course_lib.i18n import _
from course_lib.serving import pictures
from course_lib.serving.reference import Reference
from course_lib.serving.runs import REQUIREMENTS, elastic_net, errors, split_wines, support_vectors
from course_lib.serving.tracking import start_tracking_server

# %% [markdown]
# ## By hand: how wrong is a model?
#
# Our model reads eleven laboratory measurements of a red wine and predicts the quality that tasters gave it, from 3
# to 8. Say the tasters gave 5, 6, 7, 6, and a model predicts 5, 6, 6, 6. It is wrong once, by one point.
#
# - **MAE**, the mean absolute error: $(0 + 0 + 1 + 0) / 4 = 0.25$.
# - **RMSE**, the root of the mean squared error: $\sqrt{(0 + 0 + 1 + 0) / 4} = 0.5$. Large errors weigh more.
# - **R²**, the share of the variance that is explained: compare with someone who always answers the mean, 6. Their
#   squared errors add up to $1 + 0 + 1 + 0 = 2$, the model's to 1. So $R^2 = 1 - 1/2 = 0.5$.
#
# ### Exercise 1
#
# Write R². `y` and `predicted` are arrays of equal length.


# %% tags=["exercise"]
def r_squared(y, predicted):
    ### BEGIN SOLUTION
    return 1 - ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    ### END SOLUTION


check("serve_models.r_squared", r_squared)

# %% [markdown]
# ## A tracking server
#
# Four programs take part. Training hands its runs and models to the tracking server. From then on nobody is asked:
# the service fetches the model that is called champion, and Prometheus fetches the service's metrics. (In this
# notebook we read the metrics ourselves; Prometheus runs in our tests.)
#
# Next month somebody will ask: *which data, which parameters, which version of scikit-learn was that?* A **tracking
# server** keeps the answer. We start MLflow's own, with its runs in SQLite and its files in a folder. The first line
# that is printed is what you would type in a terminal, the second the address of MLflow's own pages: open it, and
# look again after each step. (The start takes ten seconds or more: a new database is built.)
#
# Then the wines. 240 of the 1,599 rows repeat an earlier one. We take the copies out *before* we split: with one copy
# on each side, the test would reward a model for its memory. 1,087 wines are for training, and 272 are put away for
# one last look.

# %% tags=["nbval-ignore-output", "reason:machine"]
show(
    pictures.draw_parts(),
    alt=_(
        "Training sends runs and models to the tracking server; the service takes the champion from it, answers people, and shows its metrics to Prometheus."
    ),
)

tracking = start_tracking_server()
mlflow.set_tracking_uri(tracking.uri)
experiment = mlflow.set_experiment("/wine")
print(tracking.command)
print(tracking.page(experiment.experiment_id))

# %% [markdown]
# ## A run
#
# A **run** is one training: its parameters, its errors, its model. The errors come from five-fold cross-validation:
# five times, four fifths of the training wines fit a model, and the last fifth is predicted. The model that we keep
# is then fitted to all training wines. With it we store
#
# - its **signature**: the names and types of the columns that it needs, so that a server can refuse others;
# - an **input example**, with which anybody can try it;
# - its **requirements**, exact versions. MLflow would find them out by itself, but that takes it many seconds for
#   each run;
# - a **reference**: how each measurement is distributed among the training wines. We need it for the alarm.
#
# The first family is the **elastic net**: a weighted sum of the eleven measurements, which is punished for large
# weights. `alpha` says how hard. `l1_ratio` says how: near 0 all weights shrink a little, near 1 some become exactly
# zero. Which values are good? We try 25 pairs, and log a run for each.
#
# Then we ask the server. Table and figure are drawn from its answer, not from our variables: a colleague on another
# machine would see the same. On MLflow's page you find both when you choose the runs and press *Compare*.


# %%
def log_run(model, wines, reference):
    with mlflow.start_run(), TemporaryDirectory() as folder:
        mlflow.log_params({"family": type(model[-1]).__name__, **model[-1].get_params()})
        folds = KFold(5, shuffle=True, random_state=0)
        predicted = cross_val_predict(model, wines.x_train, wines.y_train, cv=folds)
        mlflow.log_metrics(errors(wines.y_train, predicted))
        model.fit(wines.x_train, wines.y_train)
        reference_file = Path(folder, "reference.json")
        reference_file.write_text(reference.to_json(), encoding="utf-8")
        logged = mlflow.sklearn.log_model(
            model,
            name="model",
            serialization_format="skops",
            signature=infer_signature(wines.x_train, predicted),
            input_example=wines.x_train.head(2),
            pip_requirements=REQUIREMENTS,
            extra_files=[str(reference_file)],
        )
        mlflow.set_tag("model_id", logged.model_id)
    return logged.model_id


# %% tags=["nbval-ignore-output", "reason:progress"]
wines = split_wines()
reference = Reference.from_frame(wines.x_train)
pairs = list(product((0.003, 0.01, 0.03, 0.1, 0.3), (0.1, 0.3, 0.5, 0.7, 0.9)))
for alpha, l1_ratio in tqdm(pairs, desc=_("runs"), file=sys.stdout):
    log_run(elastic_net(alpha=alpha, l1_ratio=l1_ratio), wines, reference)

runs = mlflow.search_runs(experiment_names=["/wine"], order_by=["metrics.rmse ASC"])
grid = runs.astype({"params.alpha": float, "params.l1_ratio": float})
show(
    pictures.draw_grid(grid),
    alt=_(
        "The error over alpha and l1_ratio: flat on the left, high at the top right; a star marks the best run."
    ),
)
columns = ["params.alpha", "params.l1_ratio", "metrics.rmse", "metrics.mae", "metrics.r2"]
print(len(grid))
print(grid[columns].round(3).iloc[[0, -1]].to_string(index=False))

# %% [markdown]
# The picture is flat on the left. Eleven weights for 1,087 wines need little restraint, and where `alpha` is small,
# `l1_ratio` hardly matters. Too much of it, on the right and above all at the top, makes the error larger: there,
# most weights are zero.
#
# Always answering the mean would have an RMSE of 0.818. So the best elastic net explains a third of the variance:
# taste is more than eleven measurements, and tasters differ.
#
# ## A second family
#
# A weighted sum can't say that *a little* sulphate is good and much is not. **Support vector regression** (SVR) can:
# it predicts a wine from the training wines that resemble it. `gamma` says how alike two wines must be to count. We
# log three runs more, ask for the best of each family, and only now look at the 272 test wines.

# %%
for gamma in (0.01, 0.03, 0.1):
    log_run(support_vectors(gamma=gamma), wines, reference)

runs = mlflow.search_runs(experiment_names=["/wine"], order_by=["metrics.rmse ASC"])
best = runs.drop_duplicates("params.family").set_index("params.family")
for family, model_id in best["tags.model_id"].items():
    with TemporaryDirectory() as folder:
        model = mlflow.pyfunc.load_model(f"models:/{model_id}", dst_path=folder)
    best.loc[family, "test"] = errors(wines.y_test, model.predict(wines.x_test))["rmse"]
print(best[["metrics.rmse", "metrics.mae", "metrics.r2", "test"]].round(3).to_string())

# %% [markdown]
# SVR is better in cross-validation and on the test wines, and not by much: an RMSE of 0.660 against 0.669, and of
# 0.642 against 0.653. That is what real comparisons look like. Had we looked at the test wines for each of the 28
# runs and taken the best, its error there would be too good to be true.
#
# ## The registry
#
# The **model registry** gives models a name and counts their versions. An **alias** is a name that points to one
# version and can be moved. Services ask for `wine@champion`, never for a number: so moving the alias is the rollout,
# and moving it back is the rollback. The elastic net becomes champion first; SVR waits as challenger.

# %%
client = mlflow.MlflowClient()
client.create_registered_model("wine")
for family, alias in {"ElasticNet": "champion", "SVR": "challenger"}.items():
    model_id = best.loc[family, "tags.model_id"]
    version = client.create_model_version("wine", source=f"models:/{model_id}", model_id=model_id)
    client.set_registered_model_alias("wine", alias, version.version)

print(sorted(client.get_registered_model("wine").aliases.items()))

# %% [markdown]
# ## Why a model file may be a program
#
# The usual file for a scikit-learn model is a **pickle**. A pickle is not data: it is a list of calls that Python
# makes when it loads the file. The first lines below load one. Nobody calls `print`, and yet it is called; it could
# as well have been a call that sends your files away. So a pickle from somebody else is never loaded, and "the model
# registry" is somebody else for a service.
#
# **skops** is a format for scikit-learn's models that builds only types which it knows to be harmless. It refuses
# everything else before anything runs, even a random forest: the trees of a forest are stored as indices into memory
# that nobody checks, and a forged one could crash the process. That is why skops refuses it, and why our second family
# is not a forest. (Forged numbers in an SVR are not checked by skops either.)
#
# More traps are left. skops lets you name types that you trust all the same, and MLflow stores that list *in the
# model's folder*, in the file `MLmodel`: whoever forges the model writes the list. The same file also names code for
# MLflow to import. Our service reads of it only the format and the file's name.

# %%
import pickle

import skops.io
from sklearn.ensemble import RandomForestRegressor


class Surprise:
    def __reduce__(self):
        return print, (_("This line was printed because a file was loaded."),)


pickle.loads(pickle.dumps(Surprise()))

forest = RandomForestRegressor(n_estimators=2).fit(wines.x_train, wines.y_train)
for suspicious in (Surprise(), forest):
    content = skops.io.dumps(suspicious)
    try:
        skops.io.loads(content, trusted=[])
    except skops.io.exceptions.UntrustedTypesFoundException:
        print(_("refused:"), *skops.io.get_untrusted_types(data=content))

# %% [markdown]
# ### Exercise 2
#
# Write the rule for a service. `flavor` is the entry `sklearn` of an `MLmodel` file, a dict. Return `True` if the
# model may be loaded: it is in the format `skops`, and asks to trust nothing. Where no format stands, MLflow takes
# the file for a pickle, and so should you.


# %% tags=["exercise"]
def harmless(flavor):
    ### BEGIN SOLUTION
    is_skops = flavor.get("serialization_format") == "skops"
    return is_skops and not flavor.get("skops_trusted_types")
    ### END SOLUTION


check("serve_models.harmless", harmless)

# %% [markdown]
# ## Served by MLflow
#
# `mlflow models serve` makes a web service of a registered model with one command. It answers at `/invocations`. The
# wines come as `dataframe_split`: the columns' names once, then a list of values for each wine. We ask about two
# wines with `curl` first, as you would in a terminal. Then we ask from Python, three times: about a wine, about the
# same without its pH, and about a wine with minus fifty of everything.

# %% tags=["nbval-ignore-output", "reason:machine"]
import json
import shlex
import subprocess

from course_lib.serving.model_server import serve_with_mlflow

mlflow_server = serve_with_mlflow(tracking.uri, alias="champion")
command = "mlflow models serve --model-uri models:/wine@champion --env-manager local"
print("MLFLOW_TRACKING_URI=" + tracking.uri, command)  # unchecked; ours looks at the model first

question = {"dataframe_split": wines.x_test.head(2).to_dict(orient="split", index=False)}
address = mlflow_server.url + "/invocations"
curl = ["curl", "--silent", address, "--header", "Content-Type: application/json"]
curl += ["--data", json.dumps(question)]
print(shlex.join(curl))
print(subprocess.run(curl, capture_output=True, text=True, check=True).stdout)

# %%
import httpx

one = wines.x_test.head(1)
connection = httpx.Client(trust_env=False)


def ask_mlflow(table):
    question = {"dataframe_split": table.to_dict(orient="split", index=False)}
    return connection.post(address, json=question)


for table in (one, one.drop(columns="pH"), one * 0 - 50):
    answer = ask_mlflow(table)
    print(answer.status_code, np.round(answer.json().get("predictions", []), 2))

# %% [markdown]
# What does this server check? The signature: columns that are missing and values that are no numbers are refused. But
# *any* number will do. The wine with minus fifty of everything, alcohol too, gets a quality of 113, where 10 is the
# best score, and nobody notices: the server keeps no account of what it was asked.
#
# ## A service of our own
#
# So we write one, with FastAPI. It stands in `course_lib/serving`: `schema.py` says what a question is,
# `saved_model.py` loads models without running them, `champion.py` exchanges them, `api.py` answers. The page at
# `/docs`, made from the same schema that checks the questions, names each measurement with its unit and its usual
# range. A question may hold up to 5,000 wines. `/health` says that the process is alive, `/ready` that it has a
# model. Each request for a prediction leaves one line in the log, as JSON with an id that the caller gets too, in the
# header `X-Request-ID`.
#
# Now the same three questions, and one more. A column that is missing, or a value that is no finite number, is
# refused with a sentence that says what to mend. The impossible wine *is* answered: the service can't know that your
# instrument is broken, and a caller who gets no answer learns less than one who gets a doubtful one. But it is
# counted, measurement by measurement, as an **outlier**: a value outside the range of the training wines.

# %% tags=["nbval-ignore-output", "reason:machine"]
import time

from course_lib.serving.deployment import serve


def milliseconds(action, repeats=200):
    seconds = []
    for _repeat in range(repeats):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return min(seconds) * 1000


by_mlflow = milliseconds(lambda: ask_mlflow(one))  # for later, when we compare costs
mlflow_server.stop()

service = serve(tracking_uri=tracking.uri, model="wine", alias="champion")
print("MLFLOW_TRACKING_URI=" + tracking.uri, service.process.command)
print(service.process.browser_url + "/docs")
print(service.predict(one))
print(service.log_line("request"))

# %%
for table in (one, one.drop(columns="pH"), one.assign(pH="sour"), one * 0 - 50):
    try:
        print(service.predict(table).values.round(2))
    except ValueError as error:
        print(error)

outliers = service.metrics()["wine_outliers_total"]
print({name: int(count) for name, count in outliers.items() if count})

# %% [markdown]
# ## Rollout, without losing a request
#
# The challenger becomes champion: the alias moves, and the service is told to look (it also looks by itself, every
# ten seconds). Meanwhile somebody asks without a pause. The new model is loaded *beside* the old one. Then one
# assignment exchanges them: a request that has begun finishes with the model that it began with. Each answer names
# its version. Were a request lost, the cell would end with an error.
#
# Then we roll back, and forward again. Nothing is installed and nothing starts anew for that.


# %%
import threading
from concurrent.futures import ThreadPoolExecutor


def keep_asking(done):
    versions = [service.predict(one).version]
    while not done.is_set():
        versions.append(service.predict(one).version)
    return [*versions, service.predict(one).version]


def roll_out(version):
    client.set_registered_model_alias("wine", "champion", version)
    return service.reload()


done = threading.Event()
with ThreadPoolExecutor() as pool:
    asking = pool.submit(keep_asking, done)
    try:
        roll_out(2)
    finally:
        done.set()
print(sorted(set(asking.result())), asking.result() == sorted(asking.result()))
print([roll_out(version) for version in (1, 2)])

# %% [markdown]
# ## Monitoring
#
# At `/metrics` the service shows what any service should: how many requests came, how they ended, how long they took,
# and the processor time and memory that it uses. Prometheus fetches these numbers every few seconds and keeps them.
# But a service that has a model can be fast, free of errors, and wrong, because the world has changed since its model
# was trained. We don't learn the true quality of the wines that people ask about: that would take tasters. What we
# can see is the questions. Do they look as the training data did?
#
# For one measurement, take the training values and the newest values, and draw for each set which *share* lies at or
# below x: two curves that rise from 0 to 1. The **Kolmogorov-Smirnov distance** is the widest gap between them. Say
# training saw a pH of 3.1, 3.2, 3.2 and 3.3, and now come 3.3, 3.3, 3.4, 3.4. At 3.2 three of four training values
# are at or below, and none of the new ones: the gap is 0.75. It needs no unit, and works for each measurement in the
# same way.
#
# ### Exercise 3
#
# Write the distance. It is enough to look at the places where one of the curves rises: at the values themselves.


# %% tags=["exercise"]
def widest_gap(training, newest):
    ### BEGIN SOLUTION
    values = np.concatenate([training, newest])
    return max(abs((training <= x).mean() - (newest <= x).mean()) for x in values)
    ### END SOLUTION


check("serve_models.widest_gap", widest_gap)

# %% [markdown]
# The service keeps the newest 200 wines and works out this distance for each of the eleven measurements, whenever
# somebody looks. How far is too far? Even when nothing has changed, 200 wines differ from 1,087 by chance.
# `Reference` has tried out how far, two thousand times, with wines drawn from the training data: in 99 of 100 windows
# no measurement is further off than the **threshold**. The alert rule that Prometheus evaluates compares the two;
# here it is.
#
# Then traffic: 260 test wines as they are, and 240 of a hot summer. More sun, more sugar: so 0.8% by volume more
# alcohol, and a lower density. Not one of these values is impossible, and hardly one would be called an outlier.

# %%
from itertools import islice

import yaml

from course_lib.serving.replay import normal_traffic, replay, shifted_traffic

rules = yaml.safe_load(Path(pictures.__file__).with_name("rules").joinpath("wine_alerts.yml").read_text())
print(next(rule["expr"] for rule in rules["groups"][0]["rules"] if rule["alert"] == "DriftAlert"))
print(f"{reference.threshold:.2f}")

normal = list(islice(normal_traffic(wines.x_test, seed=0), 260))
hot = {"alcohol": 0.8, "density": -0.0008}
summer = list(islice(shifted_traffic(wines.x_test, hot, seed=100), 240))

before = service.metrics()
glances = list(replay(service, iter(normal), requests=260))
middle = service.metrics()
glances += replay(service, iter(summer), requests=240)
after = service.metrics()

# %%
sent = [int(glance.rows - before["wine_rows_total"]) for glance in glances]
alarm = next(place for place, glance in enumerate(glances) if glance.alarms)
print(sent[alarm], glances[alarm].alarms, glances[-1].alarms)

drift = pd.DataFrame([glance.drift for glance in glances])
show(
    pictures.draw_watch(sent, drift, threshold=reference.threshold, shifted_from=260, alarm_at=sent[alarm]),
    alt=_("Drift: low until the summer's wines come; then alcohol crosses the threshold, and later density."),
)
newest = pd.concat(summer)[-200:]
show(
    pictures.draw_gap(wines.x_train["alcohol"], newest["alcohol"], name="alcohol"),
    alt=_(
        "Two rising curves for alcohol. The newest wines' lies to the right; an arrow marks the widest gap."
    ),
)

# %% [markdown]
# When does the alarm rise, and why? As long as fewer than 200 wines have come, nothing is compared. Then chance is at
# work, below the threshold. After the 260th wine the hot summer begins to fill the window, and when three wines in
# ten are of the summer, the alarm rises. It names the measurement: first alcohol, later density as well. The second
# figure shows what the alarm sees at the end: the two curves for alcohol, and the widest gap.
#
# ## Prove it to yourself
#
# Would other signs have told us? The cell compares the metrics before and after the summer. No request failed. Of the
# 240 wines, no more than a handful had an outlier. But the *answers* moved: the mean prediction rose by 0.2, as if
# the wines had become better. Perhaps they have, perhaps only the sun has changed: the model can't know, and nor can
# the alarm. It says *look*, not *why*. Ask tasters about some of these wines before you train anew.

# %%
failed = sum(count for status, count in after["wine_requests_total"].items() if status >= "500")
new = sum(after["wine_outliers_total"].values()) - sum(middle["wine_outliers_total"].values())
print(f"{failed=:.0f} {new=:.0f}")
print(f"{middle['wine_prediction_mean']:.1f} -> {after['wine_prediction_mean']:.1f}")

# %% [markdown]
# ## What it costs
#
# Measured here and now: the shortest of 200 questions about one wine, since whatever else your machine does only
# makes them longer. MLflow's server builds a table with named columns for each question, and checks it against the
# signature; ours checks plain numbers, and hands them on. What is left is close to the price of an HTTP request, with
# validation and monitoring switched on. The last line is the memory of our service.
#
# Last, the tracking server dies. The service goes on with the model that it has, and says so in its metrics and at
# `/ready`. Then we stop it as well; it answers what it was asked, and ends.

# %% tags=["nbval-ignore-output", "reason:timing"]
costs = {"mlflow models serve": by_mlflow, _("our service"): milliseconds(lambda: service.predict(one))}
alt = _("Two bars: the milliseconds of a question to MLflow's server, and of one to ours.")
show(pictures.draw_costs(costs), alt=alt)
print(f"{after['wine_memory_bytes'] / 1e6:.0f} MB")

tracking.stop()
print(service.predict(one).version)
service.stop()
print(f"{tracking.process.running=} {service.process.running=}")

# %% [markdown]
# ## What production needs
#
# - **A database and an object store behind MLflow.** SQLite has one writer at a time, and a folder is on one machine.
#   `start_tracking_server(backend_store_uri="postgresql+psycopg2://…", artifacts="s3://…")` is the change here. S3
#   also needs `boto3` and credentials; for other machines, start `mlflow server` yourself. Our tests run it on a real
#   PostgreSQL and on a real blob store.
# - **Logins and TLS.** Nothing here asks who you are. A reverse proxy in front of both servers does, and lets nobody
#   but your deployment move an alias or call `/reload`.
# - **Several workers**, `--workers 4`, or several machines behind a load balancer that asks `/ready`. Each looks for
#   the champion by itself, so for some seconds two versions answer side by side. That is why each answer names its
#   version.
# - **A real Prometheus and a dashboard.** `course_lib/serving/rules/wine_alerts.yml` has seven alerts, and
#   `grafana/wine.json` is a dashboard to import. Our tests run Prometheus with these rules against this service.
# - **Rollback by habit.** Move the alias back first, ask why afterwards.
#
# Other tools cut the same parts differently:
#
# | here | BentoML | TorchServe | KServe |
# |---|---|---|---|
# | the model with its requirements in MLflow | a *Bento*, made from code, model and requirements | a model archive, `.mar` | `storageUri` in an `InferenceService` |
# | `api.py` | a class with `@bentoml.service` | a handler | a runtime for the model's format |
# | `/predict` | one route for each `@bentoml.api` | `/predictions/{model}` | the Open Inference Protocol, `/v2/models/{model}/infer` (with `protocolVersion: v2`) |
# | moving an alias | deploying another Bento | registering a version, making it the default | `canaryTrafficPercent`, step by step, in Knative mode; a rolling update in Standard mode |
# | `/health`, `/ready` | `/livez`, `/readyz` | `/ping` | `/v2/health/live`, `/v2/health/ready` |
# | `/metrics` | `/metrics` | `/metrics`, on a port of its own (with `metrics_mode=prometheus`) | the runtime's metrics |
# | drift alarms | logs data for other tools | not included | logs questions for other tools |
#
# TorchServe's makers have declared that they no longer maintain it: choose it for nothing new.
#
# ## Where it breaks
#
# - **The service reads everything.** Each question and each answer is in the clear for whoever runs it.
# - **The answers give away the model, and something of its data.** The next lesson shows what.
# - **An SVR carries training data.** About two thirds of the training wines lie in its file, to be read by whoever gets
#   it.
# - **A drift alarm sees single measurements.** If only the *combination* of two measurements changes, or what tasters
#   like, each curve stays where it is. And of independent windows, 1 in 100 cries wolf, for one worker: that is
#   what the threshold was chosen for.
# - **An honest format is not an honest model.** skops is built to keep a file from running code (keep it up to
#   date: it has had holes). Whether the model inside answers honestly, only those who trained it know.
# - **One region, a few years.** The wines are Vinho Verde from the north of Portugal. The model says little about any
#   other wine.
#
# ## What we saw
#
# - A run holds all that is needed to ask later how a model came about; the server's answers, not our variables, are
#   the record.
# - An alias separates *which model is best* from *which model answers*: a rollout moves it, a rollback moves it back.
# - A pickle is a program. A format that is built not to run code, and an empty list of trusted types, keep a model
#   file a file.
# - Drift is a distance between distributions. The alarm rose though each single wine looked normal, and no request
#   had failed.
#
# ## Sources
#
# - P. Cortez et al.: *Modeling wine preferences by data mining from physicochemical properties*, Decision Support
#   Systems 47(4), 2009 (the wines).
# - H. Zou, T. Hastie: *Regularization and variable selection via the elastic net*, Journal of the Royal Statistical
#   Society B, 2005.
# - A. Smola, B. Schölkopf: *A tutorial on support vector regression*, Statistics and Computing, 2004.
# - E. Breck et al.: *The ML Test Score: A Rubric for ML Production Readiness*, IEEE Big Data 2017.
# - [MLflow](https://mlflow.org/docs/latest/) 3.17, [skops](https://skops.readthedocs.io/en/stable/persistence.html)
#   0.16, [FastAPI](https://fastapi.tiangolo.com/), [Prometheus](https://prometheus.io/docs/): what runs here.
# - [BentoML](https://docs.bentoml.com/), [TorchServe](https://docs.pytorch.org/serve/) and
#   [KServe](https://kserve.github.io/website/).
