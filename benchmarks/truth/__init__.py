"""Whether the answers are right: `python -m benchmarks.truth [SECTION ...]` prints tables, each against its target.

Studies are simulated from populations whose answer is known, and judged by the code that judges real ones.
"""
