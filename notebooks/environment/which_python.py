# ---
# title: The environment is active. Which Python runs?
# summary: A shell finds each command by itself, so the right python says nothing about ipython or pip.
# tags: [setup, environments]
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# **One question:** an environment is activated, `which python` points into it, the packages are installed.
# Can the code still run in another environment, with other versions?
#
# By the end we have two real environments in a temporary folder, three commands that quietly use the wrong
# one, and for each of them the one that cannot.
# Nothing is downloaded.

# %%
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import IPython

from kb import claim

HOME = Path(tempfile.mkdtemp()).resolve()
BASE, MINE = HOME / "base", HOME / "mine"

# %% [markdown]
# ## Two environments
#
# `base` is what a shared machine gives to everybody; it has pip.
# `mine` is new and has nothing.
# A package called `toy` stands for PyTorch: version 1.0 in base, 2.0 in mine.


# %%
def packages(env):
    """The folder that an environment's Python imports from."""
    return next(env.glob("lib/python*/site-packages"))


for env, version, options in ((BASE, "1.0", []), (MINE, "2.0", ["--without-pip"])):
    subprocess.run([sys.executable, "-m", "venv", *options, env], check=True)
    (packages(env) / "toy.py").write_text(f"version = '{version}'\n")

# %% [markdown]
# To activate an environment is to put its `bin` folder first on `PATH`.
# Conda does that and no more that matters here; a venv's `activate` also sets `VIRTUAL_ENV`, to which we come
# back.


# %%
def shell(command, **variables):
    """What a fresh bash with mine active prints last, in short: folders are named from here."""
    path = os.pathsep.join([str(MINE / "bin"), str(BASE / "bin"), os.defpath])
    env = {"PATH": path, "HOME": str(HOME), "IPYTHONDIR": str(HOME / "ipython"), **variables}
    done = subprocess.run([shutil.which("bash"), "-c", command], env=env, capture_output=True, text=True)
    said = (done.stdout.strip() or done.stderr.strip()).splitlines() or [""]
    return said[-1].replace(f"{HOME}/", "")


print(shell("command -v python"))

# %% [markdown]
# ## The right python, the wrong ipython
#
# Someone installed IPython in base, long ago.
# We give base the real one: a command whose first line names base's Python, as every installer writes it, and
# a pointer to the IPython that runs this notebook.

# %%
ipython = BASE / "bin" / "ipython"
ipython.write_text(f"#!{BASE}/bin/python\nfrom IPython import start_ipython\nstart_ipython()\n")
(packages(BASE) / "borrowed.pth").write_text(f"{Path(IPython.__file__).parents[1]}\n")
ipython.chmod(0o755)

# %% [markdown]
# **Predict first:** `which python` says mine, and mine has version 2.0.
# What does `ipython` import?

# %%
ASK = "import sys, toy; print(sys.prefix, toy.version)"
for command in ("python", "ipython", "python -m IPython"):
    print(f"{command:18}", shell(f'{command} -c "{ASK}"'))

# %% [markdown]
# The shell looks for each command by itself.
# It finds `python` in mine, does not find `ipython` there, goes on to base, and base's `ipython` starts
# base's Python.
# No warning, no error: everything works, with another version of everything.
# `python -m IPython` cannot do that: it is python that runs, and if the environment has no IPython it says
# so.


# %%
def runs_in_base(command):
    """Whether a command runs in base although `python` is mine."""
    return shell("command -v python") == "mine/bin/python" and shell(f'{command} -c "{ASK}"') == "base 1.0"


claim(
    "which-python-does-not-cover-ipython",
    test=runs_in_base,
    on="ipython",
    control="python",
    which_python=shell("command -v python"),
    python=shell(f'python -c "{ASK}"'),
    ipython=shell(f'ipython -c "{ASK}"'),
    with_m=shell("python -m IPython").split(": ")[-1],
)

# %% [markdown]
# ## A helping hand that mixes two environments
#
# If `VIRTUAL_ENV` is set, as a venv's `activate` does and conda does not, IPython notices that it runs
# elsewhere and puts that environment's packages first [@ipython2023virtualenv].
# **Predict first:** does that repair it?

# %%
for name, variables in (("as with conda", {}), ("as with a venv", {"VIRTUAL_ENV": str(MINE)})):
    print(f"{name:16}", shell(f'ipython -c "{ASK}"', **variables))

# %% [markdown]
# Half of it: the package is mine, the interpreter is still base's.
# Two environments in one process is what nobody ever tested: a compiled package of the one meets the Python
# of the other.

# %%
claim(
    "ipython-mixes-a-virtualenv-with-base",
    test=lambda env: shell(f'ipython -c "{ASK}"', VIRTUAL_ENV=str(HOME / env)) == "base 2.0",
    on="mine",
    control="base",
    mixed=shell(f'ipython -c "{ASK}"', VIRTUAL_ENV=str(MINE)),
)

# %% [markdown]
# ## Where a package lands
#
# `pip` is one more command that the shell looks for by itself.
# To see where it installs we need something to install: a wheel is a zip file with three notes in it.

# %%
WHEEL = HOME / "gadget-1.0-py3-none-any.whl"
with zipfile.ZipFile(WHEEL, "w") as wheel:
    wheel.writestr("gadget.py", "")
    wheel.writestr("gadget-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: gadget\nVersion: 1.0\n")
    wheel.writestr("gadget-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
    wheel.writestr("gadget-1.0.dist-info/RECORD", "")


def lands(command):
    """Where a pip command puts the wheel: an environment's name, or what it says instead."""
    said = shell(f"{command} install --no-index --no-deps --disable-pip-version-check {WHEEL}")
    found = [env for env in (BASE, MINE) if (packages(env) / "gadget.py").exists()]
    for env in found:
        for path in packages(env).glob("gadget*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return found[0].name if found else said.split(": ")[-1]


# %% [markdown]
# First as `mine` is, without pip; then after pip was added to it.
#
# **Predict first:** four installations. How many end up in base?

# %%
COMMANDS = ("pip", "python -m pip")
landed = {command: [lands(command)] for command in COMMANDS}
shell("python -m ensurepip --default-pip")
for command in COMMANDS:
    landed[command].append(lands(command))
    print(f"{command:14}  mine without pip: {landed[command][0]:20}  with pip: {landed[command][1]}")

# %% [markdown]
# One, and it is the one that matters: in an environment that has no pip yet, `pip install` succeeds, and
# changes the environment of everybody else.
# `python -m pip` installs for the Python that runs it, or says that it cannot [@cpython2019pip].

# %%
claim(
    "python-m-pip-targets-interpreter",
    test=lambda command: "base" not in landed[command],
    on="python -m pip",
    control="pip",
    pip=landed["pip"][0],
    python_m_pip=landed["python -m pip"][0],
    python_m_pip_later=landed["python -m pip"][1],
)

# %% [markdown]
# ## What the shell remembers
#
# So we install what was missing into mine, and the command is there, first on the path.
# But a shell does not search `PATH` each time: it remembers where it found a command.
# Here `tool` is in base and says so; then mine gets one as well.


# %%
def after_installing(command):
    """What `command` prints in a bash that has run `tool` before mine got one."""
    for env in (BASE, MINE):
        (env / "bin" / "tool").write_text(f"#!/bin/sh\necho {env.name}\n")
        (env / "bin" / "tool").chmod(0o755)
    (MINE / "bin" / "tool").rename(MINE / "tool")
    return shell(f"tool; mv {MINE}/tool {MINE}/bin/tool; {command}")


# %% [markdown]
# **Predict first:** three ways to run it afterwards. Which are mine?

# %%
for command in ("tool", "hash -r; tool", "bash -c tool"):
    print(f"{command:15}", after_installing(command))

# %%
claim(
    "shell-hash-hides-new-tool",
    test=lambda command: after_installing(command) == "base",
    on="tool",
    control="hash -r; tool",
    same_shell=after_installing("tool"),
    after_hash_r=after_installing("hash -r; tool"),
    fresh_shell=after_installing("bash -c tool"),
)

# %% [markdown]
# ## The question to ask
#
# `which` asks the shell what it *would* run.
# The process itself knows what *does* run, so ask there, in the tool that you use:

# %%
for command in ("python", "ipython"):
    print(f"{command:8}", shell(f'{command} -c "import sys; print(sys.prefix)"'))

# %%
shutil.rmtree(HOME)

# %% [markdown]
# ## Exercises
#
# 1. `jupyter lab` starts in base. Which Python runs the cells of a notebook opened in it?
# 2. `which -a ipython` in a shell with an active environment prints one line. Is that enough to be safe?
# 3. Put base's `bin` first on `PATH`. What does `python -m IPython` import now?
#
# ??? success "Answers"
#     1. The one that its kernelspec names, whatever the shell says: `jupyter kernelspec list` shows where
#        they are. Ask for `sys.prefix` in a cell.
#     2. Only if the line lies in the environment: one line from base is exactly the case above.
#     3. Base's version: `python` is base's too. `-m` ties a tool to the python that runs, not to the one that
#        was meant.
#
# ## What we now know
#
# - A shell finds every command separately: the right `python` says nothing about `ipython` or `pip`.
# - `python -m` ties a tool to the interpreter. What is missing is then an error, and not another
#   environment's version.
# - With `VIRTUAL_ENV` set, IPython mixes its own interpreter with the environment's packages.
# - A shell remembers where commands are; after installing one, `hash -r`, or a new shell.
