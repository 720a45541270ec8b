"""The proof of promise number one: real processes are killed, refused and cut off, and every image is counted.

    make prove         every single fault, double faults, races with a second hand, histories
    make prove-full    also power loss, and mutants of the journal, each of which must be caught

`scenarios` says what is run, one line a verb: a new verb joins every table here by its line. `faults` breaks a run at
each system call that changes something; `races` lets somebody else's hand act between two such calls; `power` lays
every order in which a disk may have kept its writes on an image and mounts it; `mutants` leaves single lines of the
journal out; `histories` makes up long lives; `peers` puts other tools through the same. `judge` is the one who counts.
"""
