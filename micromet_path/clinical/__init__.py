"""From measured clusters to a finding, from findings to a node, from nodes to a stage.

Records in, records out: nothing here sees a pixel, so that a pathologist can read and audit the rules
alone. Lengths are microns inside and millimetres in sentences.

``policy``
    the limits, and the lists of flags that decide what counts
``counting``, ``assessable``
    of each cluster: its class and whether it counts; of a slide: whether it could show tumour
``classify``
    what a piece and a slide are called; the one to import from
``wording``
    the sentences that `classify` prints, the fixed wording of a negative among them
"""
