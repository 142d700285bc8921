"""An ordinary Brian2 network as a function of its parameters, in JAX.

``capture`` catches what Brian2 would generate code for, ``render`` writes expressions
as Python text for `jax.numpy`, ``blocks`` makes functions of statements, ``parts`` and
``synapses`` do what Brian2's templates do, ``assembly`` puts them in order and
``simulation`` has the whole in a loop. ``network`` is where others come in; importing
it needs JAX.
"""

__all__ = []
