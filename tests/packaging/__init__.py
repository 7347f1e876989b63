"""Tests of what is installed, rather than of the checkout."""
