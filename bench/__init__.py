"""Measures the provider against the floor, and against what users would take instead; ``make bench`` runs it.

Each measured run has a process of its own, a fork of one that has imported everything. Runs are interleaved, so that a
noisy machine is noisy for all, and the median of a case's runs counts.

    __main__     the command: measures, and writes docs/performance.md
    inputs       the data: lineitem of TPC-H, and a nested, quoted, unicode set
    cases        what is loaded, from which source, into which format
    contenders/  who loads it: ours, the floor, and the others
    process      one run in a process: CPU, wall, peak RSS
    agreement    compares what the contenders wrote, before any time counts
    speed        the tables of contenders and of targets
    memory       peak RSS for 1 GB and 20 GB
    growth       cost for more tables, objects and columns
    scale_out    shards under a real Airflow with one and two tasks at a time
    document     sections of docs/performance.md
"""
