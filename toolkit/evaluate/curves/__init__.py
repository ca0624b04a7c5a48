"""Curves of cost and quality, and the scores that the field reads off them."""
