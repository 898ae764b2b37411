"""Inputs on which answers are tried, a file for each notebook, a function for each exercise, the telling ones first."""
