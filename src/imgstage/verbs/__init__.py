"""One pure planner a verb: what there is + what is wished -> Plan."""
