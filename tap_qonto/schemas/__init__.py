"""One JSON Schema per stream, resolved, named after it, and edited by hand.

The files promise what Qonto promises: a property is nullable where the API may send null or leave
it out, and only the stream's key is ``required``. Nested objects are open, because Qonto adds
fields without notice; rows are closed, and a field that a row gains goes into the column
``additional_properties``.

A property whose schema is ``false`` is one that Qonto sends and the tap withholds: links that
carry their own permission and expire, and secrets. It is part of no record and of no catalog.
"""
