"""Tests of `imgstage.networks`."""
