"""Tests of `imgstage.memory`."""
