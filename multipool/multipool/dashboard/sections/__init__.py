"""The parts of the page, one module each, in the order of the questions asked at 3 a.m."""
