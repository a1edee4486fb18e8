# %% [markdown]
# # From fifteen measurements to a network for your device
#
# A notebook in percent cells: open it in an editor that shows cells, or run
# it. With the tables of `nasflat-data` at hand the device is real, and so is
# the judgement at the end; otherwise this machine is the device, and fifteen
# networks are timed on it.

# %%
import pathlib
import sys

import jax
import numpy as np

from nasflat_jax import data
from nasflat_jax import metrics
from nasflat_jax import reports
from nasflat_jax import search
from nasflat_jax import spaces
from nasflat_jax import transfer

OUT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else 'walkthrough_out')
OUT.mkdir(parents=True, exist_ok=True)
SPACE = spaces.NASBENCH201
DEVICE = 'gold_6226'
members = search.all_members(SPACE)

# %% [markdown]
# ## 1. What to measure
#
# A D-optimal design: networks that differ in what may matter to latency. It
# needs no measurement, and takes no cell that ignores its input.

# %%
support = np.asarray(transfer.choose_support(jax.random.key(0), SPACE, 15))

# %% [markdown]
# ## 2. Measure
#
# `truth` is the whole measured table, or None where there is none.

# %%
try:
  table = data.load_latency('nasbench201').select([DEVICE])
  truth = search.table(SPACE, table.genotype, table.values[0])
  support_ms = np.asarray(truth(support))
except FileNotFoundError:
  from nasflat_jax import measure

  DEVICE, truth = 'this machine', None
  support_ms = measure.collect(
      SPACE, support, batch_size=1, key=jax.random.key(1), max_noise=1.0
  ).latency_ms
print(f'{DEVICE}: {support_ms.min():.3g} to {support_ms.max():.3g} ms')

# %% [markdown]
# ## 3. Adapt
#
# Closed form: a few milliseconds. The model knows how uncertain it is.

# %%
model = transfer.bayesian_model(SPACE)
adapted = transfer.adapt_bayesian(model, support[None], support_ms[None])
predicted = jax.tree.map(lambda leaf: leaf[0], adapted.predict(members))

# %% [markdown]
# ## 4. Is it any good?
#
# On the table: all networks that were not measured. Here: leaving each
# measurement out in turn.

# %%
if truth is not None:
  known = {tuple(row) for row in support.tolist()}
  fresh = np.array([tuple(row) not in known for row in members.tolist()])
  fresh &= np.random.default_rng(0).random(len(fresh)) < 0.02
  judged = jax.tree.map(lambda leaf: leaf[fresh], predicted)
  measured_ms = np.asarray(truth(members[fresh]))
else:
  judged = transfer.leave_one_out(
      jax.random.key(0), None, support, support_ms, space=SPACE
  )
  measured_ms = support_ms
spearman = float(metrics.spearman(
    jax.numpy.asarray(judged.latency_ms), jax.numpy.asarray(measured_ms)
))
print(f'Spearman {spearman:.3f} on {len(measured_ms)} networks')
reports.plot_latency(
    OUT / 'latency.png',
    measured_ms,
    judged.latency_ms,
    title=f'{DEVICE}, 15 measurements',
    note=f'Spearman {spearman:.3f}',
    lower_ms=judged.lower_ms,
    upper_ms=judged.upper_ms,
)

# %% [markdown]
# ## 5. Search
#
# Of all 15,284 cells, those that hold the budget with 95 % probability, by
# what stands for accuracy: a vote of zero-cost proxies where their table is
# at hand, else FLOPs.

# %%
try:
  scores = data.load_zero_cost('nasbench201')
  columns = [scores.column(name) for name in ('synflow', 'jacov', 'snip')]
  value = search.zero_cost_vote(
      SPACE, scores.genotype, np.stack(columns, axis=1),
  )
  objective = 'zero-cost vote'
except FileNotFoundError:
  value, objective = search.cost(SPACE, 'flops'), 'FLOPs'
budget_ms = float(np.quantile(predicted.latency_ms, 0.4))
bound = search.latency_quantile(adapted, level=0.95)
found = search.run(
    jax.random.key(0),
    search.exhaustive(SPACE),
    search.problem(
        search.maximised(value),
        constraints=[search.at_most(bound, budget_ms)],
    ),
    num_rounds=search.num_rounds(len(members), 4096),
    archive_size=5,
).found
holds = search.probability_within(adapted, budget_ms)(found.genotype)
print(f'Within {budget_ms:.3g} ms, by {objective}:')
for name, probability in zip(SPACE.to_string(found.genotype), holds):
  print(f'  {float(probability):.1%}  {name}')

# %% [markdown]
# ## 6. Look at it, and verify
#
# The front is predicted. Measure the finalists before you trust one.

# %%
values = np.asarray(value(members))
finals = jax.tree.map(
    lambda leaf: leaf[0], adapted.predict(found.genotype)
)
reports.plot_front(
    OUT / 'front.png',
    latency_ms=predicted.latency_ms,
    value=values,
    front=search.pareto_front(
        np.stack([predicted.latency_ms, -values], axis=1)
    ),
    finalists=reports.DeviceReport(
        DEVICE, budget_ms, finals, np.asarray(bound(found.genotype)),
        np.asarray(holds),
    ),
    finalist_value=np.asarray(value(found.genotype)),
    objective=objective,
    title=f'NAS-Bench-201 on {DEVICE}',
)
if truth is not None:
  finalist_ms = np.asarray(truth(found.genotype))
  print('measured:', ', '.join(f'{ms:.3g} ms' for ms in finalist_ms))
  print(f'{(finalist_ms <= budget_ms).sum()} of 5 hold {budget_ms:.3g} ms')
