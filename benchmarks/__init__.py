"""Long measurements that anyone can repeat: ``python -m benchmarks NAME``.

`benchmarks.peers` is what ``hcc-scope bench`` compares with.
"""
