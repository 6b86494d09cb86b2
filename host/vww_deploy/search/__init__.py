"""Architecture search: the best network that a board can run, under limits that are exact.

The way of a candidate: :mod:`space` proposes it, :mod:`costs` says what it takes (by table, by the planner, counted in
the emulator), :mod:`ranking` says how well it learns, :mod:`study` keeps all of it and goes on where it was stopped.
"""
