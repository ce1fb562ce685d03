"""What `ticketbench plugin new` writes: plugins that work as they are, to change.

`Sample` and `sample` stand for the names that the user gives.
"""
